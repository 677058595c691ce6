"""How many connections of clients a process has: `MAX_CONNECTIONS`, below its limit of files.

At the bound, idle connections are closed for new ones. A process that reaches its limit of files
instead drops new connections, and nothing says so.
"""

import asyncio
import heapq
import resource
from collections.abc import Callable
from typing import Protocol

import structlog
from starlette.types import Scope

from taskapi.config import Settings, SettingsError
from taskapi.observability import metrics
from taskapi.server.listener import BACKLOG

log = structlog.get_logger("taskapi")

DEFAULT_MAX_CONNECTIONS = 2000
"""As many heads of 64 KiB, none of them complete, take 125 MiB."""

RESERVED_CONNECTIONS = 16
"""Above the bound, for one request each: probes are answered, and anybody else gets 503."""

RESERVED_FILES = 48 + RESERVED_CONNECTIONS
"""For the listener, the event loop, the log, the metrics of several workers, the auth server."""

CLOSED_AT_ONCE = 16
"""One in so many of the connections, because finding the idle ones takes a look at all."""

EXPIRY_SECONDS = 0.5
"""Between two looks at which connections have been idle for too long."""

FULL = "taskapi.full"
"""An extension of the ASGI scope: whether every connection is open and in use."""


class ClientConnection(Protocol):
    """What is asked of a connection."""

    @property
    def idle_until(self) -> float | None:
        """The loop's time at which it is closed anyway; None while it serves a request."""

    def close_idle(self) -> None:
        """Close it at once."""

    def expire(self) -> None:
        """Close it, because that time has come."""


def is_full(scope: Scope) -> bool:
    """Whether the server that received this request has no place for another connection."""
    full: Callable[[], bool] | None = scope.get("extensions", {}).get(FULL)
    return full is not None and full()


def max_connections(settings: Settings) -> int:
    """The connections of one process, for which this process gets enough files.

    The soft limit of files is raised up to the hard one, as most servers do: it only protects
    programs that call select().

    Raises:
        SettingsError: `MAX_CONNECTIONS` is more than the hard limit permits.
    """
    reserved = RESERVED_FILES + settings.pool_size
    wanted = settings.max_connections or DEFAULT_MAX_CONNECTIONS
    files = _raise_files(wanted + reserved + BACKLOG)  # all that is queued may be accepted at once
    most = files - reserved
    if most < (settings.max_connections or 1):
        raise SettingsError(
            f"  MAX_CONNECTIONS must be at most {max(most, 0)}: a process may open {files} files "
            f"here (ulimit -n), and needs {reserved} for other things"
        )
    return min(wanted, most)


def _raise_files(wanted: int) -> int:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return wanted
    soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return soft


class Connections:
    """The connections of one process.

    Args:
        most: there may be.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._open: dict[ClientConnection, None] = {}
        self._above: dict[ClientConnection, None] = {}
        self._is_scheduled = False
        self._told = False

    def is_full(self) -> bool:
        """Whether a new connection finds no place, and no idle one to take it from."""
        return len(self._open) >= self._most and not self._idle()

    def admit(self, connection: ClientConnection) -> bool:
        """Take a new connection, for which an idle one may be closed; False if there is no place.

        One that has a place is to be passed to `remove` when it is lost.
        """
        if len(self._open) >= self._most:
            self._tell()
            self._close_idle()
        if len(self._open) >= self._most:
            metrics.CLIENT_CONNECTIONS_CUT.labels("full").inc()
            return False
        self._open[connection] = None
        self._expire_later()
        self._show()
        return True

    def reserve(self, connection: ClientConnection) -> bool:
        """Take one of the places above the bound, likewise; False if there is none."""
        if len(self._above) >= RESERVED_CONNECTIONS:
            return False
        self._above[connection] = None
        self._expire_later()
        return True

    def remove(self, connection: ClientConnection) -> None:
        """Forget a connection; a second time changes nothing."""
        self._above.pop(connection, None)
        self._open.pop(connection, None)
        if len(self._open) < self._most // 2:
            self._told = False
        self._show()

    def _expire_later(self) -> None:
        if not self._is_scheduled:
            self._is_scheduled = True
            asyncio.get_running_loop().call_later(EXPIRY_SECONDS, self._expire)

    def _expire(self) -> None:
        """Close those whose time has come.

        One timer does so for all: one for each, set and cancelled with each request, takes 3
        microseconds of it.
        """
        self._is_scheduled = False
        now = asyncio.get_running_loop().time()
        for connection in (*self._open, *self._above):
            until = connection.idle_until
            if until is not None and until <= now:
                connection.expire()
        if self._open or self._above:
            self._expire_later()

    def _idle(self) -> list[tuple[float, ClientConnection]]:
        return [(until, each) for each in self._open if (until := each.idle_until) is not None]

    def _close_idle(self) -> None:
        """Close those that have been idle for the longest time."""
        count = max(1, self._most // CLOSED_AT_ONCE)
        for _, connection in heapq.nsmallest(count, self._idle(), key=lambda idle: idle[0]):
            connection.close_idle()
            self.remove(connection)
            metrics.CLIENT_CONNECTIONS_CUT.labels("idle").inc()

    def _tell(self) -> None:
        if not self._told:
            self._told = True
            log.warning("connections_full", max_connections=self._most)

    def _show(self) -> None:
        metrics.CLIENT_CONNECTIONS.set(len(self._open))
        metrics.CLIENT_CONNECTIONS_MAX.set(self._most)
