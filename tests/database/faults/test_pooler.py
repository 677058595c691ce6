"""PgBouncer in transaction mode: every statement may meet another connection to the server."""

from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest

from support.background import Background
from support.crowd import everybody_at_once, expected
from support.doctor import examined
from support.feed import changes
from support.files import exported, imported, titles
from support.people import Person, token_for
from support.pgbouncer import POOLED, PgBouncer
from support.postgres import Postgres
from support.programs import run
from support.service import as_service, client_of, serving, settings_for
from support.waiting import HASTY, PATIENT, eventually
from taskapi.database.url import DatabaseUrl

PEOPLE = 100
TURNS = 3


@pytest.fixture
def pgbouncer(postgres: Postgres) -> Iterator[PgBouncer]:
    """A pooler in front of the server."""
    with PgBouncer(postgres) as pgbouncer:
        yield pgbouncer


@pytest.fixture
def database(pgbouncer: PgBouncer) -> DatabaseUrl:
    """The service finds out by itself what it is connected to."""
    return pgbouncer.address()


@pytest.fixture
def limits() -> dict[str, float]:
    """A pooler lets its clients wait for a server that is away."""
    return HASTY


@pytest.mark.parametrize("said", [{}, {"pgbouncer": "true"}], ids=["found out", "told"])
def test_all_operations_of_a_hundred_users_at_once_are_right_through_a_pooler(
    said: dict[str, str], pgbouncer: PgBouncer, background: Background
) -> None:
    """20 connections of the service share 3 of the server; every answer is checked."""
    settings = settings_for(pgbouncer.address(**said), **PATIENT, database_pool_size=20)
    with serving(settings) as service:
        statuses = background.run(everybody_at_once(service, people=PEOPLE, turns=TURNS))
    assert statuses == expected(PEOPLE * TURNS)


@pytest.mark.parametrize(
    ("said", "good", "words"),
    [
        ({}, None, "a transaction pooler (detected)"),
        ({"pgbouncer": "true"}, None, "a transaction pooler (as the URL says)"),
        ({"pgbouncer": "false"}, False, "a transaction pooler, but the URL says the server"),
    ],
    ids=["found out", "told", "told wrong"],
)
def test_the_doctor_works_through_a_pooler_and_says_that_it_is_there(
    said: dict[str, str], good: bool | None, words: str, pgbouncer: PgBouncer
) -> None:
    found = examined(as_service(DatabaseUrl.parse(pgbouncer.address(**said).dsn)))
    pooler = found.pop("connected to")
    assert pooler.good is good
    assert pooler.text.startswith(words)
    assert not [finding for finding in found.values() if finding.good is False]


def test_no_owner_stays_on_a_connection_that_others_get_next(
    pgbouncer: PgBouncer, alice: Person, background: Background
) -> None:
    """Each statement declares its owner until its end, and a transaction until its own."""
    task = alice.create()
    alice.patch(f"/{task['id']}/complete", headers={"Idempotency-Key": "once"})
    alice.post("/batch", json={"operations": [{"op": "create", "title": "Buy bread"}]})
    found = background.run(_declared_on_each(as_service(pgbouncer.address())))
    assert "" in found, "one of them served a statement of the service"
    assert found <= {"", None}


async def _declared_on_each(address: DatabaseUrl) -> set[str | None]:
    """What is declared on each connection of the pooler's to the server."""
    async with AsyncExitStack() as stack:
        found = set()
        for _ in range(POOLED):
            connection = await asyncpg.connect(address.dsn, statement_cache_size=0)
            stack.push_async_callback(connection.close)
            await connection.execute("BEGIN")  # takes a connection to the server for itself
            found.add(await connection.fetchval("SELECT current_setting('taskapi.owner', true)"))
    return found


def test_files_go_out_and_come_in_through_a_pooler(
    pgbouncer: PgBouncer, alice: Person, background: Background
) -> None:
    """Each in one transaction of many statements, of which no setting stays behind."""
    file = titles(*(f"Task {number}" for number in range(1200)))
    assert imported(alice, file, dry_run="true") == (1200, 0)
    assert imported(alice, file) == (1200, 0)
    export = exported(alice)
    assert [task["title"] for task in export.tasks] == [f"Task {number}" for number in range(1200)]
    assert changes(alice, export.token).json()["changes"] == []
    assert imported(alice, alice.get("/export?format=csv").content, format="csv") == (0, 1200)
    address = as_service(pgbouncer.address())
    assert background.run(_shown_on_each(address, "plan_cache_mode")) == {"auto"}
    assert background.run(_shown_on_each(address, "transaction_read_only")) == {"off"}


async def _shown_on_each(address: DatabaseUrl, setting: str) -> set[str]:
    """What a setting is on each connection of the pooler's to the server."""
    async with AsyncExitStack() as stack:
        found = set()
        for _ in range(POOLED):
            connection = await asyncpg.connect(address.dsn, statement_cache_size=0)
            stack.push_async_callback(connection.close)
            await connection.execute("BEGIN")  # takes a connection to the server for itself
            found.add(await connection.fetchval(f"SHOW {setting}"))
    return found


def test_the_schema_is_brought_up_to_date_through_a_pooler(
    pgbouncer: PgBouncer, tmp_path: Path
) -> None:
    """By two programs, one after the other, which meet the same connection of the server."""
    for _ in range(2):
        done = run(
            "taskapi",
            "migrate",
            folder=tmp_path,
            settings={"database_url": pgbouncer.address().dsn},
        )
        assert done.returncode == 0, done.stderr


def test_a_paused_pooler_is_503_until_it_goes_on(pgbouncer: PgBouncer, alice: Person) -> None:
    task = alice.create()
    pgbouncer.pause()
    eventually(lambda: alice.get().status_code == 503, "what needs the database is 503")
    assert alice.put(f"/{task['id']}", json={"title": "Never"}).status_code == 503
    assert alice.http.get("/livez").status_code == 200
    pgbouncer.resume()
    eventually(lambda: alice.get().status_code == 200, "it is back")
    assert alice.get(f"/{task['id']}").json()["title"] == task["title"]


def test_a_killed_pooler_is_503_until_it_is_back(pgbouncer: PgBouncer, alice: Person) -> None:
    alice.create()
    pgbouncer.kill()
    assert alice.get().status_code == 503
    assert alice.post(json={"title": "Never"}).status_code == 503
    pgbouncer.start()
    assert alice.get().json()["total"] == 1


def test_a_server_restarted_behind_its_pooler_is_503_until_it_is_back(
    postgres: Postgres, alice: Person
) -> None:
    """What PgBouncer says meanwhile is 08P01, at connect and to statements."""
    alice.create()
    postgres.stop()
    assert alice.get().status_code == 503
    assert alice.post(json={"title": "Never"}).status_code == 503
    postgres.start()
    eventually(lambda: alice.get().status_code == 200, "it is back")
    assert alice.get().json()["total"] == 1


def test_a_statement_given_up_behind_a_pooler_is_ended_on_the_server(
    postgres: Postgres, alice: Person
) -> None:
    """The request to cancel goes through the pooler too, which knows where the statement runs."""
    task = alice.create("Unchanged")
    with postgres.locked(alice.id):
        assert alice.put(f"/{task['id']}", json={"title": "Late"}).status_code == 503
        eventually(lambda: postgres.waiting() == 0, "the statement was cancelled")
    assert alice.get(f"/{task['id']}").json()["title"] == "Unchanged"


def test_a_pooler_that_is_passed_off_as_a_server_serves_nothing_rather_than_something_wrong(
    pgbouncer: PgBouncer,
) -> None:
    """It refuses the settings that a server takes (08P01)."""
    with (
        serving(settings_for(pgbouncer.address(pgbouncer="false"), **HASTY)) as service,
        client_of(service) as http,
    ):
        assert Person("1", token_for("1"), http).get().status_code == 503


def test_named_statements_would_fail_here(pgbouncer: PgBouncer, background: Background) -> None:
    """Which shows that the tests above could: this is asyncpg as it comes."""

    async def use() -> None:
        lines = [await asyncpg.connect(pgbouncer.address().dsn) for _ in range(3)]
        first, second, third = lines
        try:
            await first.execute("BEGIN")  # takes a connection of the server
            await second.fetch("SELECT 1")  # prepares on another one
            await third.execute("BEGIN")  # takes that one
            await second.fetch("SELECT 1")  # so this executes on a third
        finally:
            for line in lines:
                line.terminate()

    with pytest.raises(asyncpg.InvalidSQLStatementNameError):
        background.run(use())
