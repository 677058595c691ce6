"""The memory of responses under way: what is rendered and not yet taken by its client is bounded.

A response that may be long holds its share before the database renders it, and keeps it until the
client has taken all but the last kilobytes. So neither many long lists at once nor slow readers use
more than `MAX_RESPONSE_BYTES` (docs/decisions/0023).
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable
from typing import Self

from starlette.types import Scope

from taskapi.errors import Overloaded
from taskapi.observability import metrics

MEBIBYTE = 1024 * 1024

MAX_RESPONSE_BYTES = 32 * MEBIBYTE
"""Of all responses under way in a process."""

MAX_RESPONSE_BYTES_OF_OWNER = 12 * MEBIBYTE
"""Of those of one user, so that one slow reader leaves room for everybody else."""

SHORT_BYTES = MEBIBYTE // 2
"""Most responses are shorter, and nearly always find room: a quarter of each of these bounds is for
them alone."""

WHEN_TAKEN = "taskapi.when_taken"
"""An extension of the ASGI scope, by which `server.protocol` calls a function when the client has
taken what was sent. Under another server the function is called at once."""


class Share:
    """The bytes that one response holds. As a context, it releases them if an error is raised."""

    __slots__ = ("_memory", "_owner", "size")

    def __init__(self, memory: "ResponseMemory", owner: Hashable, size: int) -> None:
        self._memory = memory
        self._owner = owner
        self.size = size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None:
            self.release()

    def shrink(self, size: int) -> None:
        """Keep so many bytes, and free the rest."""
        if size < self.size:
            self._memory.free(self._owner, self.size - size)
            self.size = size

    def release(self) -> None:
        """Free all of it; a second time changes nothing."""
        self.shrink(0)

    def release_when_taken(self, scope: Scope) -> None:
        """Free all of it when the client of this request has taken its response, or has left."""
        when_taken: Callable[[Callable[[], None]], None] | None = scope.get("extensions", {}).get(
            WHEN_TAKEN
        )
        if when_taken is None:
            self.release()
        else:
            when_taken(self.release)


class ResponseMemory:
    """What the responses of a process may hold, and what they do hold.

    Args:
        wait_seconds: for which a response waits for its share.

    Attributes:
        held: bytes.
    """

    def __init__(self, wait_seconds: float) -> None:
        self._wait_seconds = wait_seconds
        self._of_owner: Counter[Hashable] = Counter()
        self._freed = asyncio.Event()
        self.held = 0

    def try_hold(self, owner: Hashable, size: int) -> Share | None:
        """A share of this size, or None if it is not free."""
        part = 1 if size <= SHORT_BYTES else 0.75
        held, of_owner = self.held + size, self._of_owner[owner] + size
        if held > part * MAX_RESPONSE_BYTES or of_owner > part * MAX_RESPONSE_BYTES_OF_OWNER:
            return None
        self.held = held
        self._of_owner[owner] = of_owner
        return Share(self, owner, size)

    async def hold(self, owner: Hashable, size: int) -> Share:
        """A share of this size, as soon as it is free.

        Raises:
            Overloaded: it was not in time.
        """
        share = self.try_hold(owner, size)
        return share or await self._wait_for(owner, size)

    async def _wait_for(self, owner: Hashable, size: int) -> Share:
        try:
            async with asyncio.timeout(self._wait_seconds):
                while (share := self.try_hold(owner, size)) is None:
                    await self._freed.wait()
        except TimeoutError:
            metrics.RESPONSES_REFUSED.inc()
            raise Overloaded from None
        return share

    def free(self, owner: Hashable, size: int) -> None:
        """Take back what a share has freed. Those that wait try again, the first one first."""
        self.held -= size
        self._of_owner[owner] -= size
        if not self._of_owner[owner]:
            del self._of_owner[owner]
        self._freed.set()
        self._freed.clear()
