"""The rows behind the API, for what no client can do: turn clocks back, count, hold locks."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import asyncpg

from support.waiting import eventually
from taskapi.database.url import DatabaseUrl


def execute(
    database: DatabaseUrl, statement: str, *arguments: object, moves_clock: bool = True
) -> list[Any]:
    """Run a statement in a connection of its own; its rows.

    Args:
        database: as the owner of the tables.
        statement: with `$1`, `$2`, … for its arguments.
        arguments: of the statement.
        moves_clock: whether a change of tasks moves the clock of their user.
    """

    async def run() -> list[Any]:
        connection = await asyncpg.connect(database.dsn)
        if not moves_clock:
            await connection.execute("SET taskapi.owner = 'tests'")
        try:
            rows: list[Any] = await connection.fetch(statement, *arguments)
        finally:
            await connection.close()
        return rows

    return asyncio.run(run())


@contextmanager
def held(database: DatabaseUrl, statement: str, *arguments: object) -> Iterator[int]:
    """Hold the locks that a statement takes, and undo what it did afterwards.

    Gives the process of the server that holds them.
    """
    with asyncio.Runner() as runner:

        async def begin() -> Any:
            connection = await asyncpg.connect(database.dsn)
            await connection.execute("BEGIN")
            await connection.fetch(statement, *arguments)
            return connection

        connection = runner.run(begin())
        try:
            yield connection.get_server_pid()
        finally:
            runner.run(connection.close())


def wait_for_waiters(database: DatabaseUrl, holder: int, count: int = 1) -> None:
    """Return when so many wait for the locks that this process holds, one behind the other."""
    eventually(lambda: is_waited_for(database, holder, count), f"{count} of them wait")


def is_waited_for(database: DatabaseUrl, holder: int, count: int) -> bool:
    """Whether so many wait for the locks that this process holds, one behind the other."""
    waiting = """WITH RECURSIVE waiting(pid) AS (
        SELECT $1::int
        UNION SELECT a.pid FROM waiting AS w, pg_stat_activity AS a
        WHERE w.pid = ANY(pg_blocking_pids(a.pid))
    ) SELECT count(*) - 1 AS count FROM waiting"""
    waiters: int = execute(database, waiting, holder)[0]["count"]
    return waiters >= count
