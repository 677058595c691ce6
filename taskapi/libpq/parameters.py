"""The parameters: which there are, what their values must be, and what to write instead of others.

PostgreSQL's documentation, 34.1.2 "Parameter Key Words". Each is in one of these tables.
"""

import re
from collections.abc import Mapping

from taskapi.libpq.errors import UrlError
from taskapi.libpq.uri import UNENCODED

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")

TLS_VERSIONS = ("TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3")

FREE = frozenset(
    {
        *("host", "hostaddr", "port", "dbname", "user", "password", "passfile"),
        *("application_name", "fallback_application_name", "options", "service", "servicefile"),
        *("sslcert", "sslkey", "sslpassword", "sslrootcert", "sslcrl", "sslcrldir"),
        "krbsrvname",
    }
)
"""With any value, or one that something else checks."""

NUMBERS = frozenset(
    {
        *("connect_timeout", "tcp_user_timeout"),
        *("keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count"),
    }
)
"""Whole numbers: seconds, `tcp_user_timeout` in milliseconds."""

NUMBER = re.compile(r"-?[0-9]{1,9}")

CHOICES: Mapping[str, tuple[str, ...]] = {
    "sslmode": SSL_MODES,
    "sslnegotiation": ("postgres", "direct"),
    "ssl_min_protocol_version": TLS_VERSIONS,
    "ssl_max_protocol_version": TLS_VERSIONS,
    "target_session_attrs": (
        *("any", "read-write", "read-only", "primary", "standby", "prefer-standby"),
    ),
    "load_balance_hosts": ("disable", "random"),
    "channel_binding": ("disable", "prefer", "require"),
    "client_encoding": ("auto", "UTF8", "UTF-8", "UNICODE"),
    # Of these, asyncpg does what the listed values ask for, and cannot do what others do.
    "gsslib": ("gssapi",),
    "gssencmode": ("disable", "prefer"),
    "gssdelegation": ("0",),
    "sslcertmode": ("disable", "allow"),
    "sslcompression": ("0", "1"),  # without effect in libpq, too
    "sslsni": ("1",),
    "min_protocol_version": ("3.0",),
    "max_protocol_version": ("3.0", "3.2", "latest"),
    # Prisma's, which asks for statements without names.
    "pgbouncer": ("true", "false", "1", "0", "yes", "no"),
}

SETTINGS = frozenset(
    {
        *("search_path", "role", "timezone", "datestyle", "intervalstyle", "work_mem", "jit"),
        *("statement_timeout", "lock_timeout", "transaction_timeout", "idle_session_timeout"),
        *("idle_in_transaction_session_timeout", "plan_cache_mode", "synchronous_commit"),
        *("default_transaction_isolation", "default_transaction_read_only"),
    }
)
"""Settings of the server, which asyncpg takes as parameters though libpq does not. Others are
refused, because a server refuses a connection for one that it does not know. `options` has any."""

ALIASES = {"database": "dbname", "username": "user", "TimeZone": "timezone"}
"""asyncpg's and other programs' names."""

SSL = {"true": "require", "1": "require", "false": "disable", "0": "disable"}
"""What `ssl` means: to libpq, as to JDBC, `true`; to SQLAlchemy, any value of `sslmode`."""

ADVICE = {
    "schema": "write options=-csearch_path%3D and the schema, unless it is public",
    "currentSchema": "write options=-csearch_path%3D and the schema",
    "connection_limit": "set DATABASE_POOL_SIZE",
    "pool_size": "set DATABASE_POOL_SIZE",
    "pool_timeout": "set DATABASE_CONNECT_TIMEOUT",
    "timeout": "write connect_timeout",
    "connectTimeout": "write connect_timeout",
    "loginTimeout": "write connect_timeout",
    "socket_timeout": "set REQUEST_TIMEOUT",
    "socketTimeout": "set REQUEST_TIMEOUT",
    "command_timeout": "set REQUEST_TIMEOUT",
    "tcpKeepAlive": "write keepalives=1",
    "targetServerType": "write target_session_attrs",
    "loadBalanceHosts": "write load_balance_hosts=random",
    "statement_cache_size": "write pgbouncer=true if it is 0",
    "prepared_statement_cache_size": "write pgbouncer=true if it is 0",
    "prepareThreshold": "write pgbouncer=true if it is 0",
    "sslaccept": "write sslmode=verify-full&sslrootcert=system, or sslmode=require",
    "sslidentity": "write sslcert and sslkey",
    "sslnegotiate": "write sslnegotiation",
    "ApplicationName": "write application_name",
    "require_auth": "remove it, because asyncpg answers whatever the server asks for; verify the "
    "server with sslmode=verify-full",
    "requirepeer": "remove it, because asyncpg does not look whose socket it is",
    "replication": "remove it, because it makes another kind of connection",
    "sslkeylogfile": "set the variable SSLKEYLOGFILE",
    "scram_client_key": "write password",
    "scram_server_key": "write password",
}
"""For parameters of other programs, and of libpq, that can have no effect here."""

OF_NO_MEANING = frozenset({"uselibpqcompat"})
"""Of other programs', what changes nothing."""


def checked(found: Mapping[str, str]) -> dict[str, str]:
    """The parameters under libpq's names, each with a value that it may have.

    Raises:
        UrlError: one of them can have no effect here, or has such a value.
    """
    parameters: dict[str, str] = {}
    for name, value in found.items():
        if name == "ssl":
            parameters["sslmode"] = SSL.get(value, value)
        elif name not in OF_NO_MEANING:
            parameters[ALIASES.get(name, name)] = value
    for name in parameters:
        _check_name(name, found)
    return {name: _valid(name, value) for name, value in parameters.items()}


def _check_name(name: str, found: Mapping[str, str]) -> None:
    if name in FREE | NUMBERS | SETTINGS | CHOICES.keys() or "." in name:
        return
    if name in ADVICE:
        raise UrlError(f"has the parameter {name}, which has no effect here: {ADVICE[name]}")
    if any("@" in value for other, value in found.items() if other not in FREE):
        raise UrlError(UNENCODED)  # and the name may be a part of a password with a ? in it
    raise UrlError(
        f"has the parameter {name}, which PostgreSQL's own clients do not know: remove it, or "
        "write options=-c%20name%3Dvalue for a setting of the server"
    )


def _valid(name: str, value: str) -> str:
    """The value, in the case that asyncpg wants."""
    choices = CHOICES.get(name, ())
    for choice in choices:
        if value.lower() == choice.lower():
            return choice
    if choices:
        hint = ". Encryption without verification is sslmode=require" if "verif" in value else ""
        raise UrlError(f"has a wrong value of {name}, which must be {_listed(choices)}{hint}")
    if name in NUMBERS and not NUMBER.fullmatch(value.strip()):
        raise UrlError(f"has a wrong value of {name}, which must be a whole number")
    return value


def _listed(choices: tuple[str, ...]) -> str:
    *first, last = choices
    return f"{', '.join(first)} or {last}" if first else last
