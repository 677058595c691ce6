"""One connection: how it is opened, and how a statement runs on it in one round trip."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from time import monotonic
from typing import Any, TypeAlias

import asyncpg
import structlog
from asyncpg.prepared_stmt import PreparedStatement

from taskapi.database.faults import LOST_STATEMENTS
from taskapi.database.hosts import Hosts
from taskapi.database.pooler import BACKEND_PID, Pooler, is_pooled, pooler_at
from taskapi.database.url import DatabaseUrl

log = structlog.get_logger("taskapi.database")

MAX_PREPARED = 100
"""Statements that a connection keeps. A list has a statement for each combination of filters and
order, of which few are in use."""

CLOSE_SECONDS = 2.0
"""For the server to cancel what still runs and to close; a frozen one never would."""


PLANS = "force_generic_plan"
"""One plan for all values: each statement has one good plan, by the index of its owner's rows. Else
PostgreSQL plans a list anew each time for a user with fewer rows than most, which takes as long as
the list of 100 itself. `plan_cache_mode` as a parameter of `DATABASE_URL` is stronger."""

BEGIN = "BEGIN"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Its statements all read what was there when the first of them began."""

Prepared: TypeAlias = "dict[str, PreparedStatement[asyncpg.Record]]"
"""Statements by their texts."""

RESPONSE_SECONDS = 2.0
"""For a round trip to show that a connection still leads to the server."""


class Connection:
    """An open connection, used in the way that suits the server or pooler at its other end.

    On a server itself, and on a pooler that keeps statements, each statement is prepared once, and
    then sent by its name. Another one may send every statement to another server,
    where that name is unknown. There a statement is described once and then sent whole each time:
    text, arguments and execution in one message, which nothing can part.

    Attributes:
        pooler: at its other end; None where the server itself is.
        opened_at: `monotonic()` when it was opened.
        idle_since: and at the last release.
    """

    __slots__ = ("_connection", "_prepared", "idle_since", "opened_at", "pooler")

    def __init__(self, connection: asyncpg.Connection, pooler: Pooler | None = None) -> None:
        self._connection = connection
        # Those with a name and those without: the pooler may lose the first at any time.
        self._prepared: dict[bool, Prepared] = {True: {}, False: {}}
        self.pooler = pooler
        self.opened_at = self.idle_since = monotonic()

    async def fetch_row(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        """Run a statement that returns one row, or none."""
        try:
            if self.pooler is not None:
                return await self._fetch_through(self.pooler, text, arguments)
            return await self._fetch_directly(text, arguments)
        except asyncpg.InterfaceError as error:
            if self.closed:  # lost between two steps of the call, which asyncpg reports as misuse
                raise ConnectionResetError(str(error)) from error
            raise

    async def _fetch_directly(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        known, connection = self._prepared[True], self._connection
        prepared = known.get(text) or await self._prepare(known, text)
        try:
            # What asyncpg's fetchrow comes to, by four more coroutines and another look for the
            # statement (44 microseconds in place of 36). It is private, and so in no stub.
            state = prepared._state  # type: ignore[attr-defined]  # noqa: SLF001
            protocol = connection._protocol  # type: ignore[attr-defined]  # noqa: SLF001
            rows = await protocol.bind_execute(state, arguments, "", 1, False, None)  # noqa: FBT003
        except LOST_STATEMENTS:
            known.clear()
            if connection.is_in_transaction():
                raise
            return await connection.fetchrow(text, *arguments)
        return rows[0] if rows else None

    async def _fetch_through(
        self, pooler: Pooler, text: str, arguments: list[object]
    ) -> asyncpg.Record | None:
        known = self._prepared[pooler.keeps_statements]
        try:
            prepared = known.get(text)
            if prepared is None:
                # Without a name, every execution sends the text again.
                prepared = await self._prepare(known, text, pooler.name_of(text))
            return await prepared.fetchrow(*arguments)
        except LOST_STATEMENTS as error:
            pooler.lost(error)
            raise

    async def _prepare(
        self, known: Prepared, text: str, name: str | None = None
    ) -> "PreparedStatement[asyncpg.Record]":
        """Prepare a statement outside of asyncpg's cache, under this name or one of asyncpg's."""
        prepared = await self._connection.prepare(text, name=name)
        if len(known) >= MAX_PREPARED:
            del known[next(iter(known))]
        known[text] = prepared
        return prepared

    @contextlib.asynccontextmanager
    async def transaction(self, begin: str = BEGIN) -> AsyncIterator[None]:
        """Several statements that take effect together, or not at all where an error is raised.

        Not asyncpg's, which waits for a rollback even when the request's deadline has passed.

        Args:
            begin: `BEGIN` or `BEGIN_SNAPSHOT`.
        """
        await self._connection.execute(begin)
        try:
            yield
        except Exception:
            if not self.closed:
                await self._connection.execute("ROLLBACK")
            raise
        await self._connection.execute("COMMIT")

    @property
    def closed(self) -> bool:
        """Whether either side has closed it, as far as this side has noticed."""
        return self._connection.is_closed()

    async def responds(self) -> bool:
        """Whether something answers at the other end. If not, it is closed."""
        responds = False
        try:
            async with asyncio.timeout(RESPONSE_SECONDS):
                # As the simple protocol has it: one round trip, and nothing is prepared.
                await self._connection.execute(BACKEND_PID.text)
            responds = True
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            pass
        finally:
            if not responds:  # also when the request was given up meanwhile
                self.abort()
        return responds

    async def close(self) -> None:
        """Cancel what still runs on the server, wait a moment for that, and close."""
        with contextlib.suppress(Exception):  # whatever goes wrong, it ends closed
            await self._connection.close(timeout=CLOSE_SECONDS)

    def abort(self) -> None:
        """Close at once, without a message to the server."""
        self._connection.terminate()


class Connector:
    """Opens connections to one database.

    Args:
        url: the database, and what is known about a pooler in front of it.
        connect_timeout: seconds for one attempt.
        statement_timeout: seconds after which the server itself ends a statement, in case no
            cancellation can reach it any more; None, of a command that runs few statements, leaves
            that and the kind of plans to the server's settings.
    """

    def __init__(
        self, url: DatabaseUrl, connect_timeout: float, statement_timeout: float | None
    ) -> None:
        self._hosts = Hosts(url)
        self._is_pooled = url.pooler
        self._pooler: Pooler | None = None
        self._connect_timeout = connect_timeout
        self._server_settings = {"application_name": "taskapi"}
        if statement_timeout is not None:
            self._server_settings |= {
                "statement_timeout": f"{statement_timeout * 1000:.0f}",
                "plan_cache_mode": PLANS,
            }

    async def connect(self) -> Connection:
        """A new connection."""
        if self._is_pooled is None:
            self._is_pooled = await self._detect_pooler()
        if not self._is_pooled:
            # A pooler would refuse these settings; a server takes them.
            return Connection(await self._open(server_settings=self._server_settings))
        connection = await self._open(statement_cache_size=0)
        if self._pooler is None:
            self._pooler = await _examined(connection)
        return Connection(connection, self._pooler)

    async def _detect_pooler(self) -> bool:
        connection = await self._open(statement_cache_size=0)
        try:
            return await is_pooled(connection)
        finally:
            connection.terminate()

    async def _open(self, **options: Any) -> asyncpg.Connection:
        return await self._hosts.connect(self._connect_timeout, **options)


async def _examined(connection: asyncpg.Connection) -> Pooler:
    """The pooler at the other end of a connection, which ends if that cannot be told."""
    try:
        pooler = await pooler_at(connection)
    except BaseException:
        connection.terminate()
        raise
    log.info("behind_pooler", prepared_statements=pooler.keeps_statements)
    return pooler
