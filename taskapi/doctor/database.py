"""The database: whether it can be reached, and whether it is as the service needs it."""

import socket
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import asyncpg
from sqlalchemy import Boolean, Integer, and_, cast, column, func, not_, select, table

from taskapi.auth.claims import LEEWAY
from taskapi.config import Settings
from taskapi.database.connection import BACKEND_PID
from taskapi.database.executor import Executor
from taskapi.database.faults import classify_connecting
from taskapi.database.schema import SchemaMismatch, check_schema
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.findings import Finding
from taskapi.embedded.database import EMPTY_START
from taskapi.errors import ApiError
from taskapi.migrations.metadata import own_tables

OLDEST_SERVER = 14

READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")

REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "correct the host's name in DATABASE_URL"),
    (
        TimeoutError,
        "let this machine through the firewall, or raise DATABASE_CONNECT_TIMEOUT",
    ),
    (OSError, "start PostgreSQL there, or correct host and port in DATABASE_URL"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "correct user and password in DATABASE_URL, or let them in (pg_hba.conf)",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "create the database, or correct its name in DATABASE_URL",
    ),
    (
        asyncpg.TooManyConnectionsError,
        "close connections of others, or raise max_connections",
    ),
)


def _setting(name: str) -> Any:
    return func.current_setting(Constant(name))


def _optional_number(name: str) -> Any:
    """A setting that older servers do not have, as a number."""
    missing_is_null = func.current_setting(Constant(name), func.true_())
    return func.coalesce(cast(missing_is_null, Integer), Constant(0))


databases = table("pg_stat_database", column("numbackends", Integer))

SERVER = compiled(
    select(
        cast(_setting("server_version_num"), Integer).label("version"),
        _setting("server_version").label("version_name"),
        _setting("server_encoding").label("encoding"),
        func.pg_is_in_recovery().label("standby"),
        func.clock_timestamp().label("now"),
        cast(_setting("max_connections"), Integer).label("most"),
        cast(_setting("superuser_reserved_connections"), Integer).label("reserved"),
        select(func.sum(databases.c.numbackends)).scalar_subquery().label("used"),
    )
)


class Server(NamedTuple):
    """What a server says of itself.

    Attributes:
        told: the row of `SERVER`.
        apart: how far its clock is ahead of the one here.
        pooler: whether somebody else greeted us in its place.
    """

    told: Any
    apart: timedelta
    pooler: bool


async def examine_database(settings: Settings, address: DatabaseUrl) -> AsyncIterator[Finding]:
    """Look at the database in the order in which to put it right."""
    subject = f"database at {address}"
    try:
        line = await asyncpg.connect(
            address.dsn, timeout=settings.database_connect_timeout, statement_cache_size=0
        )
    except Exception as error:
        if classify_connecting(error) is None:
            raise
        yield _unreachable(subject, error, settings)
        return
    try:
        yield Finding(subject, "can be reached")
        # A pooler must not change servers between two statements.
        async with line.transaction():
            server = await _ask(line)
            for finding in _server(server, address):
                yield finding
            schema = await _schema(settings, address)
            yield schema
            if schema.good:
                yield _rights(await _row(line, _rights_statement(settings)))
                if settings.creates_unknown_users:
                    found = await _row(line, _required_columns(settings.users_table))
                    yield _unknown_users(found["names"], settings.users_table)
            yield _connections(server, settings)
    finally:
        await line.close(timeout=settings.database_connect_timeout)


async def _row(line: asyncpg.Connection, statement: Statement) -> Any:
    return await line.fetchrow(statement.text)


async def _ask(line: asyncpg.Connection) -> Server:
    pooler = await line.fetchval(BACKEND_PID.text) != line.get_server_pid()
    before = datetime.now(UTC)
    told = await _row(line, SERVER)
    middle = before + (datetime.now(UTC) - before) / 2
    return Server(told, told["now"] - middle, pooler)


def _unreachable(subject: str, error: Exception, settings: Settings) -> Finding:
    reason = str(error) or f"no answer within {settings.database_connect_timeout:g} s"
    known = (text for kind, text in REMEDIES if isinstance(error, kind))
    remedy = next(known, "see to what the server says")
    return Finding(subject, f"cannot be used: {reason}", good=False, remedy=remedy)


def _server(server: Server, address: DatabaseUrl) -> Iterator[Finding]:
    told = server.told
    yield Finding(
        "server's version",
        f"PostgreSQL {told['version_name']}",
        good=told["version"] >= OLDEST_SERVER * 10_000,
        remedy=f"upgrade to PostgreSQL {OLDEST_SERVER} or later",
    )
    yield _pooler(server, address)
    yield Finding(
        "encoding",
        told["encoding"],
        good=told["encoding"] == "UTF8",
        remedy="create the database anew with ENCODING 'UTF8'",
    )
    yield Finding(
        "writing",
        "refused: this is a standby" if told["standby"] else "possible: this is a primary",
        good=not told["standby"],
        remedy="name the primary in DATABASE_URL",
    )
    seconds = server.apart.total_seconds()
    yield Finding(
        "clocks",
        f"{abs(seconds):.1f} s apart, the server's {'ahead' if seconds > 0 else 'behind'}",
        good=abs(seconds) <= LEEWAY,
        remedy="have both machines set their clocks (NTP)",
    )


def _pooler(server: Server, address: DatabaseUrl) -> Finding:
    found = "a transaction pooler" if server.pooler else "the server itself"
    if address.pooler is None:
        return Finding("connected to", f"{found} (found by asking)", good=None)
    said = "a transaction pooler" if address.pooler else "the server itself"
    if address.pooler == server.pooler:
        return Finding("connected to", f"{found} (as the address says)", good=None)
    return Finding(
        "connected to",
        f"{found}, but the address says {said}",
        # Statements are sent whole to a supposed pooler, which any server takes too.
        good=None if address.pooler else False,
        remedy="take pgbouncer=false out of DATABASE_URL",
    )


async def _schema(settings: Settings, address: DatabaseUrl) -> Finding:
    database = Executor(address, pool_size=1, connect_timeout=settings.database_connect_timeout)
    await database.open()
    try:
        await check_schema(database, settings.user_id_type)
    except SchemaMismatch as mismatch:
        remedy = f"{mismatch.remedy}, {EMPTY_START}" if settings.embedded else mismatch.remedy
        return Finding("schema", mismatch.mismatch, good=False, remedy=remedy)
    except ApiError as error:
        return Finding(
            "schema",
            error.detail,
            good=False,
            remedy="run 'taskapi migrate' as the owner of the tables, and see that USER_ID_TYPE "
            "and USERS_TABLE fit the auth server's table",
        )
    finally:
        await database.close()
    return Finding("schema", "current")


def _needed_rights(settings: Settings) -> Iterator[tuple[str, str]]:
    for name in own_tables():
        for right in READ_AND_WRITE:
            yield name, right
    yield settings.users_table, "SELECT"
    if settings.creates_unknown_users:
        yield settings.users_table, "INSERT"
    yield "alembic_version", "SELECT"


def _rights_statement(settings: Settings) -> Statement:
    return compiled(
        select(
            *(
                func.has_table_privilege(_oid(name), Constant(right)).label(f"{right} on {name}")
                for name, right in _needed_rights(settings)
            )
        )
    )


def _oid(name: str) -> Any:
    """The table of this name, which may be a word of SQL (Better Auth's is `user`), or null."""
    return func.to_regclass(func.quote_ident(Constant(name)))


def _rights(row: Any) -> Finding:
    missing = [right for right, given in row.items() if not given]
    if not missing:
        return Finding("rights", "all that are needed")
    return Finding(
        "rights",
        f"missing: {', '.join(missing)}",
        good=False,
        remedy=f"as the owner of the tables: GRANT {missing[0]} TO the user of DATABASE_URL; and "
        "so on",
    )


def _required_columns(users_table: str) -> Statement:
    attributes = table(
        "pg_attribute",
        column("attrelid"),
        column("attname"),
        column("attnum", Integer),
        column("attisdropped", Boolean),
        column("attnotnull", Boolean),
        column("atthasdef", Boolean),
        column("attidentity"),
    )
    own = attributes.c
    wanted = and_(
        own.attrelid == _oid(users_table),
        own.attnum > Constant(0),
        not_(own.attisdropped),
        own.attnotnull,
        not_(own.atthasdef),
        own.attidentity == Constant(""),
        own.attname != Constant("id"),
    )
    return compiled(select(func.array_agg(own.attname).label("names")).where(wanted))


def _unknown_users(names: list[str] | None, users_table: str) -> Finding:
    if not names:
        return Finding("unknown users", "are created: the users table needs no more than an id")
    return Finding(
        "unknown users",
        f"cannot be created: {users_table} wants {', '.join(sorted(names))} too",
        good=False,
        remedy="set CREATE_UNKNOWN_USERS=false: the auth server makes the users of this table",
    )


def _connections(server: Server, settings: Settings) -> Finding:
    told, wanted = server.told, settings.database_pool_size
    free = told["most"] - told["reserved"]
    text = f"{wanted} for this service, of {free} for all; {told['used']} are in use"
    if server.pooler:
        return Finding("connections", f"{text} (the pooler has a bound of its own)", good=None)
    return Finding(
        "connections",
        text,
        good=wanted <= free,
        remedy=f"lower DATABASE_POOL_SIZE to {max(free // 2, 1)}, which leaves room for a second "
        "replica while one replaces the other, or raise max_connections",
    )
