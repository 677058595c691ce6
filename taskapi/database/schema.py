"""The schema's revision: which one this code needs, which one a database has, the way there."""

from functools import cache
from pathlib import Path

from sqlalchemy import Text, cast, column, func, select, table

import taskapi
from taskapi.config import DatabaseSettings, UserIdType
from taskapi.database.executor import Executor
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl
from taskapi.errors import SchemaOutdated

MIGRATIONS = Path(taskapi.__file__).parent / "migrations"

# The type of no row at all, as the column has it.
OWNER_TYPE = func.pg_typeof(
    select(column("user_id")).select_from(table("tasks")).limit(Constant(0)).scalar_subquery()
)

STATE = compiled(
    select(
        column("version_num").label("revision"),
        cast(OWNER_TYPE, Text).label("owner_type"),
        func.current_setting(Constant("server_encoding")).label("encoding"),
    ).select_from(table("alembic_version"))
)

OWNER_TYPES: dict[UserIdType, str] = {"integer": "bigint", "text": "text"}


class MigrationError(Exception):
    """The schema was left as it was; the message says why."""


@cache
def revisions() -> tuple[str, ...]:
    """The revisions of this package's migrations, newest first, as their files are numbered."""
    files = (MIGRATIONS / "versions").glob("[0-9]*.py")
    return tuple(sorted((file.stem.partition("_")[0] for file in files), reverse=True))


async def check_schema(database: Executor, user_id_type: UserIdType) -> None:
    """Make sure that the database has at least the schema that this code needs.

    A revision that this package does not know is a newer one: while a fleet is replaced, the old
    code runs on the new schema for a while.

    Raises:
        SchemaOutdated: it has an older one, or none, or one for other settings.
        DatabaseUnavailable: it does not answer.
    """
    row = await database.fetch_row(STATE, {})
    if row is None or row["revision"] in revisions()[1:]:
        raise SchemaOutdated
    if row["owner_type"] != OWNER_TYPES[user_id_type]:
        raise SchemaOutdated(
            f"The column tasks.user_id is {row['owner_type']}, which USER_ID_TYPE={user_id_type} "
            "does not fit: correct the setting."
        )
    if row["encoding"] != "UTF8":
        raise SchemaOutdated(f"The database stores {row['encoding']}; it must store UTF8.")


def migrate(settings: DatabaseSettings, address: DatabaseUrl, revision: str = "head") -> None:
    """Bring the database to a revision; several processes may try at once, and one does it.

    Must be called outside an event loop.

    Raises:
        MigrationError: it could not be done.
    """
    from alembic import command, util  # noqa: PLC0415 - 10 MB that serving does not need
    from alembic.config import Config  # noqa: PLC0415 - likewise

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= {"settings": settings, "address": address}
    try:
        command.upgrade(config, revision)
    except util.CommandError as error:
        raise MigrationError(str(error)) from error
