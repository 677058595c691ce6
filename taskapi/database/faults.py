"""Faults: what PostgreSQL, asyncpg and the network raise, and whether a statement may be retried.

Every fault becomes a 503. A statement is retried only where it surely had no effect.
"""

import re
from dataclasses import dataclass

import asyncpg

from taskapi.database.tables import keys_of_ids
from taskapi.libpq.errors import UrlError


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of failure of the database or the network.

    Attributes:
        kind: its name in logs and metrics.
        backoff: seconds before the first retry, doubled before each further one; None where a retry
            would fail in the same way.
        rolled_back: the server reported that the statement had no effect.
        retries: after the first attempt.
    """

    kind: str
    backoff: float | None = None
    rolled_back: bool = False
    retries: int = 3

    def is_retryable(self, may_have_effect: bool) -> bool:
        """Whether the attempt may be repeated without the risk of a second effect."""
        return self.backoff is not None and (self.rolled_back or not may_have_effect)


UNREACHABLE = Fault("unreachable", backoff=0.05)
NOT_YET = Fault("not_yet", backoff=0.2)
CONNECTION_LOST = Fault("connection_lost", backoff=0.01)
SHUT_DOWN = Fault("connection_lost", backoff=0.01, rolled_back=True)
CONFLICT = Fault("conflict", backoff=0.01, rolled_back=True)
BROKEN = Fault("broken", backoff=0.05)
TOO_SLOW = Fault("too_slow")
# Once, on a new connection, which may lead to the server that has taken over.
READ_ONLY = Fault("read_only", backoff=0.01, rolled_back=True, retries=1)
FULL = Fault("full")
REFUSED = Fault("refused")
# At once, because nothing has to pass: from now on statements are sent whole.
NOT_PREPARED = Fault("not_prepared", backoff=0.0, rolled_back=True)
SCHEMA = Fault("schema_outdated")
IDS_BEHIND = Fault("ids_behind")
"""The sequence of an identity column gives out ids that rows have already: it stays behind in
logical replication, and where rows were copied. Not retried, because it may be millions behind."""

LOST_STATEMENTS = (
    asyncpg.InvalidSQLStatementNameError,  # 26000: the server has not got it
    asyncpg.DuplicatePreparedStatementError,  # 42P05: it has got it from somebody else
    asyncpg.InvalidCachedStatementError,  # 0A000: the type of a column has changed since
)
"""What a statement ends with that cannot be run by its name, before anything of it has run."""

PART = re.compile(r"\b([a-z_]+)_[0-9]+\b")
"""A constraint of a partition or a shard: `tasks_pkey_7`."""

_BY_CLASS: tuple[tuple[type[BaseException], Fault], ...] = (
    (asyncpg.SerializationError, CONFLICT),
    *((error, NOT_PREPARED) for error in LOST_STATEMENTS),
    (asyncpg.DeadlockDetectedError, CONFLICT),
    (asyncpg.QueryCanceledError, TOO_SLOW),
    (asyncpg.LockNotAvailableError, TOO_SLOW),
    (asyncpg.ReadOnlySQLTransactionError, READ_ONLY),
    (asyncpg.TooManyConnectionsError, NOT_YET),
    (asyncpg.CannotConnectNowError, NOT_YET),
    # 57P01 as an error comes between statements, or rolls back the one under way (postgres.c,
    # ProcessInterrupts). What a server says when it ends without that is a notice, 57P02 too.
    (asyncpg.AdminShutdownError, SHUT_DOWN),
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


def classify(error: BaseException, *, pooled: bool = False) -> Fault | None:
    """The fault behind an error of a running statement; None for a bug of ours.

    Args:
        error: what was raised.
        pooled: a pooler is at the other end. When it says that it shuts down, the server may still
            execute the statement.
    """
    if isinstance(error, asyncpg.UniqueViolationError):
        return IDS_BEHIND if table_behind(error) else None
    last_words = error.__cause__
    if isinstance(error, asyncpg.ConnectionDoesNotExistError) and isinstance(
        last_words, asyncpg.AdminShutdownError
    ):
        error = last_words
    for kind, fault in _BY_CLASS:
        if isinstance(error, kind):
            return CONNECTION_LOST if pooled and fault is SHUT_DOWN else fault
    return None


def table_behind(error: BaseException) -> str | None:
    """The table whose sequence gave out an id that is in use; None for any other error."""
    return keys_of_ids().get(violated(error))


def violated(error: BaseException) -> str:
    """The constraint that a statement violates, by the name that the migrations give it.

    A partition or a shard has its number behind the name. Citus has the name in the message alone.
    """
    told = getattr(error, "constraint_name", None) or str(error)
    part = PART.search(told)
    return part[1] if part else told


def ends(error: BaseException) -> bool:
    """Whether the connection has ended, or is about to."""
    return classify(error) in {SHUT_DOWN, CONNECTION_LOST, UNREACHABLE}


def ends_others(error: BaseException) -> bool:
    """Whether the connections opened before are probably of no use any more, either.

    The server was demoted, ended or lost, and new connections may lead to the one that took over.
    """
    return ends(error) or classify(error) is READ_ONLY


def classify_connecting(error: Exception) -> Fault | None:
    """The same for an error before any statement was sent.

    Any error of the server counts here: Neon sends XX000 while it wakes up, and PgBouncer 08P01
    while its server is away.
    """
    fault = classify(error)
    if isinstance(error, asyncpg.InterfaceError | UrlError):
        # For example an authentication method that asyncpg lacks, or a certificate that is gone.
        return REFUSED
    if fault in {None, BROKEN, CONNECTION_LOST} and isinstance(
        error, asyncpg.PostgresError | asyncpg.InternalClientError
    ):
        return NOT_YET
    return fault
