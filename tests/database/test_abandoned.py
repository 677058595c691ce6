"""A request that is cancelled: its statement ends, and its connection is free, before it ends."""

import asyncio

import pytest
from sqlalchemy import func, select

from support.postgres import OURS
from support.rows import execute
from taskapi.database.executor import Executor
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl

SLEEP = compiled(select(func.pg_sleep(Constant(600))))

SLEEPING = f"SELECT FROM pg_stat_activity WHERE state = 'active' AND {OURS} AND query LIKE '%600%'"


def test_a_cancelled_request_holds_its_turn_until_its_connection_is_free(
    database: DatabaseUrl,
) -> None:
    """Or a user who gives up statements would have more connections than turns."""

    async def abandon() -> int:
        executor = Executor(database, pool_size=2, connect_timeout=30)
        request = asyncio.create_task(executor.fetch_row(SLEEP, {}))
        while not await asyncio.to_thread(execute, database, SLEEPING):
            assert not request.done()
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
        in_use = executor.pool.in_use
        await executor.close()
        return in_use

    assert asyncio.run(abandon()) == 0
    assert execute(database, SLEEPING) == []
