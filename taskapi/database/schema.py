"""The schema's revision: which one this code needs, which one a database has, the way there."""

from functools import cache
from pathlib import Path
from typing import Any

from sqlalchemy import (
    ColumnElement,
    and_,
    case,
    column,
    func,
    not_,
    null,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import array

import taskapi
from taskapi.config import LOCAL_DIRECTORY, DatabaseSettings, UserIdType
from taskapi.database.executor import Executor
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import (
    ATTRIBUTES,
    CLASSES,
    CONSTRAINTS,
    REVISION_PREFIX,
    VERSION_TABLE,
    has_policy,
    own_tables,
    table_oid,
)
from taskapi.database.url import DatabaseUrl
from taskapi.errors import SchemaOutdated

MIGRATIONS = Path(taskapi.__file__).parent / "migrations"

OWNER_TYPES: dict[UserIdType, str] = {"integer": "bigint", "text": "text"}

EMPTY_START = f"or move {LOCAL_DIRECTORY} away, and the next start makes an empty database"
"""The other way out of a mismatch, where the database is the embedded one."""

OWNER_POLICY = "taskapi_owner"
"""The policy that a migration creates on every table of ours."""


class SchemaMismatch(SchemaOutdated):
    """The schema does not fit the settings, and no migration changes that.

    Attributes:
        mismatch: what does not fit.
        remedy: what to do instead of a migration.
    """

    def __init__(self, mismatch: str, remedy: str = "") -> None:
        super().__init__(f"{mismatch}: {remedy}." if remedy else mismatch)
        self.mismatch = mismatch
        self.remedy = remedy


def _mismatch(settings: DatabaseSettings, mismatch: str, remedy: str) -> SchemaMismatch:
    return SchemaMismatch(mismatch, f"{remedy}, {EMPTY_START}" if settings.embedded else remedy)


class MigrationError(Exception):
    """The schema was left as it was; the message says why."""


@cache
def state_statement() -> Statement:
    """A statement for everything that `check_schema` looks at."""
    return compiled(
        select(
            column("version_num").label("revision"),
            *owner_columns(),
            func.current_setting(Constant("server_encoding")).label("encoding"),
            func.array_remove(array([_hidden(name) for name in own_tables()]), null()).label(
                "hidden"
            ),
        ).select_from(table(VERSION_TABLE))
    )


def owner_columns() -> list[ColumnElement[Any]]:
    """What the settings have to fit, from the catalogue; null where there is no table of tasks.

    `owner_type` is the type of `tasks.user_id`, and `users_tables` has the names of the tables that
    it refers to.
    """
    tasks, attribute, constraint = table_oid("tasks"), ATTRIBUTES.c, CONSTRAINTS.c
    owner_type = select(func.format_type(attribute.atttypid, null())).where(
        attribute.attrelid == tasks, attribute.attname == Constant("user_id")
    )
    users = (
        select(func.array_agg(CLASSES.c.relname))
        .join_from(CONSTRAINTS, CLASSES, CLASSES.c.oid == constraint.confrelid)
        .where(constraint.conrelid == tasks, constraint.contype == Constant("f"))
    )
    return [
        owner_type.scalar_subquery().label("owner_type"),
        users.scalar_subquery().label("users_tables"),
    ]


def check_owner(row: Any, settings: DatabaseSettings) -> None:
    """Make sure that the settings fit the table of tasks that is there already.

    Args:
        row: has the columns `owner_columns`.
        settings: name the users table and the type of its ids.

    Raises:
        SchemaMismatch: the tasks have owners of another type, or of another table.
    """
    owner_type, tables = row["owner_type"], row["users_tables"]
    if owner_type is not None and owner_type != OWNER_TYPES[settings.user_id_type]:
        raise _mismatch(
            settings,
            f"USER_ID_TYPE={settings.user_id_type} does not fit the column tasks.user_id, which is "
            f"{owner_type}",
            _remedy(owner_type),
        )
    if tables and settings.users_table not in tables:
        raise _mismatch(
            settings,
            f"USERS_TABLE={settings.users_table} is not the table of the tasks' owners, which is "
            f"{tables[0]}",
            f"set USERS_TABLE={tables[0]}",
        )


def _hidden(name: str) -> ColumnElement[Any]:
    """The name of a table whose rows the role does not see for want of our policy, or null."""
    oid = table_oid(name)
    is_hidden = and_(func.row_security_active(oid), not_(has_policy(oid, OWNER_POLICY)))
    return case((is_hidden, Constant(name)))


@cache
def revisions() -> tuple[str, ...]:
    """The revisions of this package's migrations, newest first, as their files are numbered."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    numbers = (file.stem.partition("_")[0] for file in files)
    return tuple(sorted((f"{REVISION_PREFIX}{number}" for number in numbers), reverse=True))


async def check_schema(database: Executor, settings: DatabaseSettings) -> None:
    """Make sure that the database has at least the schema that this code needs.

    A revision that this package does not know is a newer one: while a fleet is replaced, the old
    code runs on the new schema for a while.

    Raises:
        SchemaMismatch: it has one for another `USER_ID_TYPE` or `USERS_TABLE`, another encoding
            than UTF-8, or row security without our policies, with which every list would be empty.
        SchemaOutdated: it has an older one, or none.
        DatabaseUnavailable: it does not answer.
    """
    row = await database.fetch_row(state_statement(), {})
    if row is None or row["owner_type"] is None:
        raise SchemaOutdated
    check_owner(row, settings)
    if row["encoding"] != "UTF8":
        raise _mismatch(
            settings,
            f"The database stores {row['encoding']}",
            "create it anew with ENCODING 'UTF8'",
        )
    if row["revision"] in revisions()[1:]:
        raise SchemaOutdated
    if row["hidden"]:
        raise _mismatch(
            settings,
            f"Row security hides every row of {', '.join(row['hidden'])}, because the policy "
            f"{OWNER_POLICY} is missing",
            "as the owner of the tables, run 'taskapi grant' with the name of the service's role",
        )


def _remedy(owner_type: str) -> str:
    for setting, column_type in OWNER_TYPES.items():
        if column_type == owner_type:
            return f"set USER_ID_TYPE={setting}"
    return "name a database whose tasks table taskapi's migrations made"


def migrate(
    settings: DatabaseSettings, url: DatabaseUrl, revision: str = "head", *, down: bool = False
) -> str | None:
    """Bring the database to a revision; several processes may try at once, and one does it.

    Must be called outside an event loop.

    Args:
        settings: name the users table, and the type of its ids.
        url: the database, as the owner of the tables.
        revision: to go up to; a database that is beyond it stays as it is.
        down: go down to it instead, which removes what later migrations created.

    Returns:
        The revision before, None for a database without our tables.

    Raises:
        MigrationError: it could not be done.
    """
    return _run_migrations(revision, down=down, settings=settings, url=url)


def sql_of_migrations(settings: DatabaseSettings, revision: str, *, down: bool = False) -> None:
    """Print the statements that `migrate` would run, and reach no database.

    Args:
        settings: as for `migrate`.
        revision: likewise; behind the revision where to begin, if it is not none:
            `taskapi_007:head`.
        down: likewise.

    Raises:
        MigrationError: there is no such revision.
    """
    _run_migrations(revision, down=down, sql=True, settings=settings)


def _run_migrations(
    revision: str, *, down: bool, sql: bool = False, **attributes: object
) -> str | None:
    from alembic import command, util  # noqa: PLC0415 - 10 MB that serving does not need
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= attributes
    try:
        (command.downgrade if down else command.upgrade)(config, revision, sql=sql)
    except util.CommandError as error:
        raise MigrationError(str(error)) from error
    before: str | None = config.attributes.get("revision_before")
    return before
