"""`DATABASE_URL`, in the forms that providers print, as asyncpg takes it."""

from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

# libpq reads these in the client. asyncpg would send them to the server as settings, which refuses
# them. `channel_binding=require`, as Neon prints it, asks for a SCRAM variant that asyncpg lacks:
# TLS (`sslmode`) still applies, the binding does not (SECURITY.md).
CLIENT_ONLY = {
    "channel_binding",
    "connect_timeout",
    "gssencmode",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "pgbouncer",
}


@dataclass(frozen=True, slots=True)
class DatabaseUrl:
    """Where one PostgreSQL database is.

    Attributes:
        dsn: what asyncpg connects to. It contains the password: never print it.
        pooler: True behind a transaction pooler (PgBouncer, Neon's `-pooler` hosts), where a named
            prepared statement may be lost between two requests; None where only a connection shows.
    """

    dsn: str
    pooler: bool | None = None

    @classmethod
    def parse(cls, url: str) -> "DatabaseUrl":
        """Read a connection URL: `postgres://`, `postgresql://` or `postgresql+driver://`."""
        parts = urlsplit(url)
        query = parse_qsl(parts.query, keep_blank_values=True)
        kept = [(name, value) for name, value in query if name not in CLIENT_ONLY]
        dsn = urlunsplit(parts._replace(scheme="postgresql", query=urlencode(kept)))
        declared = dict(query).get("pgbouncer")
        if declared is not None:
            return cls(dsn, pooler=declared.lower() in {"true", "1", "yes"})
        return cls(dsn, pooler=True if "-pooler." in (parts.hostname or "") else None)

    def as_role(self, role: str) -> "DatabaseUrl":
        """The same database for another role, which needs no password."""
        parts = urlsplit(self.dsn)
        host = parts.netloc.rpartition("@")[2]
        netloc = f"{quote(role, safe='')}@{host}"
        return replace(self, dsn=urlunsplit(parts._replace(netloc=netloc)))

    def __str__(self) -> str:
        """The URL without user and password, for people."""
        parts = urlsplit(self.dsn)
        socket = dict(parse_qsl(parts.query)).get("host", "")
        host = parts.netloc.rpartition("@")[2] or socket
        return f"{host}{parts.path}"
