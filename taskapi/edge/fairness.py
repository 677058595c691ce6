"""A user's share of this process: turns at once, and the weight of requests within 10 seconds.

Requests of nobody in particular (`/livez`) have no share, and are neither counted nor made to wait.
"""

from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Self

from starlette.types import Scope

from taskapi.config import Settings
from taskapi.edge.rates import UserRate
from taskapi.edge.turns import Turns

NO_TURN: AbstractAsyncContextManager[None] = nullcontext()


class Shares:
    """The shares of all users.

    Attributes:
        turns: how many requests of each are worked on at once.
        rate: what their requests may weigh; None for any weight.
    """

    __slots__ = ("rate", "turns")

    def __init__(self, turns: Turns, rate: UserRate | None = None) -> None:
        self.turns = turns
        self.rate = rate

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """The shares of these settings."""
        turns = Turns(settings.user_turns, settings.database_connect_timeout)
        return cls(turns, UserRate(settings.user_rate) if settings.user_rate else None)


def charge(scope: Scope, weight: int) -> None:
    """Count a request, or more of it, in its user's rate.

    Raises:
        RateLimited: it weighs more than the user has left.
    """
    if weight and "user" in scope["state"]:
        shares: Shares = scope["app"].shares
        if shares.rate is not None:
            shares.rate.charge(scope, scope["state"]["user"].subject, weight)


def turn_of(scope: Scope) -> AbstractAsyncContextManager[None]:
    """A turn of the request's user.

    Entering it raises `ConcurrencyLimited` where too many wait, or none came in time.
    """
    if "user" not in scope["state"]:
        return NO_TURN
    shares: Shares = scope["app"].shares
    return shares.turns.of(scope["state"]["user"].subject)
