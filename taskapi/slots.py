"""Slots: a number of things of which each is used by one request at a time, first come first."""

import asyncio
from collections import deque


class Slots:
    """A semaphore whose free slots are taken by a plain function call, where asyncio's awaits one.

    Args:
        count: of the slots.

    Attributes:
        free: slots that nobody has.
    """

    __slots__ = ("_count", "_queue", "free")

    def __init__(self, count: int) -> None:
        self._count = self.free = count
        self._queue: deque[asyncio.Future[None]] = deque()

    @property
    def taken(self) -> int:
        """Slots that somebody has."""
        return self._count - self.free

    @property
    def waiting(self) -> int:
        """Requests that wait for a slot."""
        return len(self._queue)

    def take(self) -> bool:
        """Take a slot, unless there is none.

        Nobody is overtaken: a slot is free only if all who queue have theirs, or have given up.
        """
        if not self.free:
            return False
        self.free -= 1
        return True

    async def wait(self) -> None:
        """Take a slot as soon as all who came before have had one."""
        if self.take():
            return
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        try:
            await turn
        except BaseException:
            if turn.done() and not turn.cancelled():  # it came just when the request was ended
                self.give_back()
            raise
        finally:
            self._queue.remove(turn)

    def give_back(self) -> None:
        """Hand a slot to whoever has waited longest, or free it."""
        for turn in self._queue:
            if not turn.done():
                turn.set_result(None)
                return
        self.free += 1
