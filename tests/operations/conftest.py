"""Databases of their own, for a doctor to find something wrong with."""

import asyncio
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import asyncpg
import pytest

from taskapi.config import DatabaseSettings
from taskapi.database.schema import migrate
from taskapi.database.url import DatabaseUrl


@dataclass(frozen=True)
class OwnDatabase:
    """A database of one test alone, and what its operator can do to it."""

    address: DatabaseUrl

    def run(self, *statements: str) -> None:
        """Run statements as the operator."""
        asyncio.run(_run(self.address, statements))

    def migrate(self) -> None:
        """Bring its schema up to date."""
        migrate(DatabaseSettings(database_url=self.address.dsn), self.address)

    def user(self, name: str) -> DatabaseUrl:
        """Its address for another user."""
        return DatabaseUrl(self.address.dsn.replace("taskapi@", f"{name}@"), self.address.pooler)


async def _run(address: DatabaseUrl, statements: tuple[str, ...]) -> None:
    connection = await asyncpg.connect(address.dsn)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """An empty database on the server that all tests share."""
    name = f"operations_{os.getpid()}_{secrets.token_hex(4)}"
    operator = OwnDatabase(database)
    operator.run(f"CREATE DATABASE {name}")
    yield OwnDatabase(DatabaseUrl(database.dsn.replace("/postgres?", f"/{name}?"), pooler=False))
    operator.run(f"DROP DATABASE {name} WITH (FORCE)")
