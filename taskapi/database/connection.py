"""One connection: how it is made, and how a statement runs on it in one round trip."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from asyncpg.prepared_stmt import PreparedStatement
from sqlalchemy import func, select

from taskapi.database.statement import compiled
from taskapi.database.url import Address

OWN_PROCESS = compiled(select(func.pg_backend_pid()))

GOODBYE_SECONDS = 2.0
"""For the server to end what still runs and to close; a frozen one never would."""


class Connection:
    """An open connection, used in the way that suits what is at its other end.

    To a server itself, asyncpg prepares each statement once and then sends its name. A transaction
    pooler may carry every statement to another server, where that name means nothing. There a
    statement is described once and then sent whole each time: text, arguments and execution leave
    in one message, which nothing can part.

    Attributes:
        idle_since: the event loop's time when it was last used.
    """

    __slots__ = ("_described", "_line", "_pooler", "idle_since")

    def __init__(self, line: asyncpg.Connection, *, pooler: bool) -> None:
        self._line = line
        self._pooler = pooler
        self._described: dict[str, PreparedStatement[asyncpg.Record]] = {}
        self.idle_since = 0.0

    async def fetch_row(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        """Run a statement that gives one row, or none."""
        try:
            if self._pooler:
                return await self._send_whole(text, arguments)
            return await self._line.fetchrow(text, *arguments)
        except asyncpg.InterfaceError as error:
            if self.closed:  # between two steps of the call, which asyncpg takes for a misuse
                raise ConnectionResetError(str(error)) from error
            raise

    async def _send_whole(self, text: str, arguments: list[object]) -> asyncpg.Record | None:
        described = self._described.get(text)
        if described is None:
            # Unnamed, and without asyncpg's cache: it sends the text again with every execution.
            described = self._described[text] = await self._line.prepare(text, name="")
        return await described.fetchrow(*arguments)

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        """Several statements that take effect together, or not at all where an error ends them.

        Not asyncpg's, which waits for a rollback even when the request's deadline has passed.
        """
        await self._line.execute("BEGIN")
        try:
            yield
        except Exception:
            if not self.closed:
                await self._line.execute("ROLLBACK")
            raise
        await self._line.execute("COMMIT")

    @property
    def closed(self) -> bool:
        """Whether either side has ended it, as far as has been heard here."""
        return self._line.is_closed()

    async def end(self) -> None:
        """Cancel what still runs on the server, wait for that a moment, and close."""
        with contextlib.suppress(Exception):  # whatever goes wrong, it ends closed
            await self._line.close(timeout=GOODBYE_SECONDS)

    def cut(self) -> None:
        """Close without a word."""
        self._line.terminate()


class Dialer:
    """Makes connections to one address.

    Args:
        address: the database, and what is known about a pooler in front of it.
        connect_timeout: seconds for one attempt.
        statement_timeout: seconds after which the server itself ends a statement, in case it can
            no longer be told to; None leaves that to the server's settings.
    """

    def __init__(
        self, address: Address, connect_timeout: float, statement_timeout: float | None
    ) -> None:
        self._address = address
        self._pooler = address.pooler
        self._connect_timeout = connect_timeout
        self._settings = {"application_name": "taskapi"}
        if statement_timeout is not None:
            self._settings["statement_timeout"] = f"{statement_timeout * 1000:.0f}"

    async def dial(self) -> Connection:
        """A new connection."""
        if self._pooler is None:
            self._pooler = await self._finds_pooler()
        if self._pooler:
            return Connection(await self._connect(statement_cache_size=0), pooler=True)
        # A pooler would refuse such settings; a server takes them.
        return Connection(await self._connect(server_settings=self._settings), pooler=False)

    async def _finds_pooler(self) -> bool:
        """A pooler invents the process id that it greets with; a server tells its own."""
        line = await self._connect(statement_cache_size=0)
        try:
            return bool(await line.fetchval(OWN_PROCESS.text) != line.get_server_pid())
        finally:
            line.terminate()

    async def _connect(self, **options: Any) -> asyncpg.Connection:
        return await asyncpg.connect(self._address.dsn, timeout=self._connect_timeout, **options)
