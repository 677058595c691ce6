"""A URL as it is used: the hosts to try, and what each connection gets."""

import getpass
import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from ssl import CERT_REQUIRED
from typing import Any
from urllib.parse import urlencode

from taskapi.libpq.environment import completed
from taskapi.libpq.errors import UrlError
from taskapi.libpq.keepalive import check_socket_options
from taskapi.libpq.parameters import SETTINGS
from taskapi.libpq.tls import WITHOUT_FALLBACK, context_of, mode_of
from taskapi.libpq.uri import parameters_of

DEFAULT_PORT = 5432
SURROGATE = re.compile(r"[\ud800-\udfff]")
"""What Python makes of bytes in the environment that are not UTF-8."""

MAX_PORT = 65535

OF_A_MODE = (
    *("sslcert", "sslkey", "sslpassword"),
    *("ssl_min_protocol_version", "ssl_max_protocol_version"),
)
"""What asyncpg takes only from a URL."""

NO_ENVIRONMENT: Mapping[str, str] = {}

Host = tuple[str, int]
"""A name, an address or the folder of a Unix socket, and a port."""


@dataclass(frozen=True, slots=True)
class Target:
    """What a URL means.

    Attributes:
        hosts: in the order in which to try them; at least one.
        database: the name of the database.
        parameters: by libpq's names, from URL, service and environment.
    """

    hosts: tuple[Host, ...]
    database: str
    parameters: Mapping[str, str]

    @classmethod
    def of(cls, url: str, environment: Mapping[str, str] = NO_ENVIRONMENT) -> "Target":
        """Read a URL.

        Args:
            url: the text.
            environment: variables that complete it, as libpq's documentation names them.

        Raises:
            UrlError: it can never work.
        """
        parameters = completed(parameters_of(url), environment)
        if any(SURROGATE.search(value) for value in parameters.values()):
            raise UrlError("is not in UTF-8")
        user = parameters.get("user") or _system_user()
        parameters["user"] = user
        target = cls(_hosts(parameters), parameters.get("dbname") or user, parameters)
        if mode_of(parameters) != "disable" and not target.is_local:
            context_of(parameters)  # so that what is wrong with a file is known at start
        check_socket_options(parameters)
        return target

    @property
    def is_local(self) -> bool:
        """Whether every host is a Unix socket, for which libpq ignores TLS."""
        return all(name.startswith("/") for name, _ in self.hosts)

    @property
    def is_verified(self) -> bool:
        """Whether TLS shows that the server is the one that was meant, or nobody is in between."""
        mode = mode_of(self.parameters)
        return all(name.startswith("/") or is_this_machine(name) for name, _ in self.hosts) or (
            mode in WITHOUT_FALLBACK and context_of(self.parameters).verify_mode is CERT_REQUIRED
        )

    @property
    def options(self) -> dict[str, Any]:
        """What asyncpg is to get for every host.

        Raises:
            UrlError: a file of a certificate cannot be used any more.
        """
        given = self.parameters
        return {
            "user": given["user"],
            "password": given.get("password"),
            "database": self.database,
            "passfile": given.get("passfile"),
            "krbsrvname": given.get("krbsrvname"),
            "gsslib": given.get("gsslib", "gssapi"),  # or asyncpg reads PGGSSLIB
            **self._tls(),
        }

    def _tls(self) -> dict[str, Any]:
        mode = "disable" if self.is_local else mode_of(self.parameters)
        if mode in WITHOUT_FALLBACK:
            direct = self.parameters.get("sslnegotiation") == "direct"
            return {"ssl": context_of(self.parameters), "direct_tls": direct}
        # Only for a mode, and not for a context, does asyncpg fall back on no TLS, or on TLS.
        files = {name: self.parameters[name] for name in OF_A_MODE if name in self.parameters}
        return {"ssl": mode, "direct_tls": False, "dsn": f"postgresql://?{urlencode(files)}"}

    @property
    def server_settings(self) -> dict[str, str]:
        """The settings with which each session begins."""
        given = self.parameters
        name = given.get("application_name") or given.get("fallback_application_name")
        settings = {key: value for key, value in given.items() if key in SETTINGS or "." in key}
        if options := given.get("options"):
            settings["options"] = options
        return settings | ({"application_name": name} if name else {})


def is_this_machine(host: str) -> bool:
    """Whether it is a name or an address of this machine for itself (RFC 6761, 6.3)."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _system_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        raise UrlError("names no user: write postgresql://user:password@host/database") from None


def _hosts(parameters: Mapping[str, str]) -> tuple[Host, ...]:
    names = parameters.get("host", "")
    addresses = parameters.get("hostaddr")
    if names and addresses:
        raise UrlError("has hostaddr beside host: write one of them, because asyncpg takes no two")
    hosts = (names or addresses or "").split(",")
    if not all(hosts):
        raise UrlError("names no host: write postgresql://user:password@host/database")
    ports = parameters.get("port", "").split(",")
    if len(ports) == 1:
        ports *= len(hosts)
    if len(ports) != len(hosts):
        raise UrlError("names several ports: write one for each host, or one for all")
    return tuple(
        (_name(host), _port(port or str(DEFAULT_PORT)))
        for host, port in zip(hosts, ports, strict=True)
    )


def _name(host: str) -> str:
    if host.startswith("/"):
        return host
    try:
        host.encode("idna")  # as the resolver will
    except UnicodeError:
        host = ""
    if not host or host.startswith("@") or set(host) & set(" /?#[]"):
        raise UrlError("names a host that is not a host name, an IP address or a folder")
    return host


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= MAX_PORT):
        raise UrlError("is not a valid URL: a port is a number up to 65535")
    return int(text)
