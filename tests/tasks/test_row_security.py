"""PostgreSQL itself keeps users apart: under its policies, a statement may forget its owner."""
# ruff: noqa: S608 - the statements are put together from constants of this file

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg
import pytest

from support.inner_tests import run_tests
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.plans import PLANS
from support.service import as_service, client_of, prepare, serving, settings_for
from support.unowned import without_owner
from taskapi.database.connection import Connection
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl
from taskapi.idempotency.statements import SWEEP

ISOLATION = Path(__file__).with_name("test_isolation.py")

IDS = {
    "integer": ("1", "2"),
    "text": ("Kx3mQ9vT2bLw", "Kx3mQ9vT2bLx"),
    "uuid": ("0b54c9e5-6f0a-4c0e-9f0e-2d0c8a1b7e63", "0b54c9e5-6f0a-4c0e-9f0e-2d0c8a1b7e64"),
}
"""Alice's and Bob's."""

QUERIES = {"sort=-created_at": 500, "sort=title&q=Task+7": 11, "sort=-updated_at": 500}
"""What each of them lists, and how many of their 500 tasks that are."""


def isolation(*options: str) -> str:
    """Run the test of isolation with a service that forgets its owners; gives its last line."""
    # Without explanations: comparing two lists of other people's tasks, difflib takes minutes.
    done = run_tests("--assert=plain", "-p", "support.unowned", *options, str(ISOLATION))
    return done.stdout.splitlines()[-1]


def test_users_are_isolated_even_if_every_statement_forgets_its_owner() -> None:
    assert re.fullmatch(r"\d{2,} passed in .*", isolation())


def test_without_policies_such_statements_would_show_everything() -> None:
    """So the test above can fail."""
    found = re.fullmatch(r"(\d+) failed, \d+ passed.* in .*", isolation("--without-row-security"))
    assert found is not None
    assert int(found[1]) >= 10


# Each kind of plan


@pytest.fixture(scope="session", params=IDS)  # outside of `people`, so each is filled once
def filled(request: pytest.FixtureRequest, database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database in which Alice and Bob have many tasks each, with ids of each type."""
    with own_database(database) as own:
        prepare(own.address, user_id_type=request.param)
        for person in IDS[request.param]:
            own.run_script(f"INSERT INTO users (id) VALUES ('{person}')")
            own.run_script(
                "INSERT INTO tasks (title, user_id) "
                f"SELECT 'Task ' || n || ' of {person}', '{person}' FROM generate_series(1, 500) n"
            )
        own.run_script("ANALYZE")
        yield own


def id_type_of(own: OwnDatabase) -> str:
    (row,) = own.run("SELECT pg_typeof(user_id)::text FROM tasks LIMIT 1")
    return "integer" if row[0] == "bigint" else str(row[0])


People = tuple[Person, Person]


@contextmanager
def two_people(own: OwnDatabase, plan: dict[str, str]) -> Iterator[People]:
    """Alice and Bob, of a service whose statements are all planned in one way."""
    kind = id_type_of(own)
    old = own.run("SHOW server_version_num")[0][0] < "160000"
    names = {"debug_parallel_query": "force_parallel_mode"} if old else {}
    plan = {names.get(name, name): value for name, value in plan.items()}
    options = " ".join(f"-c {name}={value}" for name, value in plan.items())
    settings = f"{as_service(own.address).dsn}&{urlencode({'options': options}, quote_via=quote)}"
    told = settings_for(DatabaseUrl(settings, pooler=False), user_id_type=kind)
    with serving(told) as address, client_of(address) as http:
        alice, bob = (Person(it, token_for(it), http) for it in IDS[kind])
        yield alice, bob


@pytest.fixture(scope="module", params=PLANS)
def people(request: pytest.FixtureRequest, filled: OwnDatabase) -> Iterator[People]:
    """They, of a service for each kind of plan."""
    with two_people(filled, PLANS[request.param]) as both:
        yield both


@pytest.fixture(params=[False, True], ids=["owned", "unowned"])
def forgetful(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the statements forget their owner."""
    if request.param:
        fetch_row = Connection.fetch_row
        monkeypatch.setattr(
            Connection,
            "fetch_row",
            lambda self, text, arguments: fetch_row(self, without_owner(text), arguments),
        )
    forgets: bool = request.param
    return forgets


@pytest.mark.usefixtures("forgetful")
def test_whatever_the_plan_a_user_finds_all_of_their_tasks_and_no_others(people: People) -> None:
    for person, other in (people, people[::-1]):
        for query, total in QUERIES.items():
            page = person.get(f"?limit=5&{query}").json()
            rest = person.get(f"?limit=5&{query}&cursor={page['next_cursor']}").json()
            assert page["total"] == rest["total"] == total
            shown = [str(task["user_id"]) for task in page["tasks"] + rest["tasks"]]
            assert shown == [person.id] * 10
        assert person.get(f"?q=of+{other.id}").json()["total"] == 0


@pytest.mark.usefixtures("forgetful")
def test_whatever_the_plan_a_write_reaches_ones_own_task_and_no_other(people: People) -> None:
    alice, bob = people
    task = alice.create("Alice's")
    path = f"/{task['id']}"
    for answer in (
        bob.get(path),
        bob.put(path, json={"title": "Bob's"}),
        bob.patch(f"{path}/complete", headers={"Idempotency-Key": str(task["id"])}),
        bob.delete(path),
    ):
        assert answer.status_code == 404
    assert alice.get(path).json() == task
    assert alice.put(path, json={"title": "Mine"}).json()["title"] == "Mine"
    assert alice.delete(path).status_code == 204


# What the service's role may do, whatever a statement says


@pytest.fixture
def as_role(filled: OwnDatabase) -> Callable[..., list[asyncpg.Record]]:
    """Runs a statement as the service's role."""
    return OwnDatabase(as_service(filled.address)).run


def declare(owner: str) -> str:
    """SQL that declares an owner to the statement in which it stands."""
    return f"(SELECT set_config('taskapi.owner', '{owner}', true)) IS NOT NULL"


def test_a_statement_that_declares_nobody_finds_nothing(
    as_role: Callable[..., list[asyncpg.Record]],
) -> None:
    for table in own_tables():
        assert as_role(f"SELECT * FROM {table}") == []
    assert as_role("UPDATE tasks SET title = 'Found' RETURNING id") == []
    assert as_role("DELETE FROM tasks RETURNING id") == []


def test_a_row_for_another_owner_is_refused(
    filled: OwnDatabase, as_role: Callable[..., list[asyncpg.Record]]
) -> None:
    alice, bob = IDS[id_type_of(filled)]
    for write in (
        f"INSERT INTO tasks (title, user_id) SELECT 'Gift', '{bob}' WHERE {declare(alice)}",
        f"UPDATE tasks SET user_id = '{bob}' WHERE {declare(alice)}",
        "INSERT INTO tasks (title, user_id) VALUES ('Gift', NULL)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security policy"):
            as_role(write)


def test_no_condition_of_a_statement_sees_a_row_of_another(
    filled: OwnDatabase, as_role: Callable[..., list[asyncpg.Record]]
) -> None:
    """Neither by an error that quotes the row, nor by a function that does."""
    alice, bob = IDS[id_type_of(filled)]
    leaking = f"SELECT count(*) FROM tasks WHERE {declare(alice)} AND (title LIKE '%of {alice}' OR "
    for condition in ("title::int > 0", "1 / (length(title) - length(title)) > 0"):
        assert as_role(f"{leaking} {condition})")[0][0] == 500
    with pytest.raises(asyncpg.InvalidTextRepresentationError) as seen:
        as_role(f"SELECT count(*) FROM tasks WHERE {declare(alice)} AND title::int > 0")
    assert f"of {alice}" in str(seen.value)
    assert f"of {bob}" not in str(seen.value)


def test_a_refusal_by_a_policy_is_no_500(
    filled: OwnDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No client can cause one. A statement of ours that did would be a fault of the database's."""
    fetch_row = Connection.fetch_row
    nobody = IDS[id_type_of(filled)][0][:-1] + "0"
    undeclared = re.compile(r"set_config\('taskapi.owner', CAST\(\$\d+ AS TEXT\)")
    monkeypatch.setattr(
        Connection,
        "fetch_row",
        lambda self, text, arguments: fetch_row(
            self, undeclared.sub(f"set_config('taskapi.owner', '{nobody}'", text), arguments
        ),
    )
    with two_people(filled, {}) as (alice, _):
        assert alice.get().json()["total"] == 0
        assert alice.post(json={"title": "Buy milk"}).status_code in {404, 503}


def test_a_sweep_sees_what_has_expired_and_nothing_else(
    filled: OwnDatabase, as_role: Callable[..., list[asyncpg.Record]]
) -> None:
    alice, bob = IDS[id_type_of(filled)]
    for key, person, age in (("old", alice, 25), ("older", bob, 48), ("new", bob, 1)):
        filled.run(
            "INSERT INTO kept_answers (user_id, key, request, body, kept_at) "
            f"VALUES ('{person}', '{key}', '', '', now() - interval '{age} hours')"
        )
    sweeping = "(SELECT set_config('taskapi.sweep', 'on', true)) IS NOT NULL"
    seen = as_role(f"SELECT key FROM kept_answers WHERE {sweeping} ORDER BY key")
    assert [row["key"] for row in seen] == ["old", "older"]
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        as_role(f"UPDATE kept_answers SET key = 'kept' WHERE {sweeping}")
    assert as_role(SWEEP.statement.text)[0]["swept"] == 2
    assert [row["key"] for row in filled.run("SELECT key FROM kept_answers")] == ["new"]
    filled.run("DELETE FROM kept_answers")
