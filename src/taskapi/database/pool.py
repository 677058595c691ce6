"""The pool: how a statement gets a connection, how long it may take, and when it is repeated."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import structlog
from sqlalchemy import func, select

from taskapi import metrics
from taskapi.database import faults
from taskapi.database.address import Address
from taskapi.database.faults import Fault
from taskapi.database.statement import Statement, compiled
from taskapi.errors import DatabaseUnavailable, Overloaded, SchemaOutdated

log = structlog.get_logger("taskapi.database")

OWN_PROCESS = compiled(select(func.pg_backend_pid()))

TRIES = 4
"""A first try and three more, as for serialization failures and deadlocks."""

WAITING_PER_CONNECTION = 50
"""Requests that may wait for each connection. At 2,000 statements a second and connection, the
last of them waits 25 ms; beyond that the queue only makes every answer late."""


class Database:
    """Runs statements on a pool of connections.

    A method raises `DatabaseUnavailable` or `Overloaded` for every fault of the database or the
    way to it, and asyncpg's own errors only for what a statement itself did wrong.
    """

    def __init__(self, address: Address, *, pool_size: int, connect_timeout: float) -> None:
        self._address = address
        self._pooler = address.pooler
        self._size = pool_size
        self._connect_timeout = connect_timeout
        self._waiting = 0
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None

    async def open(self) -> None:
        """Make the pool. No connection is made yet, so the service starts without a database."""
        self._pool = await asyncpg.create_pool(
            min_size=0,
            max_size=self._size,
            connect=self._connect,
            # Statements here change no session state, so there is nothing to reset on release
            # (76 of 116 microseconds of CPU for a call, measured).
            reset=_nothing,
        )

    async def close(self) -> None:
        """Close every connection, waiting for the statements under way."""
        if self._pool is not None:
            await self._pool.close()

    async def fetch_row(self, statement: Statement, values: Mapping[str, object]) -> Any:
        """Run a statement that gives one row, or none: an `asyncpg.Record`, or None."""
        arguments = statement.arguments(values)

        async def run(connection: Any) -> Any:
            return await connection.fetchrow(statement.text, *arguments)

        return await self._run(run, writes=statement.writes)

    async def _run(self, work: Callable[[Any], Awaitable[Any]], *, writes: bool) -> Any:
        for attempt in range(1, TRIES + 1):
            sent = False
            try:
                async with self._connection() as connection:
                    sent = True
                    return await work(connection)
            except Exception as error:
                fault = faults.classify(error) if sent else faults.classify_connecting(error)
                if fault is None:
                    raise
                if attempt == TRIES or not _may_repeat(fault, sent=sent, writes=writes):
                    raise self._given_up(fault, error) from error
                metrics.DATABASE_RETRIES.labels(fault.kind).inc()
            await asyncio.sleep(random.uniform(0, 0.02 * 2**attempt))  # noqa: S311 - jitter, no secret
        raise AssertionError("unreachable: the last attempt returns or raises")

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Any]:
        if self._pool is None:
            raise DatabaseUnavailable
        if self._waiting >= WAITING_PER_CONNECTION * self._size:
            raise Overloaded
        self._waiting += 1
        try:
            connection = await self._pool.acquire(timeout=self._connect_timeout)
        finally:
            self._waiting -= 1
        try:
            yield connection
        except (TimeoutError, asyncio.CancelledError):
            # Given up in mid-statement. asyncpg has sent a cancel request; waiting for its effect
            # could take for ever on a frozen server, so the connection goes too.
            connection.terminate()
            raise
        finally:
            await self._pool.release(connection)

    async def _connect(self, *_: object, **options: Any) -> Any:
        """Connect for the pool, in the way that suits what is at the other end."""
        if self._pooler is None:
            self._pooler = await self._is_pooler(options)
        # Without a cache, asyncpg sends an unnamed statement's text with every execution, in the
        # same message as its arguments: nothing that a pooler could lose between two requests.
        cache = {"statement_cache_size": 0} if self._pooler else {}
        return await self._dial(**(options | cache))

    async def _is_pooler(self, options: dict[str, Any]) -> bool:
        """A pooler invents the process id that it greets with; a server tells its own."""
        connection = await self._dial(**(options | {"statement_cache_size": 0}))
        try:
            own = await connection.fetchval(OWN_PROCESS.text)
            return bool(own != connection.get_server_pid())
        finally:
            connection.terminate()

    async def _dial(self, **options: Any) -> Any:
        return await asyncpg.connect(self._address.dsn, timeout=self._connect_timeout, **options)

    def _given_up(self, fault: Fault, error: Exception) -> DatabaseUnavailable:
        metrics.DATABASE_FAULTS.labels(fault.kind).inc()
        log.warning("database_unavailable", fault=fault.kind, error=repr(error))
        return SchemaOutdated() if fault is faults.SCHEMA else DatabaseUnavailable()


def _may_repeat(fault: Fault, *, sent: bool, writes: bool) -> bool:
    if fault in {faults.TOO_SLOW, faults.REFUSED, faults.SCHEMA, faults.READ_ONLY}:
        return False
    return fault.rolled_back or not sent or not writes


async def _nothing(_: object) -> None:
    pass
