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
        rolled_back: the server said that the statement had no effect, and the cause may be gone
            by the next try.
    """

    kind: str
    rolled_back: bool = False


UNREACHABLE = Fault("unreachable")
CONNECTION_LOST = Fault("connection_lost")
CONFLICT = Fault("conflict", rolled_back=True)
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
    (asyncpg.TooManyConnectionsError, FULL),
    (asyncpg.InsufficientResourcesError, FULL),
    (asyncpg.PostgresSystemError, FULL),
    (asyncpg.OperatorInterventionError, CONNECTION_LOST),
    (asyncpg.PostgresConnectionError, CONNECTION_LOST),
    (asyncpg.InvalidAuthorizationSpecificationError, REFUSED),
    (asyncpg.InvalidCatalogNameError, REFUSED),
    (asyncpg.InsufficientPrivilegeError, REFUSED),
    (asyncpg.UndefinedTableError, SCHEMA),
    (asyncpg.UndefinedColumnError, SCHEMA),
    (TimeoutError, TOO_SLOW),
    (OSError, UNREACHABLE),
    # asyncpg's own word for a connection that closed under a call, or a pool that is closing.
    (asyncpg.InterfaceError, CONNECTION_LOST),
)


def classify(error: Exception) -> Fault | None:
    """The fault behind an error of a running statement; None for a bug of ours."""
    for kind, fault in _BY_CLASS:
        if isinstance(error, kind):
            return fault
    return None


def classify_connecting(error: Exception) -> Fault | None:
    """The same for an error before any statement was sent.

    A server's refusal of any class counts here: Neon answers XX000 while it wakes up.
    """
    return classify(error) or (UNREACHABLE if isinstance(error, asyncpg.PostgresError) else None)
