"""Rates: how much of something a user, or an address, may use within 10 seconds.

By the generic cell rate algorithm: for each key, one number says when its quota is whole again. The
library `limits` does not fit (docs/decisions/0022).
"""

import math
import time
from collections.abc import Callable
from typing import Any

from starlette.types import Scope

from taskapi.errors import RateLimited

WINDOW_SECONDS = 10

MAX_KEYS = 20_000
"""Keys of one generation; two generations of them take 4 MB. With more, the older one is forgotten
early, and its keys have their whole quota again."""


class Rate:
    """A quota for each key. All of it may be used at once, and it comes back within 10 seconds.

    Args:
        quota: units in 10 seconds.
        clock: seconds, which never go back.
    """

    __slots__ = ("_begun", "_clock", "_older", "_recent", "_unit_seconds", "quota")

    def __init__(self, quota: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.quota = quota
        self._unit_seconds = WINDOW_SECONDS / quota
        self._clock = clock
        # When the quota of each key is whole again. A key that is not in the generation of the last
        # 10 seconds, nor in that before, is whole.
        self._recent: dict[str, float] = {}
        self._older: dict[str, float] = {}
        self._begun = -math.inf

    def spend(self, key: str, units: int) -> tuple[int, float]:
        """Take units off a key's quota, all of it at most, if they are there.

        Returns:
            The units that are left, and the seconds until these can be taken: 0 if they were.
        """
        now = self._clock()
        if now - self._begun >= WINDOW_SECONDS or len(self._recent) >= MAX_KEYS:
            self._older, self._recent, self._begun = self._recent, {}, now
        missing = max(0.0, (self._recent.get(key) or self._older.get(key, now)) - now)
        after = missing + min(units, self.quota) * self._unit_seconds
        wait = after - WINDOW_SECONDS
        if wait > self._unit_seconds * 1e-6:  # sums of fractions may be that much too large
            return self._left(missing), wait
        self._recent[key] = now + after
        return self._left(after), 0.0

    def __len__(self) -> int:
        """Keys that are remembered."""
        return len(self._recent) + len(self._older)

    def _left(self, missing: float) -> int:
        return max(0, int((WINDOW_SECONDS - missing) / self._unit_seconds + 1e-6))

    @property
    def policy(self) -> str:
        """The quota as parameters of `RateLimit-Policy`."""
        return f"q={self.quota};w={WINDOW_SECONDS}"


class UserRate:
    """What requests of one user may weigh in 10 seconds.

    Args:
        quota: their weight.
    """

    __slots__ = ("_policy_header", "_rate")

    def __init__(self, quota: int) -> None:
        self._rate = Rate(quota)
        policy = f'"{RateLimited.name}";{self._rate.policy}'
        self._policy_header = (b"ratelimit-policy", policy.encode())

    def charge(self, scope: Scope, user: str, weight: int) -> None:
        """Count a request, or more of it, and leave the headers for its response in its state.

        No request weighs more than the quota, because it could never be served.

        Raises:
            RateLimited: it weighs more than is left of the user's quota.
        """
        state: dict[str, Any] = scope["state"]
        counted: int = state.get("counted", 0)
        weight = min(weight, self._rate.quota - counted)
        state["counted"] = counted + weight
        left, wait = self._rate.spend(user, weight)
        if wait:
            state.pop("rate_limit", None)
            raise RateLimited(self._rate.policy, "rate", left, math.ceil(wait))
        limit = b'"%b";r=%d;t=%d' % (RateLimited.name.encode(), left, WINDOW_SECONDS)
        state["rate_limit"] = (self._policy_header, (b"ratelimit", limit))
