"""The rows behind the API, for what no client can do: turn clocks back, count, hold locks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from taskapi.database.address import Address


def execute(database: Address, statement: str, *arguments: object) -> list[Any]:
    """Run a statement in a connection of its own; its rows."""

    async def run() -> list[Any]:
        connection = await asyncpg.connect(database.dsn)
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return rows

    return asyncio.run(run())


@contextmanager
def held(database: Address, statement: str, *arguments: object) -> Iterator[None]:
    """Hold the locks that a statement takes, and undo what it did afterwards."""
    with asyncio.Runner() as runner:

        async def begin() -> Any:
            connection = await asyncpg.connect(database.dsn)
            await connection.execute("BEGIN")
            await connection.fetch(statement, *arguments)
            return connection

        connection = runner.run(begin())
        try:
            yield
        finally:
            runner.run(connection.close())
