"""The schema's revision: which one this code needs, which one a database has, the way there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from taskapi.config import DatabaseSettings
from taskapi.database.executor import Executor
from taskapi.database.mismatch import mismatch_with
from taskapi.database.search_path import locations_statement, misplaced, reader, scattered
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import (
    REVISION_PREFIX,
    VERSION_TABLE,
    has_policy,
    own_tables,
    table_oid,
)
from taskapi.database.url import DatabaseUrl
from taskapi.database.users_table import check_owner, owner_columns
from taskapi.errors import SchemaOutdated

MIGRATIONS = Path(taskapi.__file__).parent / "migrations"

OWNER_POLICY = "taskapi_owner"
"""The policy that a migration creates on every table of ours."""


class MigrationError(Exception):
    """The schema was left as it was; the message says why."""


@cache
def state_statement(users_table: str) -> Statement:
    """A statement for everything that `check_schema` looks at."""
    return compiled(
        select(
            column("version_num").label("revision"),
            reader(),
            scattered().label("scattered"),
            *owner_columns(users_table),
            func.current_setting(Constant("server_encoding")).label("encoding"),
            func.array_remove(array([_hidden(name) for name in own_tables()]), null()).label(
                "hidden"
            ),
        ).select_from(table(VERSION_TABLE))
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


@asynccontextmanager
async def checked_executor(settings: DatabaseSettings, url: DatabaseUrl) -> AsyncIterator[Executor]:
    """An executor with one connection, for a command of the operator.

    Raises:
        DatabaseUnavailable: the database does not respond.
        SchemaMismatch: its schema does not fit the settings.
        SchemaOutdated: it has an older schema than this code needs.
    """
    executor = Executor(url, pool_size=1, connect_timeout=settings.database_connect_timeout)
    try:
        await check_schema(executor, settings)
        yield executor
    finally:
        await executor.close()


async def check_schema(database: Executor, settings: DatabaseSettings) -> None:
    """Make sure that the database has at least the schema that this code needs.

    A revision that this package does not know is a newer one: while a fleet is replaced, the old
    code runs on the new schema for a while.

    Raises:
        SchemaMismatch: it has one for another `USER_ID_TYPE` or `USERS_TABLE`, in a schema where
            the role does not look, another encoding than UTF-8, or row security without our
            policies, with which every list would be empty.
        SchemaOutdated: it has an older one, or none.
        DatabaseUnavailable: it does not answer.
    """
    row = await _state(database, settings)
    if row["owner_type"] is None:
        raise SchemaOutdated
    check_owner(row, settings)
    if row["encoding"] != "UTF8":
        raise mismatch_with(
            settings,
            f"The database stores {row['encoding']}",
            "create it anew with ENCODING 'UTF8'",
        )
    if row["revision"] in revisions()[1:]:
        raise SchemaOutdated
    if row["hidden"]:
        raise mismatch_with(
            settings,
            f"Row security hides every row of {', '.join(row['hidden'])}, because the policy "
            f"{OWNER_POLICY} is missing",
            "as the owner of the tables, run 'taskapi grant' with the name of the service's role",
        )


async def _state(database: Executor, settings: DatabaseSettings) -> Any:
    """The row of `state_statement`.

    Raises:
        SchemaMismatch: there is one, where the role does not look.
        SchemaOutdated: there is none.
    """
    try:
        row = await database.fetch_row(state_statement(settings.users_table), {})
    except SchemaOutdated:
        row = None
    if row is not None and not row["scattered"]:
        return row
    raise misplaced(await database.fetch_row(locations_statement(), {})) or SchemaOutdated()


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


def print_sql_of_migrations(
    settings: DatabaseSettings, revision: str, *, down: bool = False
) -> None:
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
