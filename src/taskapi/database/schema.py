"""The schema's revision: which one this code needs, which one a database has, the way there."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import column, select, table

import taskapi
from taskapi.config import DatabaseSettings
from taskapi.database.address import Address
from taskapi.database.pool import Database
from taskapi.database.statement import compiled
from taskapi.errors import SchemaOutdated

MIGRATIONS = Path(taskapi.__file__).parent / "migrations"

CURRENT_REVISION = compiled(
    select(column("version_num").label("revision")).select_from(table("alembic_version"))
)


@cache
def _revisions() -> tuple[str, ...]:
    """The revisions of this package's migrations, newest first."""
    scripts = ScriptDirectory(str(MIGRATIONS)).walk_revisions()
    return tuple(script.revision for script in scripts)


async def check_schema(database: Database) -> None:
    """Make sure that the database has at least the schema that this code needs.

    A revision that this package does not know is a newer one: while a fleet is replaced, the old
    code runs on the new schema for a while.

    Raises:
        SchemaOutdated: it has an older one, or none.
        DatabaseUnavailable: it does not answer.
    """
    row = await database.fetch_row(CURRENT_REVISION, {})
    if row is None or row["revision"] in _revisions()[1:]:
        raise SchemaOutdated


def migrate(settings: DatabaseSettings, address: Address, revision: str = "head") -> None:
    """Bring the database to a revision; several processes may try at once, and one does it.

    Must be called outside an event loop.
    """
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes |= {"settings": settings, "address": address}
    command.upgrade(config, revision)
