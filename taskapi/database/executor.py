"""The executor runs statements: a result, or a named error that says why there is none."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

import asyncpg
import structlog

from taskapi.database import faults
from taskapi.database.connection import BEGIN_SNAPSHOT, Connection, Connector
from taskapi.database.faults import Fault
from taskapi.database.pool import ConnectionPool
from taskapi.database.statement import Statement
from taskapi.database.tables import set_sequence
from taskapi.database.url import DatabaseUrl
from taskapi.errors import DatabaseUnavailable, SchemaOutdated, TimedOut
from taskapi.jitter import jittered
from taskapi.observability import metrics, tracing

log = structlog.get_logger("taskapi.database")

Result = TypeVar("Result")

HOUSEKEEPING_SECONDS = 30.0


class StatementRunner(Protocol):
    """What runs statements: the executor, or one transaction of it."""

    async def fetch_row(
        self, statement: Statement, values: Mapping[str, object], *, idempotent: bool = False
    ) -> Any:
        """The one row of a statement, an `asyncpg.Record`, or None.

        Args:
            statement: what to run.
            values: its parameters, by name.
            idempotent: a second execution has no second effect, so the statement may be retried
                after a lost connection even though it writes.
        """

    async def transact(
        self, work: Callable[["Transaction"], Awaitable[Result]], *, idempotent: bool = False
    ) -> Result:
        """Run several statements in one transaction, this one if it is one.

        Args:
            work: runs them; more than once, if the transaction is retried.
            idempotent: as for `fetch_row`.
        """


class Executor:
    """Runs statements, each on a connection of its own.

    A method raises `DatabaseUnavailable` or `Overloaded` for every fault of the database or of the
    network, and asyncpg's own errors only for what the statement itself did wrong. The request's
    deadline bounds the time, and cancels what is under way (`edge.deadline`).

    Attributes:
        pool: the connections.
        writes: the number of users' writes so far.
        when_written: called with the owner whose rows a statement may have changed, after the
            commit.

    Args:
        url: the database.
        pool_size: the maximum number of connections.
        connect_timeout: seconds to wait for a connection, a new one or one that comes free.
        statement_timeout: seconds after which the server itself ends a statement.
    """

    def __init__(
        self,
        url: DatabaseUrl,
        *,
        pool_size: int,
        connect_timeout: float,
        statement_timeout: float | None = None,
    ) -> None:
        connector = Connector(url, connect_timeout, statement_timeout)
        self.pool = ConnectionPool(
            connector.connect, size=pool_size, acquire_timeout=connect_timeout
        )
        self.writes = 0
        self.when_written: Callable[[Any], None] = _ignore
        self._housekeeping: asyncio.Task[None] | None = None

    async def open(self) -> None:
        """Start housekeeping. No connection is opened yet: a service starts without a database."""
        self._housekeeping = asyncio.create_task(self._keep_house())

    async def close(self) -> None:
        """Close every connection, waiting a moment for the statements under way."""
        if self._housekeeping is not None:
            self._housekeeping.cancel()
        await self.pool.close()

    async def fetch_row(
        self, statement: Statement, values: Mapping[str, object], *, idempotent: bool = False
    ) -> Any:
        """Run a statement that returns one row, or none; see `StatementRunner`."""
        arguments = statement.arguments(values)

        async def fetch(connection: Connection, attempt: Attempt) -> Any:
            attempt.may_have_effect = statement.writes and not idempotent
            return await _fetch_row(connection, statement, arguments)

        if statement.max_seconds is not None:
            return await self._fetch_within(statement.max_seconds, fetch)
        row = await self._with_retries(fetch)
        if statement.writes:
            self._count_write(values.get("owner"))
        return row

    async def transact(
        self, work: Callable[["Transaction"], Awaitable[Result]], *, idempotent: bool = False
    ) -> Result:
        """Run several statements in one transaction. The work may be run more than once.

        An error that the work raises rolls it back.
        """

        async def commit(connection: Connection, attempt: Attempt) -> Result:
            transaction = Transaction(connection)
            async with connection.transaction():
                result = await work(transaction)
                attempt.may_have_effect = not idempotent
            for owner in transaction.writers:
                self._count_write(owner)
            return result

        return await self._with_retries(commit)

    async def snapshot(self, work: Callable[["Transaction"], Awaitable[Result]]) -> Result:
        """Run several statements that only read, and all see the database of one moment.

        The work may be run more than once.
        """

        async def read(connection: Connection, _: Attempt) -> Result:
            async with connection.transaction(BEGIN_SNAPSHOT):
                return await work(Transaction(connection))

        return await self._with_retries(read)

    async def _fetch_within(
        self, seconds: float, fetch: Callable[[Connection, "Attempt"], Awaitable[Any]]
    ) -> Any:
        """Cancel a statement that runs longer, on the server too; waiting for a connection is free.

        Cancelled from here, because `statement_timeout` would take a round trip of its own, or hold
        for every statement of the connection.
        """

        async def fetch_in_time(connection: Connection, attempt: Attempt) -> Any:
            deadline.reschedule(asyncio.get_running_loop().time() + seconds)
            row = await fetch(connection, attempt)
            deadline.reschedule(None)
            return row

        try:
            async with asyncio.timeout(None) as deadline:
                return await self._with_retries(fetch_in_time)
        except TimeoutError:
            raise TimedOut from None

    async def _with_retries(
        self, use: Callable[[Connection, "Attempt"], Awaitable[Result]]
    ) -> Result:
        """Use a connection, and another one as long as the fault allows a retry."""
        retries = 0
        while True:
            attempt = Attempt()
            try:
                connection = attempt.connection = self.pool.take() or await self.pool.acquire()
                try:
                    result = await use(connection, attempt)
                except BaseException as error:
                    await self.pool.take_back(connection, error)
                    raise
                else:
                    self.pool.release(connection)
                    return result
            except Exception as error:
                fault = attempt.fault_of(error)
                if fault is None:
                    raise
                if retries >= fault.retries or not fault.is_retryable(attempt.may_have_effect):
                    raise _unavailable(fault, error) from error
            await _back_off(fault, retries)
            retries += 1

    def _count_write(self, owner: Any) -> None:
        self.writes += owner is not None  # a sweep has none
        self.when_written(owner)

    async def _keep_house(self) -> None:
        while True:
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
            self.pool.close_idle()


class Attempt:
    """How far one attempt has come."""

    __slots__ = ("connection", "may_have_effect")

    def __init__(self) -> None:
        self.connection: Connection | None = None
        self.may_have_effect = False

    def fault_of(self, error: Exception) -> Fault | None:
        """What the error means at this point; None for a bug of ours."""
        if self.connection is None:
            return faults.classify_connecting(error)
        return faults.classify(error, pooled=self.connection.pooler is not None)


class Transaction:
    """Runs statements that take effect together.

    Attributes:
        writers: the owners whose rows they may have changed.
    """

    __slots__ = ("_connection", "writers")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.writers: set[Any] = set()

    async def fetch_row(
        self,
        statement: Statement,
        values: Mapping[str, object],
        *,
        idempotent: bool = False,  # noqa: ARG002 - it is the transaction that is, or is not
    ) -> Any:
        """Run a statement that returns one row, or none; see `StatementRunner`."""
        if statement.writes:
            self.writers.add(values.get("owner"))
        fetch = _fetch_row(self._connection, statement, statement.arguments(values))
        if statement.max_seconds is None:
            return await fetch
        try:
            return await asyncio.wait_for(fetch, statement.max_seconds)
        except TimeoutError:
            raise TimedOut from None

    async def transact(
        self,
        work: Callable[["Transaction"], Awaitable[Result]],
        *,
        idempotent: bool = False,  # noqa: ARG002 - it is the transaction that is, or is not
    ) -> Result:
        """Run several statements in this transaction; see `StatementRunner`."""
        return await work(self)


def _ignore(_owner: Any) -> None:
    """What happens with a write until somebody wants to know of it."""


async def _fetch_row(
    connection: Connection, statement: Statement, arguments: list[object]
) -> asyncpg.Record | None:
    if tracing.spans is None:
        return await connection.fetch_row(statement.text, arguments)
    with tracing.spans.statement(statement.text):
        return await connection.fetch_row(statement.text, arguments)


async def _back_off(fault: Fault, retries: int) -> None:
    """Wait twice as long before each retry, with jitter, so that clients do not retry in step."""
    metrics.DATABASE_RETRIES.labels(fault.kind).inc()
    await asyncio.sleep(jittered((fault.backoff or 0) * 2**retries))


def _unavailable(fault: Fault, error: Exception) -> DatabaseUnavailable:
    metrics.DATABASE_FAULTS.labels(fault.kind).inc()
    if fault is faults.SCHEMA:
        return SchemaOutdated()  # the start logs it with more detail
    if table := faults.table_behind(error):
        log.error("ids_behind", table=table, remedy=set_sequence(table))
        return DatabaseUnavailable()
    log.warning("database_unavailable", fault=fault.kind, error=repr(error))
    return DatabaseUnavailable()
