"""Databases for tests that change the schema, and a service as `taskapi serve` starts it."""

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import asyncpg
import pytest

from integration.programs import Service, development_service
from support import Person
from taskapi.database.url import DatabaseUrl

Result = TypeVar("Result")


@dataclass(frozen=True)
class Empty:
    """A database of one test alone, with nothing in it at first."""

    address: DatabaseUrl

    def run(self, sql: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as an operator or the auth server does; gives its rows."""
        return run_sql(self.address, sql, *arguments)

    def run_script(self, sql: str) -> None:
        """Run many statements, as `psql` does with a file."""
        asyncio.run(_connected(self.address, lambda connection: connection.execute(sql)))


def run_sql(address: DatabaseUrl, sql: str, *arguments: object) -> list[asyncpg.Record]:
    """Run a statement on a connection of its own; gives its rows."""
    return asyncio.run(_connected(address, lambda connection: connection.fetch(sql, *arguments)))


async def _connected(
    address: DatabaseUrl, work: Callable[[asyncpg.Connection], Awaitable[Result]]
) -> Result:
    connection = await asyncpg.connect(address.dsn)
    try:
        return await work(connection)
    finally:
        await connection.close()


@pytest.fixture
def empty(database: DatabaseUrl) -> Iterator[Empty]:
    """An empty database on the server that all tests share."""
    name = f"test_{secrets.token_hex(8)}"
    run_sql(database, f"CREATE DATABASE {name}")
    yield Empty(DatabaseUrl(database.dsn.replace("/postgres?", f"/{name}?"), pooler=False))
    run_sql(database, f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(scope="session")
def development(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Person]]:
    """`taskapi serve` with no settings at all, and the person whose token it prints."""
    with development_service(tmp_path_factory.mktemp("development")) as both:
        yield both
