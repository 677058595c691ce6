"""How Alembic reaches the database: on the service's driver, one migration run at a time."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import asyncpg
from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import SchemaItem

from taskapi.config import DatabaseSettings, SettingsError, load
from taskapi.database.faults import classify_connecting
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import database_in_use
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.migrations.metadata import metadata_for, own_tables

ADVISORY_LOCK = 8_273_645_190
"""Held during a migration. Any number that nothing else in the database uses."""

LOCK_TIMEOUT = "3s"
"""How long a statement of a migration waits for a table. Writes queue behind it meanwhile, so a
long transaction of another program would stop them all if it waited longer."""


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


def only_ours(item: SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    """Whether an object is of our tables. Every other table belongs to other programs."""
    del item
    return kind != "table" or name in own_tables()


def configure(connection: Connection | None = None) -> None:
    """Configure Alembic for a connection or, without one, for printing SQL."""
    context.configure(
        connection=connection,
        dialect_name="postgresql",
        literal_binds=connection is None,
        target_metadata=metadata_for(settings.user_id_type, settings.users_table),
        include_object=only_ours,
        compare_server_default=True,
        user_id_type=settings.user_id_type,
        users_table=settings.users_table,
    )


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction, under a lock that ends with it."""
    configure(connection)
    with context.begin_transaction():
        connection.execute(select(func.pg_advisory_xact_lock(ADVISORY_LOCK)))
        # After the advisory lock, for which a replica may wait as long as another one migrates.
        connection.execute(select(func.set_config("lock_timeout", LOCK_TIMEOUT, True)))  # noqa: FBT003 - PostgreSQL's own: for this transaction
        context.run_migrations()


async def connect(url: DatabaseUrl) -> asyncpg.Connection:
    """Open a connection that works behind a transaction pooler too."""
    try:
        return await asyncpg.connect(
            url.dsn, timeout=settings.database_connect_timeout, statement_cache_size=0
        )
    except Exception as error:
        if classify_connecting(error) is None:
            raise
        reason = str(error) or "no response"
        raise CommandError(f"the database {url} cannot be reached: {reason}") from error


async def migrate_online(url: DatabaseUrl) -> None:
    """Run the migrations on this database."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    except DBAPIError as error:
        # Missing rights, or a users table whose ids are not of USER_ID_TYPE: the server says which.
        reason = error.orig.__cause__ if error.orig is not None else error
        raise CommandError(f"the database {url} refused: {reason}") from error


@contextmanager
def database() -> Iterator[DatabaseUrl]:
    """The caller's database, or that of the settings where `alembic` runs by itself."""
    given: DatabaseUrl | None = context.config.attributes.get("url")
    try:
        with nullcontext(given) if given is not None else database_in_use(settings) as url:
            yield url
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error


if context.is_offline_mode():
    configure()
    with context.begin_transaction():
        context.run_migrations()
else:
    with database() as url:
        asyncio.run(migrate_online(url))
