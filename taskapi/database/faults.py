"""What PostgreSQL, asyncpg and the network really raise, and what each of it means.

Everything here becomes a 503. What differs is whether the statement may run once more, which is
only safe where it surely had no effect.
"""

from dataclasses import dataclass

import asyncpg


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of trouble.

    Attributes:
        kind: its name in logs and metrics.
        pause: seconds before the first repetition, twice as many before the next; None where
            another try would only meet the same.
        rolled_back: the server said that the statement had no effect.
    """

    kind: str
    pause: float | None = None
    rolled_back: bool = False

    def may_repeat(self, may_have_effect: bool) -> bool:
        """Whether what met this may be tried again: never at the risk of a second effect."""
        return self.pause is not None and (self.rolled_back or not may_have_effect)


UNREACHABLE = Fault("unreachable", pause=0.05)
NOT_YET = Fault("not_yet", pause=0.2)
CONNECTION_LOST = Fault("connection_lost", pause=0.01)
CONFLICT = Fault("conflict", pause=0.01, rolled_back=True)
BROKEN = Fault("broken", pause=0.05)
TOO_SLOW = Fault("too_slow")
READ_ONLY = Fault("read_only")
FULL = Fault("full")
REFUSED = Fault("refused")
SCHEMA = Fault("schema_outdated")

_BY_CLASS: tuple[tuple[type[BaseException], Fault], ...] = (
    (asyncpg.SerializationError, CONFLICT),
    (asyncpg.DeadlockDetectedError, CONFLICT),
    (asyncpg.QueryCanceledError, TOO_SLOW),
    (asyncpg.LockNotAvailableError, TOO_SLOW),
    (asyncpg.ReadOnlySQLTransactionError, READ_ONLY),
    (asyncpg.TooManyConnectionsError, NOT_YET),
    (asyncpg.CannotConnectNowError, NOT_YET),
    (asyncpg.InsufficientResourcesError, FULL),
    (asyncpg.PostgresSystemError, FULL),
    (asyncpg.OperatorInterventionError, CONNECTION_LOST),
    (asyncpg.PostgresConnectionError, CONNECTION_LOST),
    (asyncpg.InvalidAuthorizationSpecificationError, REFUSED),
    (asyncpg.InvalidCatalogNameError, REFUSED),
    (asyncpg.InsufficientPrivilegeError, REFUSED),
    (asyncpg.UndefinedTableError, SCHEMA),
    (asyncpg.UndefinedColumnError, SCHEMA),
    (asyncpg.InternalServerError, BROKEN),
    (asyncpg.UnknownPostgresError, BROKEN),
    (asyncpg.InternalClientError, BROKEN),
    (TimeoutError, TOO_SLOW),
    (OSError, UNREACHABLE),
)


def classify(error: Exception) -> Fault | None:
    """The fault behind an error of a running statement; None for a bug of ours."""
    for kind, fault in _BY_CLASS:
        if isinstance(error, kind):
            return fault
    return None


def classify_connecting(error: Exception) -> Fault | None:
    """The same for an error before any statement was sent.

    A server's refusal of any class counts here: Neon answers XX000 while it wakes up, PgBouncer
    08P01 while its server is away.
    """
    fault = classify(error)
    if isinstance(error, asyncpg.InterfaceError):
        return REFUSED  # an authentication method, for one, that asyncpg lacks
    if fault in {None, BROKEN, CONNECTION_LOST} and isinstance(
        error, asyncpg.PostgresError | asyncpg.InternalClientError
    ):
        return NOT_YET
    return fault
