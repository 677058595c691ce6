"""Databases of one test alone, for what changes the schema or who may do what."""

import asyncio
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import asyncpg

from support.rows import execute
from taskapi.config import DatabaseSettings
from taskapi.database.schema import migrate
from taskapi.database.url import DatabaseUrl


@dataclass(frozen=True)
class OwnDatabase:
    """A database of one test alone, and what its operator can do to it."""

    address: DatabaseUrl

    def run(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as an operator or the auth server does; gives its rows."""
        return execute(self.address, sql, *arguments)

    def run_script(self, *texts: str) -> None:
        """Run texts of many statements one after another, as `psql` does with files."""
        asyncio.run(_run(self.address, texts))

    def migrate(self) -> None:
        """Bring its schema up to date."""
        migrate(DatabaseSettings(database_url=self.address.dsn), self.address)

    def user(self, name: str) -> DatabaseUrl:
        """Its address for another user."""
        return DatabaseUrl(self.address.dsn.replace("taskapi@", f"{name}@"), self.address.pooler)


async def _run(address: DatabaseUrl, texts: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(address.dsn)
    try:
        for text in texts:
            await connection.execute(text)
    finally:
        await connection.close()


@contextmanager
def own_database(server: DatabaseUrl, options: str = "") -> Iterator[OwnDatabase]:
    """A new database on this server, with nothing in it at first; dropped at the end.

    Args:
        server: the address of one of its databases.
        options: of `CREATE DATABASE`.
    """
    name = f"test_{secrets.token_hex(8)}"
    execute(server, f"CREATE DATABASE {name} {options}")
    yield OwnDatabase(DatabaseUrl(server.dsn.replace("/postgres?", f"/{name}?"), pooler=False))
    execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def statements_of(script: str) -> list[str]:
    """The statements of a script of SQL, to be run one by one, as psql sends them.

    Otherwise they are one transaction, which an index that is built concurrently does not allow. A
    semicolon between two dollar signs belongs to a function.
    """
    parts = script.split("$$")
    parts[1::2] = [part.replace(";", "\0") for part in parts[1::2]]
    return [each.replace("\0", ";") for each in "$$".join(parts).split(";") if each.strip()]
