"""To which host of a URL a connection is opened, as libpq's documentation has it (34.1.1.3)."""

import asyncio
import random
import socket
from collections.abc import Iterator
from typing import Any

import asyncpg

from taskapi.database.url import DatabaseUrl
from taskapi.libpq.keepalive import socket_options
from taskapi.libpq.target import Host

NEXT_HOST = (
    OSError,  # refused, no such name, no TLS, and a time-out
    asyncpg.CannotConnectNowError,
    asyncpg.TargetServerAttributeNotMatched,
    asyncpg.ConnectionDoesNotExistError,  # closed by a proxy that has no server
)
"""With which the next host is tried. A wrong password, for example, is final."""

SILENT_SECONDS = 60.0
"""For so long a host that did not respond in time is tried after the others. Otherwise each new
connection would wait for it, as long as it is away."""


class Hosts:
    """Opens connections to the first host of a URL that takes them.

    asyncpg knows several hosts, too, but has one time for all of them: the first that is silent
    uses it up.

    Args:
        url: names the hosts, and what the session must be (`target_session_attrs`).
    """

    def __init__(self, url: DatabaseUrl) -> None:
        self._url = url
        self._silent_until: dict[Host, float] = {}

    async def connect(self, seconds: float, **options: Any) -> asyncpg.Connection:
        """Open a connection.

        Args:
            seconds: for all hosts together; `connect_timeout` of the URL is for each of them.
            options: asyncpg's own. Settings in the URL are stronger than `server_settings` in it.

        Raises:
            UrlError: a file of a certificate cannot be used any more.
            Exception: what asyncpg raises for the last host.
        """
        target = self._url.target
        options |= target.options
        options["server_settings"] = options.get("server_settings", {}) | target.server_settings
        # Zero, or less: no limit to libpq, and so the service's own.
        timeout = max(int(target.parameters.get("connect_timeout", 0)), 0)
        options["timeout"] = timeout or seconds / len(target.hosts)
        error: Exception | None = None
        for host, wanted in self._attempts():
            try:
                return await self._open(host, target_session_attrs=wanted, **options)
            except NEXT_HOST as reason:
                error = reason
        assert error is not None, "a URL names at least one host"  # noqa: S101 - for mypy
        raise error

    def _attempts(self) -> Iterator[tuple[Host, str]]:
        """Host and wanted attribute, in order."""
        parameters = self._url.target.parameters
        hosts = list(self._url.target.hosts)
        if parameters.get("load_balance_hosts") == "random":
            random.shuffle(hosts)
        now = asyncio.get_running_loop().time()
        hosts.sort(key=lambda host: self._silent_until.get(host, 0.0) > now)
        wanted = parameters.get("target_session_attrs", "any")
        for attribute in ("standby", "any") if wanted == "prefer-standby" else (wanted,):
            for host in hosts:
                yield host, attribute

    async def _open(self, host: Host, **options: Any) -> asyncpg.Connection:
        name, port = host
        try:
            connection: asyncpg.Connection = await asyncpg.connect(host=name, port=port, **options)
        except TimeoutError:
            self._silent_until[host] = asyncio.get_running_loop().time() + SILENT_SECONDS
            raise
        _keep_alive(connection, self._url)
        return connection


def _keep_alive(connection: Any, url: DatabaseUrl) -> None:
    line = connection._transport.get_extra_info("socket")  # noqa: SLF001 - asyncpg has no other way
    if line.family != socket.AF_UNIX:
        for option in socket_options(url.target.parameters):
            line.setsockopt(*option)
