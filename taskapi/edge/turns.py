"""Turns: how many requests of one user are worked on at once, so that the others are served too."""

import asyncio
from types import TracebackType

from taskapi.errors import ConcurrencyLimited
from taskapi.slots import Slots

MAX_WAITING = 200
"""Requests of one user that may wait. A hundred clients with one token, all at once, fit twice."""


class Turns:
    """A number of turns for each user of a process. Who finds none left waits, first come first.

    A user costs an entry while a request of theirs is worked on, and nothing afterwards.

    Args:
        limit: turns of one user.
        seconds: that a request waits for one.

    Attributes:
        users: who have taken a turn, with their turns.
        waiting: requests of all users that wait.
    """

    def __init__(self, limit: int, seconds: float) -> None:
        self.limit = limit
        self._seconds = seconds
        self.users: dict[str, Slots] = {}
        self.waiting = 0

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
        turns = self.users.get(user)
        if turns is None:
            turns = self.users[user] = Slots(self.limit)
        if not turns.take():
            await self._wait(user, turns)

    def give_back(self, user: str) -> None:
        """Hand a turn to the user's request that has waited longest, or free it."""
        turns = self.users[user]
        turns.give_back()
        self._forget_idle(user, turns)

    async def _wait(self, user: str, turns: Slots) -> None:
        if turns.waiting >= MAX_WAITING:
            raise ConcurrencyLimited(self.limit, "queue_full")
        self.waiting += 1
        try:
            async with asyncio.timeout(self._seconds):
                await turns.wait()
        except TimeoutError:
            raise ConcurrencyLimited(self.limit, "timed_out") from None
        finally:
            self.waiting -= 1
            self._forget_idle(user, turns)  # of a request that was ended just as its turn came

    def _forget_idle(self, user: str, turns: Slots) -> None:
        if not turns.taken and self.users.get(user) is turns:
            del self.users[user]


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
