"""`/readyz`: a real question, asked once for all probes, and answered in bounded time."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from support.metrics import figures, figures_at_rest, value
from support.people import Person
from support.service import settings_for
from support.waiting import PATIENCE
from taskapi.config import UserIdType
from taskapi.database.executor import Executor
from taskapi.database.url import DatabaseUrl
from taskapi.errors import DatabaseUnavailable, Overloaded, SchemaOutdated
from taskapi.operations import readiness as module
from taskapi.operations.readiness import Readiness

PROBES = 50


@asynccontextmanager
async def opened(
    address: DatabaseUrl, user_id_type: UserIdType = "integer"
) -> AsyncIterator[tuple[Executor, Readiness]]:
    """A database with a single connection, which a test can take away."""
    database = Executor(address, pool_size=1, connect_timeout=PATIENCE)
    await database.open()
    try:
        yield database, Readiness(database, settings_for(address, user_id_type=user_id_type))
    finally:
        await database.close()


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a test's coroutine, in which an answer counts until the end."""
    monkeypatch.setattr(module, "CACHE_SECONDS", 3600.0)
    return asyncio.run


Run = Callable[[Coroutine[Any, Any, None]], None]


def test_any_number_of_probes_asks_one_question(run: Run, database: DatabaseUrl) -> None:
    async def probe() -> None:
        async with opened(database) as (held, readiness):
            connection = await held.pool.acquire()
            probes = [asyncio.create_task(readiness.check()) for _ in range(PROBES)]
            while not held.pool.waiting:  # noqa: ASYNC110 - which tells nobody
                await asyncio.sleep(0)
            probes[0].cancel()  # who leaves takes the answer from nobody
            assert held.pool.waiting == 1
            held.pool.release(connection)
            await asyncio.gather(*probes[1:])

    run(probe())


def test_an_answer_counts_for_a_moment(run: Run, database: DatabaseUrl) -> None:
    async def probe() -> None:
        async with opened(database) as (held, readiness):
            await readiness.check()
            connection = await held.pool.acquire()
            await readiness.check()  # which could not be asked now
            held.pool.release(connection)

    run(probe())


def test_the_answer_comes_in_bounded_time(
    run: Run, database: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TIMEOUT_SECONDS", 0.01)

    async def probe() -> None:
        async with opened(database) as (held, readiness):
            connection = await held.pool.acquire()
            for _ in range(2):
                with pytest.raises(DatabaseUnavailable):
                    await readiness.check()
            held.pool.release(connection)

    run(probe())


def test_a_refusal_does_not_grow_with_each_probe(run: Run, database: DatabaseUrl) -> None:
    """An exception that is raised again keeps the frames of every time."""

    async def probe() -> None:
        async with opened(database, "text") as (_, readiness):
            depths = []
            for _ in range(3):
                with pytest.raises(SchemaOutdated, match="USER_ID_TYPE=text") as refusal:
                    await readiness.check()
                depths.append(len(refusal.traceback))
            assert depths[1] == depths[2]

    run(probe())


def test_whoever_waited_for_a_connection_is_counted(alice: Person, database: DatabaseUrl) -> None:
    """The service of the tests and this one count in the same process."""
    before = figures_at_rest(alice.http)

    async def wait() -> None:
        impatient = Executor(database, pool_size=1, connect_timeout=1.0)
        await impatient.open()
        connection = await impatient.pool.acquire()
        with pytest.raises(Overloaded):
            await impatient.pool.acquire()
        impatient.pool.release(connection)
        await impatient.close()

    asyncio.run(wait())
    after = figures(alice.http)
    for name, labels in {
        "taskapi_database_no_connection_total": {"reason": "timed_out"},
        "taskapi_database_wait_seconds_count": {},
    }.items():
        assert value(after, name, **labels) == value(before, name, **labels) + 1
