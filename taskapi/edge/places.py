"""How many requests that last may be open at once: those of one user, and all of a process."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from prometheus_client import Gauge

from taskapi.database.owner import UserId
from taskapi.errors import ApiError, Overloaded


@dataclass
class Places:
    """Places for requests of one kind.

    Attributes:
        gauge: shows how many are taken.
        refusal: raised where a user has taken all that one user may.
        max_per_user: so many.
        max_per_process: how many there are.
    """

    gauge: Gauge
    refusal: type[ApiError]
    max_per_user: int
    max_per_process: int
    _taken: Counter[UserId] = field(default_factory=Counter)

    @contextmanager
    def taken(self, owner: UserId) -> Iterator[None]:
        """Take a place while the context is open.

        Raises:
            ApiError: the `refusal`, or
            Overloaded: all places of the process are taken.
        """
        if self._taken[owner] >= self.max_per_user:
            raise self.refusal
        if self._taken.total() >= self.max_per_process:
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
        self.gauge.inc(count)
