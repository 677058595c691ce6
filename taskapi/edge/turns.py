"""Turns: how many requests of one user are worked on at once, so that the others are served too."""

import asyncio
from collections import deque
from types import TracebackType

from taskapi.errors import ConcurrencyLimited

MAX_WAITING = 200
"""Requests of one user that may wait. A hundred clients with one token, all at once, fit twice."""


class Turns:
    """A number of turns for each user of a process. Who finds none left waits, first come first.

    A user costs an entry while a request of theirs is worked on, and nothing afterwards.

    Args:
        limit: turns of one user.
        seconds: that a request waits for one.

    Attributes:
        taken: turns, by user.
        queues: of each user who has taken all turns, so that nobody overtakes those who wait.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self.taken: dict[str, int] = {}
        self.queues: dict[str, deque[asyncio.Future[None]]] = {}
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Requests of all users that wait."""
        return self._waiting

    def of(self, user: str) -> "Turn":
        """A turn of this user for an `async with` block.

        Entering it raises `ConcurrencyLimited` where too many wait, or none came in time.
        """
        return Turn(self, user)

    async def take(self, user: str) -> None:
        """Take a turn, to be given back afterwards.

        Raises:
            ConcurrencyLimited: too many requests of the user wait, or none came in time.
        """
        taken = self.taken.get(user, 0)
        if taken < self.limit:
            self.taken[user] = taken + 1
        else:
            await self._wait(user)

    def give_back(self, user: str) -> None:
        """Hand a turn to the user's request that has waited longest, or free it."""
        for turn in self.queues.get(user, ()):
            if not turn.done():
                turn.set_result(None)
                return
        taken = self.taken.pop(user) - 1
        if taken:
            self.taken[user] = taken

    async def _wait(self, user: str) -> None:
        queue = self.queues.setdefault(user, deque())
        if len(queue) >= MAX_WAITING:
            raise ConcurrencyLimited(self.limit, "queue_full")
        turn = asyncio.get_running_loop().create_future()
        queue.append(turn)
        self._waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turn
        except BaseException as error:
            if turn.done() and not turn.cancelled():  # it came just when this request was ended
                self.give_back(user)
            if isinstance(error, TimeoutError):
                raise ConcurrencyLimited(self.limit, "timed_out") from None
            raise
        finally:
            self._waiting -= 1
            self._leave(user, queue, turn)

    def _leave(
        self, user: str, queue: deque[asyncio.Future[None]], turn: asyncio.Future[None]
    ) -> None:
        queue.remove(turn)
        if not queue:
            del self.queues[user]


class Turn:
    """One turn. A class, because a generator costs three microseconds more."""

    __slots__ = ("_turns", "_user")

    def __init__(self, turns: Turns, user: str) -> None:
        self._turns = turns
        self._user = user

    async def __aenter__(self) -> None:
        await self._turns.take(self._user)

    async def __aexit__(
        self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None
    ) -> None:
        self._turns.give_back(self._user)
