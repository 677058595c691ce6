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
from taskapi.embedded.server import EmbeddedServerError
from taskapi.migrations.metadata import metadata_for, own_tables

ADVISORY_LOCK = 8_273_645_190
"""Held by whoever migrates; any number that nothing else in the database uses."""

LOCK_TIMEOUT = "3s"
"""How long a statement of a migration may wait for a table. Whoever wants to write waits behind it
meanwhile, so it gives up rather than hold everybody up for one long transaction."""


def settings_in_use() -> DatabaseSettings:
    """The caller's settings, or those of the environment where `alembic` was called by hand."""
    given: DatabaseSettings | None = context.config.attributes.get("settings")
    try:
        return given or load(DatabaseSettings)
    except SettingsError as error:
        raise CommandError(f"wrong settings:\n{error}") from None


settings = settings_in_use()

if context.config.config_file_name is not None:  # `alembic …` by hand: say what happens
    logging.basicConfig(format="%(message)s")
    logging.getLogger("alembic.runtime.migration").setLevel(logging.INFO)


def only_ours(item: SchemaItem, name: str | None, kind: str, *_: object) -> bool:
    """The users table is the auth server's, and so is whatever else is in the database."""
    del item
    return kind != "table" or name in own_tables()


def configure(connection: Connection | None = None) -> None:
    """Set the migration context up, for a connection or, without one, for printing SQL."""
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
        # Not before: other replicas that migrate may take their time.
        connection.execute(select(func.set_config("lock_timeout", LOCK_TIMEOUT, True)))  # noqa: FBT003 - PostgreSQL's own: for this transaction
        context.run_migrations()


async def connect(address: DatabaseUrl) -> asyncpg.Connection:
    """Connect to this address, in a way that works behind a transaction pooler too."""
    try:
        return await asyncpg.connect(
            address.dsn, timeout=settings.database_connect_timeout, statement_cache_size=0
        )
    except Exception as error:
        if classify_connecting(error) is None:
            raise
        reason = str(error) or "no answer"
        raise CommandError(f"the database {address} cannot be reached: {reason}") from error


async def migrate_online(address: DatabaseUrl) -> None:
    """Run the migrations on the database at this address."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(address), poolclass=NullPool
    )
    try:
        async with engine.connect() as connection:
            await connection.run_sync(migrate)
            await connection.commit()
    except DBAPIError as error:
        # Missing rights, or a users table whose ids are not of USER_ID_TYPE: the server says which.
        reason = error.orig.__cause__ if error.orig is not None else error
        raise CommandError(f"the database {address} refused: {reason}") from error


@contextmanager
def database() -> Iterator[DatabaseUrl]:
    """The caller's database, or that of the settings where `alembic` was called by hand."""
    given: DatabaseUrl | None = context.config.attributes.get("address")
    try:
        with nullcontext(given) if given is not None else database_in_use(settings) as address:
            yield address
    except EmbeddedServerError as error:
        raise CommandError(str(error)) from error


if context.is_offline_mode():
    configure()
    with context.begin_transaction():
        context.run_migrations()
else:
    with database() as address:
        asyncio.run(migrate_online(address))
