"""The connections: at most so many, each lent to one statement at a time."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Awaitable, Callable
from types import TracebackType

import asyncpg

from taskapi.database.connection import Connection
from taskapi.errors import ApiError, Overloaded
from taskapi.observability import metrics

WAITING_PER_CONNECTION = 50
"""Requests that may wait for each connection. At 2,000 statements a second and connection, the
last of them waits 25 ms; beyond that the queue only makes every answer late."""

IDLE_SECONDS = 300.0
"""After which an unused connection is closed: something on the way may have forgotten it."""

SHUTDOWN_SECONDS = 3.0
"""For the statements under way to end before every connection is closed."""


class Connections:
    """Lends connections, and makes them when they are first needed.

    asyncpg has a pool of its own, which costs 30 of 50 microseconds of CPU for a call (docs/
    reliability.md): it shields every return in a task of its own, which statements that change no
    session state do not need. Here a return is a plain function call.

    Args:
        dial: makes a connection.
        size: how many there may be, those included that are still being ended.
        patience: seconds that a request waits for one to come free.
    """

    def __init__(
        self, dial: Callable[[], Awaitable[Connection]], *, size: int, patience: float
    ) -> None:
        self._dial = dial
        self._size = size
        self._patience = patience
        self._slots = asyncio.Semaphore(size)
        self._waiting = 0
        # The last one used goes first, so that those which are not needed grow old and are closed.
        self._idle: deque[Connection] = deque()
        self._ending: set[asyncio.Task[None]] = set()

    @property
    def size(self) -> int:
        """How many there may be."""
        return self._size

    @property
    def in_use(self) -> int:
        """How many are lent, are being made, or are being ended."""
        return self._size - self._slots._value  # noqa: SLF001 - asyncio tells only whether it is 0

    @property
    def open(self) -> int:
        """How many are in use or idle."""
        return self.in_use + len(self._idle)

    @property
    def waiting(self) -> int:
        """How many requests wait for one."""
        return self._waiting

    def lend(self) -> "Loan":
        """A connection, for `async with`.

        Entering raises `Overloaded`, or whatever making a connection raises.
        """
        return Loan(self)

    async def take(self) -> Connection:
        """Take a connection, which must be given back or given up."""
        await self._take_slot()
        try:
            return self._idle_connection() or await self._dial()
        except BaseException:
            self._slots.release()
            raise

    def give_back(self, connection: Connection) -> None:
        """Return a connection on which nothing is under way."""
        if not connection.closed:
            connection.idle_since = asyncio.get_running_loop().time()
            self._idle.append(connection)
        self._slots.release()

    def give_up(self, connection: Connection) -> None:
        """Return a connection that nobody can vouch for.

        Its slot comes free when it has ended, so that there are never more connections than slots,
        but nobody waits for that.
        """
        task = asyncio.get_running_loop().create_task(self._end(connection))
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)

    def close_unused(self) -> None:
        """Close the connections that have been idle for long."""
        oldest = asyncio.get_running_loop().time() - IDLE_SECONDS
        while self._idle and self._idle[0].idle_since < oldest:
            self._idle.popleft().cut()

    async def close(self) -> None:
        """Close everything, after the statements under way; in bounded time."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SHUTDOWN_SECONDS):
                for _ in range(self._size):
                    await self._slots.acquire()
        await asyncio.gather(*(connection.end() for connection in self._idle))
        self._idle.clear()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        if self._waiting >= WAITING_PER_CONNECTION * self._size:
            metrics.NO_CONNECTION.labels("queue_full").inc()
            raise Overloaded
        self._waiting += 1
        began = time.perf_counter()
        try:
            async with asyncio.timeout(self._patience):
                await self._slots.acquire()
        except TimeoutError:
            metrics.NO_CONNECTION.labels("timed_out").inc()
            raise Overloaded from None
        finally:
            self._waiting -= 1
            metrics.WAIT_SECONDS.observe(time.perf_counter() - began)

    def _idle_connection(self) -> Connection | None:
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
        return None

    async def _end(self, connection: Connection) -> None:
        try:
            await connection.end()
        finally:
            self._slots.release()


class Loan:
    """One use of a connection; a class, as a generator would cost three microseconds more."""

    __slots__ = ("_connection", "_connections")

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def __aenter__(self) -> Connection:
        self._connection = await self._connections.take()
        return self._connection

    async def __aexit__(
        self, _: type[BaseException] | None, error: BaseException | None, __: TracebackType | None
    ) -> None:
        if error is None or _leaves_a_usable_connection(error):
            self._connections.give_back(self._connection)
        else:
            self._connections.give_up(self._connection)


def _leaves_a_usable_connection(error: BaseException) -> bool:
    """An error that the server told and went on after, or one of ours; no cut in mid-statement.

    Not that of a read-only server either: it was demoted, and the same address may lead to its
    successor by now.
    """
    return isinstance(error, asyncpg.PostgresError | ApiError) and not isinstance(
        error, asyncpg.ReadOnlySQLTransactionError
    )
