"""How many connections each worker has: numbers in a file that all of them map into their memory.

A worker that has more than another lets that one accept first. It waits only for those that respond
to this, so a worker that hangs, starts or has ended delays nobody for long.
"""

import fcntl
import mmap
import os
from array import array
from functools import cache
from pathlib import Path
from typing import Final

from taskapi.observability import metrics

LEAD = 2
"""Connections that a worker may have more than another before it waits. Without a lead, short
connections make all of them wait: 970 a second instead of 5,400 (32 at once, two workers)."""

PATIENCE = 10
"""So often is a worker waited for without a sign of life."""

SIGNED_64: Final = "q"


class ConnectionShares:
    """The numbers of all workers, and the place of this one among them.

    Args:
        file: of `create`.
    """

    def __init__(self, file: Path) -> None:
        self._file = file.open("r+b")  # closing it would end the lock of `_claim`
        numbers = memoryview(mmap.mmap(self._file.fileno(), 0)).cast(SIGNED_64)
        places = len(numbers) // 2
        self._connections, self._unanswered = numbers[:places], numbers[places:]
        self._own = self._claim(places)
        self.show(0)

    def _claim(self, places: int) -> int:
        """The first place without a living worker: the kernel frees the locks of those that end."""
        for place in range(places):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, place)
            except BlockingIOError:
                continue
            return place
        return places - 1  # SIGTTIN has started more: they have one number together

    def show(self, connections: int) -> None:
        """Tell the other workers how many connections this one has, and that it responds."""
        self._connections[self._own] = connections
        self._unanswered[self._own] = 0

    def is_ahead(self) -> bool:
        """Whether another worker should accept the connection that waits."""
        bound = self._connections[self._own] - LEAD
        behind = [
            place
            for place, unanswered in enumerate(self._unanswered)
            if unanswered < PATIENCE and self._connections[place] < bound
        ]
        for place in behind:
            self._unanswered[place] += 1
        return bool(behind)

    def leave(self) -> None:
        """Have no worker wait for this one any more."""
        self._unanswered[self._own] = PATIENCE


def create(workers: int) -> None:
    """Make the file, before the workers start. While they are replaced, there are more of them."""
    places = 2 * workers
    _file().write_bytes(array(SIGNED_64, [0] * places + [PATIENCE] * places).tobytes())


@cache
def mine() -> ConnectionShares | None:
    """The numbers, in a worker of a service that has several."""
    return ConnectionShares(_file()) if metrics.is_shared() and _file().exists() else None


def _file() -> Path:
    """In the directory of the workers' metrics, which `taskapi serve` removes at the end."""
    return Path(os.environ[metrics.DIRECTORY]) / "connections"
