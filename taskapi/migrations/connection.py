"""A connection for migrations and grants, on the service's driver; one run of them at a time."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

import asyncpg
from sqlalchemy import Connection, func, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from taskapi.database.faults import classify_connecting
from taskapi.database.hosts import Hosts
from taskapi.database.schema import MigrationError
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl

ADVISORY_LOCK = 8_273_645_190
"""Held during a run. Any number that nothing else in the database uses."""

TRY_LOCK = compiled(select(func.pg_try_advisory_xact_lock(Constant(ADVISORY_LOCK))))
MAY_BE_IDLE = compiled(
    select(func.set_config(Constant("idle_in_transaction_session_timeout"), Constant("0"), true()))
)

LOCK_POLL_SECONDS = 0.1
"""Between two attempts to get that lock."""

Result = TypeVar("Result")


def run_on(
    url: DatabaseUrl, work: Callable[[Connection], Result], *, connect_timeout: float
) -> Result:
    """Do work on this database, and commit it. Must be called outside an event loop.

    Args:
        url: the database.
        work: gets the connection.
        connect_timeout: seconds.

    Raises:
        MigrationError: the database cannot be reached, or refused what was asked of it.
    """
    return asyncio.run(_run_on(url, work, connect_timeout))


async def _run_on(
    url: DatabaseUrl, work: Callable[[Connection], Result], connect_timeout: float
) -> Result:
    from sqlalchemy.ext.asyncio import create_async_engine  # noqa: PLC0415 - serving needs none

    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: _connect(url, connect_timeout),
        poolclass=NullPool,
    )
    try:
        async with _one_run_at_a_time(url, connect_timeout), engine.connect() as connection:
            result = await connection.run_sync(work)
            await connection.commit()
            return result
    except DBAPIError as error:
        # Missing rights, or a users table whose ids are not of USER_ID_TYPE: the server says which.
        reason = error.orig.__cause__ if error.orig is not None else error
        raise MigrationError(f"the database {url} refused: {reason}") from error


@asynccontextmanager
async def _one_run_at_a_time(url: DatabaseUrl, connect_timeout: float) -> AsyncIterator[None]:
    """Hold the advisory lock over a whole run, on a connection of its own.

    On that of the migrations it would end with the transaction in which it was taken, and
    CREATE INDEX CONCURRENTLY needs to be outside any. It belongs to a transaction all the same,
    because behind a transaction pooler nothing else keeps a session.

    CREATE INDEX CONCURRENTLY waits until nobody has an older snapshot, so nobody here may have one:
    the lock is tried again and again, because a statement that waited for it would have one, and
    these two would wait for each other for ever.
    """
    connection = await _connect(url, connect_timeout)
    try:
        while True:
            # Not as the server's default may be: later levels keep their first snapshot.
            transaction = connection.transaction(isolation="read_committed")
            await transaction.start()
            if await connection.fetchval(TRY_LOCK.text):
                break
            await transaction.rollback()
            await asyncio.sleep(LOCK_POLL_SECONDS)
        # Without arguments, and so by the simple protocol: it ends the statement before, which
        # would keep its snapshot. And a run may take longer than a server lets a transaction idle.
        await connection.execute(MAY_BE_IDLE.text)
        yield
        await transaction.commit()  # an error, if the lock was lost meanwhile
    finally:
        await connection.close()


async def _connect(url: DatabaseUrl, timeout: float) -> asyncpg.Connection:  # noqa: ASYNC109 - asyncpg's own
    """Open a connection that works behind a transaction pooler too."""
    try:
        return await Hosts(url).connect(timeout, statement_cache_size=0)
    except Exception as error:
        if classify_connecting(error) is None:
            raise
        reason = str(error) or "no response"
        raise MigrationError(f"the database {url} cannot be reached: {reason}") from error
