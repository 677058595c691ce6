"""The database as the service sees it: a statement runs, or a named error says why it cannot."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import structlog

from taskapi.database import faults
from taskapi.database.connection import Connection, Dialer
from taskapi.database.faults import Fault
from taskapi.database.pool import Connections
from taskapi.database.statement import Statement
from taskapi.database.url import Address
from taskapi.errors import DatabaseUnavailable, SchemaOutdated
from taskapi.observability import metrics, tracing

log = structlog.get_logger("taskapi.database")

Result = TypeVar("Result")

MOST_REPEATS = 3

HOUSEKEEPING_SECONDS = 30.0


class Database:
    """Runs statements, each on a connection that it has for itself.

    A method raises `DatabaseUnavailable` or `Overloaded` for every fault of the database or the
    way to it, and asyncpg's own errors only for what a statement itself did wrong. How long all of
    it may take is the request's deadline, which cancels what is under way (`edge.supervisor`).

    Attributes:
        connections: what they run on.

    Args:
        address: where it is.
        pool_size: the most connections at a time.
        connect_timeout: seconds to wait for a connection, a new one or one that comes free.
        statement_timeout: seconds after which the server ends a statement by itself.
    """

    def __init__(
        self,
        address: Address,
        *,
        pool_size: int,
        connect_timeout: float,
        statement_timeout: float | None = None,
    ) -> None:
        dialer = Dialer(address, connect_timeout, statement_timeout)
        self.connections = Connections(dialer.dial, size=pool_size, patience=connect_timeout)
        self._housekeeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Begin. No connection is made yet, so the service starts without a database."""
        self._housekeeping = asyncio.create_task(self._keep_house())

    async def close(self) -> None:
        """Close every connection, waiting a moment for the statements under way."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await self.connections.close()

    async def fetch_row(
        self, statement: Statement, values: Mapping[str, object], *, repeatable: bool = False
    ) -> Any:
        """Run a statement that gives one row, or none: an `asyncpg.Record`, or None.

        Args:
            statement: what to run.
            values: its parameters, by name.
            repeatable: a second execution would find that the first one took place, so it may
                follow a lost connection (an `Idempotency-Key` does this).
        """
        arguments = statement.arguments(values)

        async def fetch(connection: Connection, attempt: Attempt) -> Any:
            attempt.may_have_effect = statement.writes and not repeatable
            if tracing.spans is None:
                return await connection.fetch_row(statement.text, arguments)
            with tracing.spans.statement(statement.text):
                return await connection.fetch_row(statement.text, arguments)

        return await self._do(fetch)

    async def transact(
        self, work: Callable[["Transaction"], Awaitable[Result]], *, repeatable: bool = False
    ) -> Result:
        """Do work that is all of several statements or nothing; it may be done more than once.

        An error that the work raises undoes it.
        """

        async def commit(connection: Connection, attempt: Attempt) -> Result:
            async with connection.transaction():
                result = await work(Transaction(connection))
                attempt.may_have_effect = not repeatable
            return result

        return await self._do(commit)

    async def _do(self, use: Callable[[Connection, "Attempt"], Awaitable[Result]]) -> Result:
        """Use a connection, and another one as long as a fault allows it."""
        repeats = 0
        while True:
            attempt = Attempt()
            try:
                async with self.connections.lend() as connection:
                    attempt.connected = True
                    return await use(connection, attempt)
            except Exception as error:
                fault = attempt.fault_of(error)
                if fault is None:
                    raise
                if repeats == MOST_REPEATS or not fault.may_repeat(attempt.may_have_effect):
                    raise _given_up(fault, error) from error
            await _pause(fault, repeats)
            repeats += 1

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            self.connections.close_unused()


class Attempt:
    """How far one attempt has come."""

    __slots__ = ("connected", "may_have_effect")

    def __init__(self) -> None:
        self.connected = False
        self.may_have_effect = False

    def fault_of(self, error: Exception) -> Fault | None:
        """What the error means at this point; None for a bug of ours."""
        return faults.classify(error) if self.connected else faults.classify_connecting(error)


class Transaction:
    """Runs statements that take effect together."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def fetch_row(
        self,
        statement: Statement,
        values: Mapping[str, object],
        *,
        repeatable: bool = False,  # noqa: ARG002 - it is the transaction that is, or is not
    ) -> Any:
        """Run a statement that gives one row, or none: an `asyncpg.Record`, or None."""
        arguments = statement.arguments(values)
        if tracing.spans is None:
            return await self._connection.fetch_row(statement.text, arguments)
        with tracing.spans.statement(statement.text):
            return await self._connection.fetch_row(statement.text, arguments)


async def _pause(fault: Fault, repeats: int) -> None:
    """Twice as long each time, and never as long as anybody else who met the same."""
    metrics.DATABASE_RETRIES.labels(fault.kind).inc()
    await asyncio.sleep((fault.pause or 0) * 2**repeats * random.uniform(0.5, 1.5))  # noqa: S311 - jitter, no secret


def _given_up(fault: Fault, error: Exception) -> DatabaseUnavailable:
    metrics.DATABASE_FAULTS.labels(fault.kind).inc()
    if fault is faults.SCHEMA:
        return SchemaOutdated()  # who asks at the start says it better
    log.warning("database_unavailable", fault=fault.kind, error=repr(error))
    return DatabaseUnavailable()
