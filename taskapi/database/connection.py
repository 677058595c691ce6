"""One connection: how it is opened, and how a statement runs on it in one round trip."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import func, select

from taskapi.database.hosts import Hosts
from taskapi.database.statement import compiled
from taskapi.database.url import DatabaseUrl

BACKEND_PID = compiled(select(func.pg_backend_pid()))

CLOSE_SECONDS = 2.0
"""For the server to cancel what still runs and to close; a frozen one never would."""


BEGIN = "BEGIN"
BEGIN_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
"""Its statements all read what was there when the first of them began."""

RESPONSE_SECONDS = 2.0
"""For a round trip to show that a connection still leads to the server."""


class Connection:
    """An open connection, used in the way that suits the server or pooler at its other end.

    On a server itself, asyncpg prepares each statement once and then sends its name. A transaction
    pooler may send every statement to another server, where that name is unknown. There a statement
    is described once and then sent whole each time: text, arguments and execution in one message,
    which nothing can part.

    Attributes:
        pooler: whether a pooler is at its other end.
        opened_at: the event loop's time when it was opened.
        idle_since: and at the last release.
    """

    __slots__ = ("_connection", "_prepared", "idle_since", "opened_at", "pooler")

    def __init__(self, connection: asyncpg.Connection, *, pooler: bool) -> None:
        self._connection = connection
        self._prepared: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self.pooler = pooler
        self.opened_at = self.idle_since = asyncio.get_running_loop().time()

    async def fetch_row(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        """Run a statement that returns one row, or none."""
        try:
            if self.pooler:
                return await self._fetch_unnamed(text, arguments)
            return await self._connection.fetchrow(text, *arguments)
        except asyncpg.InterfaceError as error:
            if self.closed:  # lost between two steps of the call, which asyncpg reports as misuse
                raise ConnectionResetError(str(error)) from error
            raise

    async def _fetch_unnamed(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        prepared = self._prepared.get(text)
        if prepared is None:
            # Unnamed, outside of asyncpg's cache: every execution sends the text again.
            prepared = self._prepared[text] = await self._connection.prepare(text, name="")
        return await prepared.fetchrow(*arguments)

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
            cancellation can reach it any more; None leaves that to the server's settings.
    """

    def __init__(
        self, url: DatabaseUrl, connect_timeout: float, statement_timeout: float | None
    ) -> None:
        self._hosts = Hosts(url)
        self._pooler = url.pooler
        self._connect_timeout = connect_timeout
        self._server_settings = {"application_name": "taskapi"}
        if statement_timeout is not None:
            self._server_settings["statement_timeout"] = f"{statement_timeout * 1000:.0f}"

    async def connect(self) -> Connection:
        """A new connection."""
        if self._pooler is None:
            self._pooler = await self._detect_pooler()
        if self._pooler:
            return Connection(await self._open(statement_cache_size=0), pooler=True)
        # A pooler would refuse these settings; a server takes them.
        connection = await self._open(server_settings=self._server_settings)
        return Connection(connection, pooler=False)

    async def _detect_pooler(self) -> bool:
        connection = await self._open(statement_cache_size=0)
        try:
            return await is_pooled(connection)
        finally:
            connection.terminate()

    async def _open(self, **options: Any) -> asyncpg.Connection:
        return await self._hosts.connect(self._connect_timeout, **options)


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Whether a pooler is in front of the server: it invents the process id of the handshake."""
    return bool(await connection.fetchval(BACKEND_PID.text) != connection.get_server_pid())
