"""The address of a database: `DATABASE_URL`, or that of the embedded server."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import quote, urlsplit, urlunsplit

from taskapi.libpq.target import DEFAULT_PORT, NO_ENVIRONMENT, Target


@dataclass(frozen=True)
class DatabaseUrl:
    """Where one PostgreSQL database is.

    Attributes:
        dsn: the URL. It may contain the password: never print it.
        pooler: True behind a transaction pooler (PgBouncer, Neon's `-pooler` hosts), where a named
            prepared statement may be lost between two requests; None where only a connection shows.
        environment: the variables that complete the URL.
    """

    dsn: str = field(repr=False)
    pooler: bool | None = None
    environment: Mapping[str, str] = field(default_factory=lambda: NO_ENVIRONMENT, repr=False)

    @classmethod
    def parse(cls, url: str) -> "DatabaseUrl":
        """Read `DATABASE_URL`, which the environment may complete.

        Raises:
            UrlError: it can never work.
        """
        target = Target.of(url, os.environ)
        declared = target.parameters.get("pgbouncer")
        if declared is not None:
            pooler: bool | None = declared.lower() in {"true", "1", "yes"}
        else:
            pooler = any("-pooler." in name for name, _ in target.hosts) or None
        return cls(url, pooler, dict(os.environ))

    @cached_property
    def target(self) -> Target:
        """What the URL means."""
        return Target.of(self.dsn, self.environment)

    def as_role(self, role: str) -> "DatabaseUrl":
        """The same database for another role, which needs no password."""
        parts = urlsplit(self.dsn)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{quote(role, safe='')}@{host}"
        return replace(self, dsn=urlunsplit(parts._replace(netloc=netloc)))

    def __str__(self) -> str:
        """Hosts and database, without user and password, for people."""
        hosts = ",".join(_shown(name, port) for name, port in self.target.hosts)
        return f"{hosts}/{self.target.database}"


def _shown(name: str, port: int) -> str:
    if name.startswith("/"):
        return name
    host = f"[{name}]" if ":" in name else name
    return f"{host}:{port}" if port != DEFAULT_PORT else host
