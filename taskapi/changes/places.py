"""How many may listen at once: those of one user, and all of a process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from prometheus_client import Gauge

from taskapi.database.owner import UserId
from taskapi.errors import Overloaded, TooManyListeners

MAX_PER_USER = 10
MAX_PER_PROCESS = 1000


class Places:
    """Places for listeners of one kind.

    Args:
        gauge: shows how many are taken.
    """

    def __init__(self, gauge: Gauge) -> None:
        self._taken: Counter[UserId] = Counter()
        self._gauge = gauge

    @contextmanager
    def taken(self, owner: UserId) -> Iterator[None]:
        """Take a place while the context is open.

        Raises:
            TooManyListeners: the user has all places that one user may have.
            Overloaded: all places of the process are taken.
        """
        if self._taken[owner] >= MAX_PER_USER:
            raise TooManyListeners
        if self._taken.total() >= MAX_PER_PROCESS:
            raise Overloaded
        self._change(owner, 1)
        try:
            yield
        finally:
            self._change(owner, -1)

    def _change(self, owner: UserId, count: int) -> None:
        self._taken[owner] += count
        if not self._taken[owner]:
            del self._taken[owner]
        self._gauge.inc(count)
