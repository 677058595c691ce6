"""The database: whether it is reachable, and whether it has what the service needs."""

import socket
from collections.abc import AsyncIterator
from typing import Any

import asyncpg

from taskapi.config import Settings
from taskapi.database.division import is_distributed
from taskapi.database.executor import Executor
from taskapi.database.faults import classify_connecting
from taskapi.database.hosts import Hosts
from taskapi.database.mismatch import SchemaMismatch
from taskapi.database.pooler import Pooler
from taskapi.database.schema import check_schema
from taskapi.database.statement import Statement
from taskapi.database.url import DatabaseUrl
from taskapi.doctor.division import (
    distribution_statement,
    division_finding,
    division_statement,
)
from taskapi.doctor.findings import Finding
from taskapi.doctor.identity import IDENTITY, ROW_SECURITY_ON, identity
from taskapi.doctor.rights import (
    ROLE,
    required_columns,
    rights,
    rights_statement,
    row_security,
    row_security_of_citus,
    row_security_statement,
    run_grant,
    unknown_users,
)
from taskapi.doctor.server import connections, read_pooler, read_server, server_findings
from taskapi.doctor.session import SESSION_SETTINGS, session_settings
from taskapi.doctor.users import beside_statement, second_table
from taskapi.errors import ApiError, SchemaOutdated

UNREACHABLE_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (socket.gaierror, "correct the host name in DATABASE_URL"),
    (
        TimeoutError,
        "open the firewall between this machine and the server, or raise DATABASE_CONNECT_TIMEOUT",
    ),
    (OSError, "start PostgreSQL there, or correct host and port in DATABASE_URL"),
    (
        asyncpg.InvalidAuthorizationSpecificationError,
        "correct user and password in DATABASE_URL, or allow this user in pg_hba.conf",
    ),
    (
        asyncpg.InvalidCatalogNameError,
        "create the database, or correct its name in DATABASE_URL",
    ),
    (
        asyncpg.TooManyConnectionsError,
        "close connections of other programs, or raise max_connections",
    ),
)
"""The first type that fits decides, so subclasses of OSError stand in front of it."""

MIGRATE = (
    "set USER_ID_TYPE and USERS_TABLE to what the auth server's table has, then run "
    "'taskapi migrate' as the owner of the tables"
)
NO_ROLE = "run 'taskapi migrate', which creates the role of the embedded database"


async def examine_database(settings: Settings, url: DatabaseUrl) -> AsyncIterator[Finding]:
    """Examine the database, in the order in which to put it right."""
    subject = f"database at {url}"
    try:
        connection = await Hosts(url).connect(
            settings.database_connect_timeout, statement_cache_size=0
        )
    except Exception as error:
        if classify_connecting(error) is None:
            raise
        yield _unreachable(subject, error, settings)
        return
    try:
        yield Finding(subject, "reachable")
        pooler = await read_pooler(connection)
        # In a transaction, so that a pooler sends all statements to one server.
        async with connection.transaction():
            async for finding in _examine_contents(connection, settings, url, pooler):
                yield finding
    finally:
        await connection.close(timeout=settings.database_connect_timeout)


def _unreachable(subject: str, error: Exception, settings: Settings) -> Finding:
    reason = str(error) or f"no response within {settings.database_connect_timeout:g} s"
    known = (text for kind, text in UNREACHABLE_REMEDIES if isinstance(error, kind))
    remedy = next(known, "correct what that message names")
    if settings.embedded and isinstance(error, asyncpg.InvalidAuthorizationSpecificationError):
        remedy = NO_ROLE
    return Finding(subject, f"unusable: {reason}", good=False, remedy=remedy)


async def _examine_contents(
    connection: asyncpg.Connection, settings: Settings, url: DatabaseUrl, pooler: Pooler | None
) -> AsyncIterator[Finding]:
    server = await read_server(connection, pooler)
    for finding in server_findings(server, url):
        yield finding
    for finding in session_settings(await connection.fetch(SESSION_SETTINGS.text)):
        yield finding
    role: str = await connection.fetchval(ROLE.text)
    divided = await _row(connection, division_statement())
    citus = divided["citus"] and await _row(connection, distribution_statement())
    yield division_finding(divided, citus)
    schema = await _schema(settings, url, role)
    yield schema
    if schema.good:
        granted = rights(await _row(connection, rights_statement(settings)), role)
        yield granted
        if granted.good and not settings.creates_unknown_users:
            row = await _row(connection, beside_statement(settings.users_table))
            if (second := second_table(row, settings.users_table)) is not None:
                yield second
        secured = await _row(connection, row_security_statement(settings))
        yield row_security_of_citus(secured) if is_distributed(citus) else row_security(secured)
        if settings.creates_unknown_users:
            row = await _row(connection, required_columns(settings.users_table))
            yield unknown_users(row["names"], settings.users_table)
        await connection.execute(ROW_SECURITY_ON.text)  # or the next statement may be refused
        yield identity(await _row(connection, IDENTITY), role)
    yield connections(server, settings)


async def _row(connection: asyncpg.Connection, statement: Statement) -> Any:
    return await connection.fetchrow(statement.text)


async def _schema(settings: Settings, url: DatabaseUrl, role: str) -> Finding:
    executor = Executor(url, pool_size=1, connect_timeout=settings.database_connect_timeout)
    await executor.open()
    try:
        await check_schema(executor, settings)
    except SchemaMismatch as error:
        return Finding("schema", error.mismatch, good=False, remedy=error.remedy)
    except SchemaOutdated as error:
        return Finding("schema", error.detail, good=False, remedy=MIGRATE)
    except ApiError as error:
        return Finding("schema", f"unreadable: {error.detail}", good=False, remedy=run_grant(role))
    finally:
        await executor.close()
    return Finding("schema", "current")
