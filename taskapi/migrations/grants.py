"""`taskapi grant`: a role gets the rights that the service needs and no others, and row security.

Everything is done in one transaction, so a running service never lacks a right in between.
"""

from collections.abc import Iterator

from sqlalchemy import Connection
from sqlalchemy.schema import DDLElement

from taskapi.config import DatabaseSettings, UserIdType
from taskapi.database.schema import MigrationError
from taskapi.database.statement import DIALECT
from taskapi.database.tables import VERSION_TABLE, own_tables
from taskapi.database.url import DatabaseUrl
from taskapi.migrations.catalog import (
    Role,
    TableState,
    has_distributed_tables,
    has_rights,
    read_granted_roles,
    read_role,
    read_tables,
)
from taskapi.migrations.connection import run_on
from taskapi.migrations.ddl import CreateRole, Grant, GrantUsage, RevokeAll, RowSecurity
from taskapi.migrations.online import limit_lock_waits
from taskapi.migrations.preflight import refuse_misfit
from taskapi.migrations.rights import READ_AND_WRITE, rights_on_users
from taskapi.migrations.row_security import owner_policy

FIRST_TABLE = "tasks"
"""What stands here for all tables of ours: the first migration makes it, and none removes it."""


class GrantError(Exception):
    """Nothing was granted; the message says why."""


def grant_rights(
    settings: DatabaseSettings,
    url: DatabaseUrl,
    role: str,
    *,
    create_role: bool = False,
    secure: bool = True,
) -> list[str]:
    """Grant a role what the service needs, and revoke the rest. Must be called outside a loop.

    Args:
        settings: name the users table, and whether the service inserts users.
        url: the database, as the owner of the tables.
        role: its name.
        create_role: create the role if it is missing.
        secure: enable row security on every table of ours, too.

    Returns:
        What was done, in lines for people.

    Raises:
        GrantError: nothing was done; the message says why.
    """

    def work(connection: Connection) -> list[str]:
        limit_lock_waits(connection)
        refuse_misfit(connection, settings)
        if create_role and read_role(connection, role) is None:
            connection.execute(CreateRole(role))
        return list(_grant(connection, settings, role, secure=secure))

    try:
        return run_on(url, work, connect_timeout=settings.database_connect_timeout)
    except MigrationError as error:
        raise GrantError(str(error)) from error


def sql_of_grant(settings: DatabaseSettings, role: str) -> str:
    """What `taskapi grant` does to a database as the migrations left it, as a script of SQL."""
    steps: list[DDLElement] = [
        *(step for name in own_tables() for step in _rights_on_own(name, role)),
        *_rights_on_version(role),
        *_rights_on_users(settings, role),
        *(RowSecurity(name, enabled=True) for name in own_tables()),
    ]
    lines = [f"{_sql(step)};" for step in steps]
    return "\n".join(["BEGIN;", *lines, "COMMIT;"])


def repeat_grants(connection: Connection) -> None:
    """After a migration, do for its new tables what `taskapi grant` did for those before.

    It has been run if the first table has row security. Its roles are those that may read and
    write that table.
    """
    nobody = Role(0, bypasses=False)
    tables = read_tables(connection, own_tables(), nobody)
    if not any(table.name == FIRST_TABLE and table.is_secured for table in tables):
        return
    roles = read_granted_roles(connection, FIRST_TABLE, READ_AND_WRITE)
    for table in tables:
        if not table.is_secured:
            for role in roles:
                connection.execute(Grant(READ_AND_WRITE, table.name, role))
            connection.execute(RowSecurity(table.name, enabled=True))


def _grant(
    connection: Connection, settings: DatabaseSettings, name: str, *, secure: bool
) -> Iterator[str]:
    role = _existing_role(connection, name)
    own = read_tables(connection, own_tables(), role)
    version = read_tables(connection, [VERSION_TABLE], role)
    users = read_tables(connection, [settings.users_table], role)
    if not (own and version and users):
        raise GrantError("not all tables are there; run 'taskapi migrate' first")
    _refuse_unfit(name, role, [*own, *version], users[0])
    if not users[0].is_callers:
        _refuse_unreached_users(connection, settings, role, users[0], name)
    yield from _use_schemas(connection, name, [*own, *version, *users])
    for table in own:
        yield _run(connection, table.name, _rights_on_own(table.name, name))
    yield _run(connection, VERSION_TABLE, _rights_on_version(name))
    if users[0].is_callers:
        yield _run(connection, settings.users_table, _rights_on_users(settings, name))
    if has_distributed_tables(connection):
        yield "row security: not enabled, because Citus has the rows (docs/scale.md)"
    elif secure:
        yield _secure(connection, own, settings.user_id_type)


def _existing_role(connection: Connection, name: str) -> Role:
    role = read_role(connection, name)
    if role is not None:
        return role
    create = _sql(CreateRole(name)).partition(" LOGIN")[0]
    raise GrantError(f"there is no role {name}; create it: {create} LOGIN PASSWORD '…'")


def _refuse_unfit(name: str, role: Role, own: list[TableState], users: TableState) -> None:
    for table in own:
        if not table.is_callers:
            raise GrantError(
                f"{table.name} belongs to {table.owner}; connect as that role (DATABASE_URL)"
            )
    if role.bypasses or any(table.is_roles for table in [*own, users]):
        raise GrantError(
            f"nothing can be withheld from {name}, which is a superuser, has BYPASSRLS, or owns a "
            "table; create a role of the service's own"
        )


def _refuse_unreached_users(
    connection: Connection, settings: DatabaseSettings, role: Role, users: TableState, name: str
) -> None:
    """Another role owns the users table: what it has not granted yet, only it can."""
    if users.sees_schema and has_rights(connection, role, rights_on_users(settings)):
        return
    usage = [] if users.sees_schema else [GrantUsage(users.schema, name)]
    steps = "; ".join(map(_sql, [*usage, *_rights_on_users(settings, name)]))
    raise GrantError(f"{users.name} belongs to {users.owner}; first run as it: {steps}")


def _use_schemas(connection: Connection, role: str, tables: list[TableState]) -> Iterator[str]:
    for schema in sorted({table.schema for table in tables if not table.sees_schema}):
        yield _run(connection, f"schema {schema}", [GrantUsage(schema, role)])


def _secure(connection: Connection, own: list[TableState], user_id_type: UserIdType) -> str:
    """Enable row security where it is not, because that waits for all statements on the table."""
    for table in own:
        if not table.has_policy:
            connection.execute(owner_policy(table.name, user_id_type))
        if not table.is_secured:
            connection.execute(RowSecurity(table.name, enabled=True))
    return f"row security: enabled on {', '.join(table.name for table in own)}"


def _rights_on_own(table: str, role: str) -> list[DDLElement]:
    return [RevokeAll(table, role), Grant(READ_AND_WRITE, table, role)]


def _rights_on_version(role: str) -> list[DDLElement]:
    return [RevokeAll(VERSION_TABLE, role), Grant(["SELECT"], VERSION_TABLE, role)]


def _rights_on_users(settings: DatabaseSettings, role: str) -> list[DDLElement]:
    users = settings.users_table
    needed = [right.privilege for right in rights_on_users(settings)]
    return [RevokeAll(users, role), Grant(needed, users, role, columns=["id"])]


def _run(connection: Connection, subject: str, steps: list[DDLElement]) -> str:
    """Run the steps; the last one is what the role has afterwards."""
    for step in steps:
        connection.execute(step)
    return f"{subject}: {_sql(steps[-1])}"


def _sql(step: DDLElement) -> str:
    return str(step.compile(dialect=DIALECT))
