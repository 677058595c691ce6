"""How Alembic reaches the database: on the service's driver, one migration run at a time."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from alembic import context
from alembic.util import CommandError
from sqlalchemy import Column, Connection, Index, inspect
from sqlalchemy.schema import SchemaItem

from taskapi.config import DatabaseSettings, SettingsError, load
from taskapi.database.schema import MigrationError, revisions
from taskapi.database.tables import VERSION_TABLE, own_tables
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import database_in_use
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.migrations.adoption import adopt_revision
from taskapi.migrations.catalog import refuse_misfit
from taskapi.migrations.connection import run_on
from taskapi.migrations.grants import repeat_grants
from taskapi.migrations.metadata import metadata_for
from taskapi.migrations.online import limit_lock_waits


def settings_in_use() -> DatabaseSettings:
    """The caller's settings, or those of the environment where `alembic` runs by itself."""
    given: DatabaseSettings | None = context.config.attributes.get("settings")
    try:
        return given or load(DatabaseSettings)
    except SettingsError as error:
        raise CommandError(f"wrong settings:\n{error}") from None


settings = settings_in_use()

if context.config.config_file_name is not None:  # `alembic …` by itself: print what happens
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)


def is_compared(item: SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    """Whether Alembic compares an object with the models.

    Tables that are not ours belong to other programs. An index of an expression never equals its
    model, because PostgreSQL stores expressions in a spelling of its own.
    """
    if isinstance(item, Index):
        return all(isinstance(each, Column) for each in item.expressions)
    return kind != "table" or name in own_tables()


def configure(connection: Connection | None = None) -> None:
    """Configure Alembic for a connection or, without one, for printing SQL."""
    context.configure(
        connection=connection,
        dialect_name="postgresql",
        literal_binds=connection is None,
        version_table=VERSION_TABLE,
        target_metadata=metadata_for(settings.user_id_type, settings.users_table),
        include_object=is_compared,
        compare_server_default=True,
        user_id_type=settings.user_id_type,
        users_table=settings.users_table,
    )


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, unless one of them ends it (`autocommit_block`)."""
    configure(connection)
    with context.begin_transaction():
        limit_lock_waits(connection)
        refuse_misfit(connection, settings)
        adopt_revision(context.get_context(), context.script)
        before = context.get_context().get_current_revision()
        context.config.attributes["revision_before"] = before
        context.run_migrations()
        repeat_grants(connection)
        check_tables(connection)


def check_tables(connection: Connection) -> None:
    """Make sure that what the newest revision stands for is there.

    Raises:
        MigrationError: another program has dropped some of it, or a restore has left it out.
    """
    if context.get_context().get_current_revision() != revisions()[0]:
        return
    missing = own_tables().keys() - set(inspect(connection).get_table_names())
    if missing:
        raise MigrationError(
            f"the revision is {revisions()[0]}, but there is no {', '.join(sorted(missing))}: "
            f"restore a backup, or drop {VERSION_TABLE} and {', '.join(own_tables())} to begin anew"
        )


@contextmanager
def database() -> Iterator[DatabaseUrl]:
    """The caller's database, or that of the settings where `alembic` runs by itself."""
    given: DatabaseUrl | None = context.config.attributes.get("url")
    if given is not None:
        yield given
        return
    with database_in_use(settings, as_owner=True) as url:
        yield url


if context.is_offline_mode():
    configure()
    with context.begin_transaction():
        context.run_migrations()
else:
    try:
        with database() as url:
            run_on(url, migrate, connect_timeout=settings.database_connect_timeout)
    except (EmbeddedServerError, MigrationError) as error:
        raise CommandError(str(error)) from error
