"""A pooler that keeps prepared statements, until it does not any more.

The service finds out by itself. A statement that the pooler lost has not run, so nobody notices.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import asyncpg
import httpx
import pytest
from sqlalchemy import Integer, column, select, table

from support.background import Background
from support.batches import done
from support.crowd import everybody_at_once, expected
from support.doctor import examined
from support.files import exported, imported, titles
from support.keeping_pooler import KeepingPooler
from support.metrics import figures
from support.own_database import OwnDatabase, own_database
from support.people import Person
from support.pgbouncer import POOLED, PgBouncer, keeping
from support.postgres import Postgres
from support.service import as_service, serving, settings_for
from support.waiting import PATIENT
from taskapi.database import connection as connections
from taskapi.database.connection import Connection
from taskapi.database.executor import Executor, Transaction
from taskapi.database.pooler import Pooler
from taskapi.database.statement import compiled
from taskapi.database.url import DatabaseUrl

Keeping = KeepingPooler | PgBouncer

OURS = "name ~ '^[A-Z]+_[0-9]+$'"
"""Those that a pooler named, in `pg_prepared_statements`."""

PROBES = f"SELECT count(*) FROM pg_prepared_statements WHERE {OURS} AND statement LIKE '%strpos%'"  # noqa: S608 - a constant

PLANNED = f"""SELECT coalesce(sum(generic_plans + custom_plans), 0)
    FROM pg_prepared_statements WHERE {OURS} AND statement LIKE '%FROM tasks%'"""  # noqa: S608 - a constant


@pytest.fixture(params=["stand-in", *keeping()])
def pooler(
    request: pytest.FixtureRequest, postgres: Postgres, background: Background, tmp_path: Path
) -> Iterator[Keeping]:
    """A pooler that keeps statements."""
    if request.param == "stand-in":
        target = postgres.sockets / ".s.PGSQL.5432"
        with KeepingPooler(background, target, tmp_path).running() as pooler:
            yield pooler
    else:
        with PgBouncer(postgres, request.param) as pgbouncer:
            pgbouncer.keep(keeps=True)
            yield pgbouncer


@pytest.fixture
def database(pooler: Keeping) -> DatabaseUrl:
    """The service finds out by itself what it is connected to."""
    return pooler.address()


def test_all_operations_of_many_users_at_once_are_right_by_their_statements_names(
    service: str, pooler: Keeping, background: Background
) -> None:
    assert background.run(everybody_at_once(service, people=20, turns=2)) == expected(20 * 2)
    executions = background.run(_on_each_server(pooler, PLANNED))
    assert sum(executions) > 20 * 2, "they ran by their names"
    assert 0 not in executions, "on every connection"
    assert sum(background.run(_on_each_server(pooler, PROBES))) == 1, "one for the whole process"


def test_a_pooler_that_does_not_keep_them_gets_every_statement_whole(
    pooler: Keeping, background: Background
) -> None:
    pooler.keep(keeps=False)
    with serving(settings_for(pooler.address(), **PATIENT)) as service:
        assert background.run(everybody_at_once(service, people=5, turns=1)) == expected(5)
    everything = "SELECT count(*) FROM pg_prepared_statements WHERE name <> ''"
    assert background.run(_on_each_server(pooler, everything)) == [0] * POOLED


async def _on_each_server(pooler: Keeping, question: str) -> list[int]:
    """The answer of each connection to the server that the service shares."""
    address = as_service(pooler.address())
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(POOLED):
            connection = await asyncpg.connect(address.dsn, statement_cache_size=0)
            stack.push_async_callback(connection.close)
            await connection.execute("BEGIN")  # takes a connection to the server for itself
            stack.push_async_callback(connection.execute, "ROLLBACK")
            found.append(int(await connection.fetchval(question)))
    return found


NUMBERS = itertools.count()

NEW = 3
"""Tasks of an import."""


def _update(person: Person) -> None:
    (task,) = person.get().json()["tasks"]
    assert person.put(f"/{task['id']}", json={"title": "Done"}).json()["title"] == "Done"


def _batch(person: Person) -> None:
    (task,) = person.get().json()["tasks"]
    rename = {"op": "update", "id": task["id"], "title": "Done"}
    assert done(person, rename, {"op": "complete", "id": task["id"]})[1]["status"] == 200


def _import(person: Person) -> None:
    file = titles(*(f"Task {next(NUMBERS)}" for _ in range(NEW)))
    assert imported(person, file) == (NEW, 0)


def _export(person: Person) -> None:
    assert len(exported(person).tasks) == len(person.get().json()["tasks"])


@pytest.mark.parametrize("use", [_update, _batch, _import, _export])
def test_a_pooler_that_stops_keeping_statements_is_not_noticed(
    use: Callable[[Person], None], pooler: Keeping, alice: Person
) -> None:
    """Where it is noticed, nothing of the transaction has taken effect, which is repeated whole."""
    alice.create("Before")
    use(alice)  # prepares
    count = alice.get().json()["total"]
    before = _repeated(alice.http)
    pooler.keep(keeps=False)
    use(alice)
    assert _repeated(alice.http) == before + 1, "once, and never again in this process"
    use(alice)
    assert _repeated(alice.http) == before + 1
    assert alice.get().json()["total"] == count + (2 * NEW if use is _import else 0)


def test_a_pooler_that_stops_keeping_statements_while_many_are_at_work_is_not_noticed(
    service: str, pooler: Keeping, background: Background
) -> None:
    async def work() -> None:
        assert await everybody_at_once(service, people=20, turns=1) == expected(20)
        crowd = asyncio.create_task(everybody_at_once(service, people=20, turns=3))
        await asyncio.to_thread(pooler.keep, keeps=False)
        assert not crowd.done()
        assert await crowd == expected(20 * 3)

    background.run(work())


def _repeated(http: httpx.Client) -> float:
    """How often a statement was repeated because the pooler had lost it."""
    series = figures(http)["taskapi_database_retries_total"]
    return series.get(frozenset({("fault", "not_prepared")}), 0)


def test_the_doctor_says_whether_the_pooler_keeps_statements(pooler: Keeping) -> None:
    kept = examined(as_service(pooler.address()))["prepared statements"]
    assert (kept.good, kept.text.partition(" ")[0]) == (True, "kept")
    pooler.keep(keeps=False)
    lost = examined(as_service(pooler.address()))["prepared statements"]
    assert (lost.good, lost.text.partition(" ")[0]) == (None, "not")
    assert "max_prepared_statements" in lost.text


# What the schema does to plans that are kept

things = table("things", column("value", Integer))
VALUE = compiled(select(things.c.value))
"""A column as it is; the service's statements render theirs."""

SEVENS = [7] * (POOLED + 2)
"""What is read: on each connection to the server before the change, and twice after it."""


@pytest.fixture
def own(postgres: Postgres) -> Iterator[OwnDatabase]:
    """A database with a table of one row."""
    with own_database(postgres.address) as own:
        own.run("CREATE TABLE things (value integer NOT NULL)")
        own.run("INSERT INTO things VALUES (7)")
        yield own


def test_a_column_whose_type_changes_under_a_kept_plan_is_not_noticed(
    own: OwnDatabase, pooler: Keeping, background: Background
) -> None:
    """0A000 in a transaction, on each connection where the pooler has prepared it before."""
    assert background.run(_read_around_a_change(_of(own, pooler.address()), own)) == [7] * (
        POOLED + 2
    )


def test_a_column_whose_type_changes_is_not_noticed_without_a_pooler(
    own: OwnDatabase, background: Background
) -> None:
    assert background.run(_read_around_a_change(own.address, own)) == SEVENS


def _of(own: OwnDatabase, server: DatabaseUrl) -> DatabaseUrl:
    return DatabaseUrl(server.dsn.replace("/postgres?", f"/{own.address.target.database}?"))


async def _read_around_a_change(address: DatabaseUrl, own: OwnDatabase) -> list[int]:
    async def read(transaction: Transaction) -> int:
        return int((await transaction.fetch_row(VALUE, {}))[0])

    async with _executor(address) as executor:
        found = [await executor.transact(read) for _ in range(POOLED)]
        await asyncio.to_thread(own.run, "ALTER TABLE things ALTER value TYPE bigint")
        found.append(await executor.transact(read))
        found.append((await executor.fetch_row(VALUE, {}))[0])
    return found


@asynccontextmanager
async def _executor(address: DatabaseUrl) -> AsyncIterator[Executor]:
    executor = Executor(address, pool_size=2, connect_timeout=PATIENT["database_connect_timeout"])
    await executor.open()
    try:
        yield executor
    finally:
        await executor.close()


def test_a_connection_keeps_a_bounded_number_of_statements(
    postgres: Postgres, background: Background, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Straight at a server, which lists the names."""
    monkeypatch.setattr(connections, "MAX_PREPARED", 3)

    async def prepare() -> list[int]:
        raw = await asyncpg.connect(postgres.address.dsn, statement_cache_size=0)
        connection = Connection(raw, Pooler(keeps_statements=True))
        for number in [*range(10), 0]:
            await connection.fetch_row(f"SELECT {number}", [])
        named = await raw.fetch("SELECT statement FROM pg_prepared_statements WHERE name <> ''")
        await raw.close()
        return sorted(int(row[0].removeprefix("SELECT ")) for row in named)

    assert background.run(prepare()) == [0, 8, 9]


def test_a_name_means_one_text_in_every_process() -> None:
    """So a pooler that mixes up its clients' names can run no other statement than this one."""
    one, other = Pooler(keeps_statements=True), Pooler(keeps_statements=True)
    assert one.name_of("SELECT 1") == other.name_of("SELECT 1") != one.name_of("SELECT 2")
