"""How Alembic reaches the database: on the service's driver, one migration run at a time."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, nullcontext

import asyncpg
from alembic import context
from alembic.util import CommandError
from sqlalchemy import Connection, func, select, true
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import SchemaItem

from taskapi.config import DatabaseSettings, SettingsError, load
from taskapi.database.faults import classify_connecting
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import database_in_use
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.migrations.metadata import metadata_for, own_tables
from taskapi.migrations.online import limit_lock_waits

ADVISORY_LOCK = 8_273_645_190
"""Held during a run. Any number that nothing else in the database uses."""

TRY_LOCK = compiled(select(func.pg_try_advisory_xact_lock(Constant(ADVISORY_LOCK))))
MAY_BE_IDLE = compiled(
    select(func.set_config(Constant("idle_in_transaction_session_timeout"), Constant("0"), true()))
)

LOCK_POLL_SECONDS = 0.1
"""Between two attempts to get that lock."""


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
    """Run the migrations in one transaction, unless one of them ends it (`autocommit_block`)."""
    configure(connection)
    with context.begin_transaction():
        limit_lock_waits(connection)
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


@asynccontextmanager
async def one_run_at_a_time(url: DatabaseUrl) -> AsyncIterator[None]:
    """Hold the advisory lock over a whole run, on a connection of its own.

    On that of the migrations it would end with the transaction in which it was taken, and
    CREATE INDEX CONCURRENTLY needs to be outside any. It belongs to a transaction all the same,
    because behind a transaction pooler nothing else keeps a session.

    CREATE INDEX CONCURRENTLY waits until nobody has an older snapshot, so nobody here may have one:
    the lock is tried again and again, because a statement that waited for it would have one, and
    these two would wait for each other for ever.
    """
    connection = await connect(url)
    try:
        while True:
            # Not as the server's default may be: later levels keep their first snapshot.
            transaction = connection.transaction(isolation="read_committed")
            await transaction.start()
            if await connection.fetchval(TRY_LOCK.text):
                break
            await transaction.rollback()
            await asyncio.sleep(LOCK_POLL_SECONDS)
        # Without arguments, and so by the simple protocol: it ends the statement before, which
        # would keep its snapshot. And a run may take longer than a server lets a transaction idle.
        await connection.execute(MAY_BE_IDLE.text)
        yield
        await transaction.commit()  # an error, if the lock was lost meanwhile
    finally:
        await connection.close()


async def migrate_online(url: DatabaseUrl) -> None:
    """Run the migrations on this database."""
    engine = create_async_engine(
        "postgresql+asyncpg://", async_creator=lambda: connect(url), poolclass=NullPool
    )
    try:
        async with one_run_at_a_time(url), engine.connect() as connection:
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
