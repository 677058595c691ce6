"""The connection pool: a bounded number of connections, each used by one statement at a time."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Awaitable, Callable
from time import monotonic

import asyncpg

from taskapi.database import faults
from taskapi.database.connection import Connection
from taskapi.errors import ApiError, Overloaded
from taskapi.observability import metrics
from taskapi.slots import Slots

MAX_WAITING_PER_CONNECTION = 50
"""Requests that may wait for each connection. At 2,000 statements a second and connection, the
last of them waits 25 ms; a longer queue would only make every response late."""

MAX_IDLE_SECONDS = 180.0
"""An unused connection is closed after that long, and at most `HOUSEKEEPING_SECONDS` later:
before a NAT forgets it, as Azure's does after 4 minutes, and others later."""

TRUSTED_SECONDS = 10.0
"""A connection that was idle for longer is asked for a response before it gets a statement. A write
that is lost with its connection could not be repeated."""

EXPIRY_SECONDS = 1.0
"""Between two times at which all connections are replaced, at least."""

DISCARD_SECONDS = 0.25
"""For a server that responds to cancel a statement. From a frozen one nobody waits for more."""

SHUTDOWN_SECONDS = 3.0
"""For the statements under way to end before every connection is closed."""


class ConnectionPool:
    """Opens connections when they are first needed, and keeps them.

    asyncpg's own pool costs 30 of 50 microseconds of CPU for a call (docs/reliability.md), because
    it shields every release in a task of its own. Statements that change no session state do not
    need that: here a release is a plain function call.

    Args:
        connect: opens a connection.
        size: the maximum number of connections, including those that are being closed.
        acquire_timeout: seconds that a request waits for a free connection.
    """

    def __init__(
        self, connect: Callable[[], Awaitable[Connection]], *, size: int, acquire_timeout: float
    ) -> None:
        self._connect = connect
        self._size = size
        self._acquire_timeout = acquire_timeout
        self._slots = Slots(size)
        # The most recently used goes first, so that superfluous ones grow old and are closed.
        self._idle: deque[Connection] = deque()
        self._opened_since = -EXPIRY_SECONDS
        self._reached = False
        self._first = asyncio.Lock()
        self._closing: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """The maximum number of connections."""
        return self._size

    @property
    def in_use(self) -> int:
        """Connections that run a statement, are being opened, or are being closed."""
        return self._slots.taken

    @property
    def open(self) -> int:
        """Connections in use or idle."""
        return self.in_use + len(self._idle)

    @property
    def waiting(self) -> int:
        """Requests that wait for a connection."""
        return self._slots.waiting

    def take(self) -> Connection | None:
        """A connection that can be used at once; None where only `acquire` gives one.

        Nearly every statement gets its connection here, by a plain function call.
        """
        if not self._idle or not self._slots.take():
            return None
        connection = self._idle.pop()
        if not connection.closed and monotonic() - connection.idle_since <= TRUSTED_SECONDS:
            return connection
        self._idle.append(connection)
        self._slots.give_back()
        return None

    async def acquire(self) -> Connection:
        """Take a connection, to be passed to `release` or `take_back` afterwards.

        Raises:
            Overloaded: none came free in time, or too many requests wait already.
            Exception: whatever opening a connection raises.
        """
        await self._acquire_slot()
        try:
            return await self._take_idle() or await self._open()
        except BaseException:
            self._slots.give_back()
            raise

    def release(self, connection: Connection) -> None:
        """Return a connection on which nothing is under way."""
        if connection.opened_at < self._opened_since:
            connection.abort()
        elif not connection.closed:
            connection.idle_since = monotonic()
            self._idle.append(connection)
        self._slots.give_back()

    async def take_back(self, connection: Connection, error: BaseException) -> None:
        """Return a connection whose use has ended with this error."""
        if faults.ends_others(error):
            self.expire(connection)
        if _is_usable_after(error):
            self.release(connection)
        else:
            await self.discard(connection)

    async def discard(self, connection: Connection) -> None:
        """Return a connection in an unknown state, and wait a moment until it is closed.

        Its slot comes free only then, so that there are never more connections than slots. The
        request waits, because it has a turn of its user (`edge.turns`): a client that gives up
        statements again and again takes no more connections than one that waits for them.
        """
        task = asyncio.get_running_loop().create_task(self._close_and_free(connection))
        self._closing.add(task)
        task.add_done_callback(self._closing.discard)
        await asyncio.wait({task}, timeout=DISCARD_SECONDS)

    def expire(self, ended: Connection) -> None:
        """Have no connection used again that is open now, after one of them led nowhere.

        Those in use end with their statement. Nothing happens where that is known already, or has
        just been done: a server that stays read-only serves reads, on connections that are not
        opened anew for each refused write.
        """
        now = monotonic()
        if ended.opened_at < self._opened_since or now - self._opened_since < EXPIRY_SECONDS:
            return
        self._opened_since = now
        self._reached = False
        while self._idle:
            self._idle.popleft().abort()

    def close_idle(self) -> None:
        """Close the connections that have been idle for too long."""
        oldest = monotonic() - MAX_IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().abort()

    async def close(self) -> None:
        """Close everything, after the statements under way; in bounded time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                for _ in range(self._size):
                    await self._slots.wait()
        await asyncio.gather(*(connection.close() for connection in self._idle))
        self._idle.clear()

    async def _acquire_slot(self) -> None:
        if self._slots.take():
            return
        if self._slots.waiting >= MAX_WAITING_PER_CONNECTION * self._size:
            metrics.NO_CONNECTION.labels("queue_full").inc()
            raise Overloaded
        began = monotonic()
        try:
            async with asyncio.timeout(self._acquire_timeout):
                await self._slots.wait()
        except TimeoutError:
            metrics.NO_CONNECTION.labels("timed_out").inc()
            raise Overloaded from None
        finally:
            metrics.WAIT_SECONDS.observe(monotonic() - began)

    async def _take_idle(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if connection.closed:
                self._reached = False  # by the server, which may be away
                continue
            idle = monotonic() - connection.idle_since
            if idle <= TRUSTED_SECONDS or await connection.responds():
                return connection
            self.expire(connection)  # whatever forgot this one
        return None

    async def _open(self) -> Connection:
        """Open a connection: one at a time, as long as it is not known that the database is there.

        A database that wakes up or has just failed over need not be asked by every request at once.
        """
        if not self._reached:
            async with asyncio.timeout(self._acquire_timeout):
                await self._first.acquire()
            try:
                if not self._reached:
                    return await self._reach()
            finally:
                self._first.release()
        return await self._reach()

    async def _reach(self) -> Connection:
        reached = False
        try:
            connection = await self._connect()
            reached = True
        finally:
            self._reached = reached
        return connection

    async def _close_and_free(self, connection: Connection) -> None:
        try:
            await connection.close()
        finally:
            self._slots.give_back()


def _is_usable_after(error: BaseException) -> bool:
    """Whether the error came from the server or from us, and left the protocol in a known state."""
    return isinstance(error, asyncpg.PostgresError | ApiError) and not faults.ends(error)
