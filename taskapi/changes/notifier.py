"""The notifier wakes those who wait for changes of a user.

A write of this process wakes them at once. For those of others it asks the database once a second
about all users for whom somebody waits, and not at all while nobody does.
"""

import asyncio
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import bindparam, func, select

from taskapi.clock.statements import CLOCKS
from taskapi.database.executor import Executor
from taskapi.database.owner import WATCH_SETTING, UserId, declared
from taskapi.database.statement import Constant, compiled
from taskapi.errors import Unavailable

ASK_SECONDS = 1.0

MAX_LISTENERS_OF_USER = 10
MAX_LISTENERS = 1000
"""In a process. Both count waiting requests and event streams each by itself."""

CLOCKS_OF = compiled(
    select(
        func.array_agg(CLOCKS.c.user_id).label("owners"),
        func.array_agg(CLOCKS.c.changed_at).label("times"),
    ).where(
        CLOCKS.c.user_id == func.any(bindparam("owners")), declared(WATCH_SETTING, Constant("on"))
    )
)
"""The times of the clocks of several users."""


class Listener:
    """Somebody who waits for the changes of a user.

    Attributes:
        seen: the time of the user's clock when they last read the feed; None before that.
        turn: held while the feed is read, so that a user's listeners, who are woken together, use
            one connection.
    """

    __slots__ = ("_is_woken", "_waiting", "seen", "turn")

    def __init__(self, turn: asyncio.Lock) -> None:
        self._is_woken = False
        self._waiting: asyncio.Future[None] | None = None
        self.seen: datetime | None = None
        self.turn = turn

    def wake(self) -> None:
        """Say that the user's rows may have changed."""
        self._is_woken = True
        self._end_wait()

    async def woken(self, seconds: float) -> bool:
        """Wait so long for a change; returns whether there may be one.

        By a timer and not by `asyncio.timeout`, which would cancel the task that waits and catch
        that: most waits of an event stream end without a change.
        """
        if not self._is_woken:
            loop = asyncio.get_running_loop()
            self._waiting = loop.create_future()
            timer = loop.call_later(seconds, self._end_wait)
            try:
                await self._waiting
            finally:
                timer.cancel()
                self._waiting = None
        is_woken, self._is_woken = self._is_woken, False
        return is_woken

    def _end_wait(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Audience:
    """The listeners of one user."""

    __slots__ = ("listeners", "turn")

    def __init__(self) -> None:
        self.listeners: set[Listener] = set()
        self.turn = asyncio.Lock()


class Notifier:
    """Knows who waits for whose changes.

    Attributes:
        stopped: whether the process is about to stop, so that nobody should wait any longer.

    Args:
        executor: asks the database.
    """

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._audiences: dict[UserId, Audience] = {}
        self.stopped = False

    @contextmanager
    def listening(self, owner: UserId) -> Iterator[Listener]:
        """A listener, woken while the context is open."""
        audience = self._audiences.setdefault(owner, Audience())
        listener = Listener(audience.turn)
        audience.listeners.add(listener)
        try:
            yield listener
        finally:
            audience.listeners.discard(listener)
            if not audience.listeners:
                del self._audiences[owner]

    def wake(self, owner: UserId) -> None:
        """Wake the listeners of a user who has written: 0.1 microseconds if there are none."""
        audience = self._audiences.get(owner)
        if audience is not None:
            for listener in audience.listeners:
                listener.wake()

    def stop(self) -> None:
        """Wake everybody, for the last time."""
        self.stopped = True
        for audience in self._audiences.values():
            for listener in audience.listeners:
                listener.wake()

    async def keep_asking(self) -> None:
        """Ask the database once a second while somebody listens, until cancelled."""
        while True:
            await asyncio.sleep(ASK_SECONDS)
            if not self._audiences:
                continue
            try:
                row = await self._executor.fetch_row(CLOCKS_OF, {"owners": [*self._audiences]})
            except Unavailable:
                continue  # it has been logged, and the next question finds the same changes
            self._compare(zip(row["owners"] or (), row["times"] or (), strict=True))

    def _compare(self, clocks: Iterable[tuple[UserId, datetime]]) -> None:
        """Wake those who have not seen the present time of a clock."""
        for owner, time in clocks:
            audience = self._audiences.get(owner)
            for listener in audience.listeners if audience is not None else ():
                if listener.seen != time:
                    listener.wake()
