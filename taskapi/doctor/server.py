"""The PostgreSQL server: version, pooler, encoding, role, clock and connections."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import Integer, cast, column, func, select, table

from taskapi.auth.claims import LEEWAY
from taskapi.config import Settings
from taskapi.database.pooler import Pooler, is_pooled, pooler_at
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.findings import Finding

MIN_VERSION = 14


def _setting(name: str) -> Any:
    return func.current_setting(Constant(name))


databases = table("pg_stat_database", column("numbackends", Integer))

SERVER = compiled(
    select(
        cast(_setting("server_version_num"), Integer).label("version"),
        _setting("server_version").label("version_name"),
        _setting("server_encoding").label("encoding"),
        func.pg_is_in_recovery().label("is_standby"),
        func.clock_timestamp().label("now"),
        cast(_setting("max_connections"), Integer).label("max_connections"),
        cast(_setting("superuser_reserved_connections"), Integer).label("reserved"),
        select(func.sum(databases.c.numbackends)).scalar_subquery().label("used"),
    )
)


class Server(NamedTuple):
    """What was read of a server.

    Attributes:
        row: of the statement `SERVER`.
        clock_offset: by how much its clock is ahead of this machine's.
        pooler: the one in front of it, if there is one.
    """

    row: Any
    clock_offset: timedelta
    pooler: Pooler | None


async def read_pooler(connection: asyncpg.Connection) -> Pooler | None:
    """Find out about a pooler, outside of a transaction."""
    return await pooler_at(connection) if await is_pooled(connection) else None


async def read_server(connection: asyncpg.Connection, pooler: Pooler | None) -> Server:
    """Read what the findings are about."""
    before = datetime.now(UTC)
    row: Any = await connection.fetchrow(SERVER.text)
    middle = before + (datetime.now(UTC) - before) / 2
    return Server(row, row["now"] - middle, pooler)


def server_findings(server: Server, url: DatabaseUrl) -> Iterator[Finding]:
    """Everything about the server except its connections, which matter less than the schema."""
    row = server.row
    yield Finding(
        "server version",
        f"PostgreSQL {row['version_name']}",
        good=row["version"] >= MIN_VERSION * 10_000,
        remedy=f"upgrade to PostgreSQL {MIN_VERSION} or later",
    )
    yield _pooler(server, url)
    if server.pooler is not None:
        yield _prepared_statements(server.pooler)
    yield Finding(
        "encoding",
        row["encoding"],
        good=row["encoding"] == "UTF8",
        remedy="create the database anew with ENCODING 'UTF8'",
    )
    yield Finding(
        "writes",
        "refused: the server is a standby" if row["is_standby"] else "accepted: it is a primary",
        good=not row["is_standby"],
        remedy="name the primary in DATABASE_URL",
    )
    yield _clocks(server.clock_offset.total_seconds())


def _pooler(server: Server, url: DatabaseUrl) -> Finding:
    is_pooled = server.pooler is not None
    detected = "a transaction pooler" if is_pooled else "the server itself"
    declared = "a transaction pooler" if url.pooler else "the server itself"
    if url.pooler is None:
        return Finding("connected to", f"{detected} (detected)", good=None)
    if url.pooler == is_pooled:
        return Finding("connected to", f"{detected} (as the URL says)", good=None)
    return Finding(
        "connected to",
        f"{detected}, but the URL says {declared}",
        # Behind an undeclared pooler, prepared statements get lost. A server takes the statements
        # that are meant for a pooler.
        good=False if is_pooled else None,
        remedy="remove pgbouncer=false from DATABASE_URL",
    )


def _prepared_statements(pooler: Pooler) -> Finding:
    if pooler.keeps_statements:
        return Finding("prepared statements", "kept by the pooler, and planned once")
    return Finding(
        "prepared statements",
        "not kept by the pooler: each is sent whole and planned anew, for two to three times the "
        "server's CPU; PgBouncer keeps them from 1.21 on, with max_prepared_statements = 200",
        good=None,
    )


def _clocks(offset: float) -> Finding:
    return Finding(
        "clocks",
        f"{abs(offset):.1f} s apart, the server's is {'ahead' if offset > 0 else 'behind'}",
        good=abs(offset) <= LEEWAY,
        remedy="synchronize the clocks of both machines (NTP)",
    )


def connections(server: Server, settings: Settings) -> Finding:
    """Whether the server has as many connections as the service may open."""
    row, wanted = server.row, settings.database_pool_size
    limit = row["max_connections"] - row["reserved"]
    text = f"{wanted} for this service; the server allows {limit}, {row['used']} in use"
    if server.pooler is not None:
        return Finding("connections", f"{text}; the pooler has a limit of its own", good=None)
    return Finding(
        "connections",
        text,
        good=wanted <= limit,
        remedy=f"lower DATABASE_POOL_SIZE to {max(limit // 2, 1)}, so that a second replica has "
        "room while it replaces the first, or raise max_connections",
    )
