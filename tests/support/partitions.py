"""The tests' database divided into hash partitions, by the very file that an operator applies."""

import asyncio
from pathlib import Path

import asyncpg

from taskapi.database.url import DatabaseUrl
from taskapi.embedded.database import SERVICE_ROLE

PARTITION = Path(__file__).parents[2] / "deploy" / "partitions" / "partition.sql"

PLAN_ONCE = f"""DO $$ BEGIN EXECUTE format(
    'ALTER ROLE {SERVICE_ROLE} IN DATABASE %I SET plan_cache_mode = force_generic_plan',
    current_database()
); END $$"""
"""As the file advises."""

LOCK = 5_904_117_263
"""For the processes of one run, of which the first divides the database that they share."""


def partition(database: DatabaseUrl) -> None:
    """Divide a migrated database, unless it is."""
    asyncio.run(_partition(database))


async def _partition(database: DatabaseUrl) -> None:
    connection = await asyncpg.connect(database.dsn)
    try:
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            kind = "SELECT relkind = 'p' FROM pg_class WHERE oid = 'tasks'::regclass"
            if not await connection.fetchval(kind):
                await connection.execute(PARTITION.read_text())
                await connection.execute(PLAN_ONCE)
    finally:
        await connection.close()
