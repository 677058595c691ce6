"""The sequence of task ids gives out ids that are in use: after logical replication, or a copy."""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from support.people import SECRET, Person, token_for
from support.postgres import Postgres
from support.programs import ADDRESS, READY, Service, started
from support.service import as_service, client_of
from taskapi.database.tables import set_sequence

IDS_BEHIND = re.compile(r'\{.*"event": "ids_behind".*\}')

CREATE = {"title": "Buy milk"}

Write = Callable[[Person], httpx.Response]


@pytest.fixture
def behind(postgres: Postgres) -> Iterator[Callable[[], None]]:
    """Puts the sequence back to its beginning."""

    def put_back() -> None:
        postgres.run("SELECT setval(pg_get_serial_sequence('tasks', 'id'), 1, false)")

    yield put_back
    postgres.run("SELECT setval(pg_get_serial_sequence('tasks', 'id'), max(id)) FROM tasks")


@pytest.fixture
def full(postgres: Postgres, behind: Callable[[], None], alice: Person) -> Person:
    """A user who has the ids that the sequence gives out next, a thousand of them."""
    alice.create()
    insert = """INSERT INTO tasks (id, title, user_id) OVERRIDING SYSTEM VALUE
        SELECT n, 'Copied', $1 FROM generate_series(1, 1100) n ON CONFLICT DO NOTHING"""
    postgres.run(insert, int(alice.id))
    behind()
    return alice


def batch(*, task_key: str | None = None, key: str = "", atomic: bool = True) -> Write:
    operation = {"op": "create", **CREATE} | ({"key": task_key} if task_key else {})
    body = {"operations": [operation], "atomic": atomic}
    return lambda alice: alice.post("/batch", json=body, headers=key_header(key))


def create(key: str = "") -> Write:
    return lambda alice: alice.post(json=CREATE, headers=key_header(key))


def key_header(key: str) -> dict[str, str]:
    return {"Idempotency-Key": key} if key else {}


WRITES = {
    "a create": create(),
    "a create with a key": create("k"),
    "a batch": batch(),
    "a batch with a key": batch(key="b"),
    "a batch that is not atomic": batch(atomic=False),
    "one that is not, with a key": batch(atomic=False, key="c"),
    "a create with a key of its own": batch(task_key="mine"),
}


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())
def test_a_create_whose_id_is_in_use_is_503_after_one_attempt(
    write: Write, full: Person, postgres: Postgres
) -> None:
    """One attempt each: what the sequence gave out is not taken back with the rest."""
    answer = write(full)
    assert (answer.status_code, answer.json()["code"]) == (503, "database_unavailable")
    assert "Retry-After" in answer.headers
    assert postgres.run("SELECT last_value FROM tasks_id_seq")[0]["last_value"] == 1
    assert full.get("/2").status_code == 200, "reads are served"


def test_an_id_whose_task_was_deleted_is_not_used_again_for_a_task_with_a_key(
    postgres: Postgres, behind: Callable[[], None], alice: Person
) -> None:
    """No task is in the way of the id then, only the key of the one that was deleted."""
    created = batch(task_key="a")(alice)
    task_id = created.json()["results"][0]["task"]["id"]
    assert alice.delete(f"/{task_id}").status_code == 204
    postgres.run("SELECT setval(pg_get_serial_sequence('tasks', 'id'), $1::bigint, false)", task_id)
    again = batch(task_key="b")(alice)
    assert (again.status_code, again.json()["code"]) == (503, "database_unavailable")
    postgres.run(set_sequence("tasks"))
    assert batch(task_key="b")(alice).json()["results"][0]["task"]["id"] > task_id


def test_a_sequence_that_is_ahead_does_not_go_back(postgres: Postgres, alice: Person) -> None:
    """Ids of tasks that were deleted long ago are known to nobody else."""
    ahead = alice.create()["id"] + 1000  # type: ignore[operator]  # an int
    postgres.run("SELECT setval('tasks_id_seq', $1::bigint)", ahead)
    postgres.run(set_sequence("tasks"))
    assert alice.create()["id"] > ahead  # type: ignore[operator]  # likewise


def test_the_log_has_the_statement_that_mends_it(
    full: Person, postgres: Postgres, tmp_path: Path
) -> None:
    settings = {
        "DATABASE_URL": as_service(postgres.address).dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "API_HOST": "127.0.0.1",
        "LOG_FORMAT": "json",
    }
    with (
        started("taskapi", "serve", "--port", "0", folder=tmp_path, settings=settings) as service,
        _client(service) as http,
    ):
        alice = Person(full.id, token_for(full.id), http)
        assert alice.post(json=CREATE).status_code == 503
        line = json.loads(service.wait_for(IDS_BEHIND)[0])
        assert (line["level"], line["table"]) == ("error", "tasks")
        counted = 'taskapi_database_faults_total{fault="ids_behind"} 1.0'
        assert counted in http.get("/metrics").text
        postgres.run(line["remedy"])
        assert alice.create()["id"] > 1100  # type: ignore[operator]  # an int


def _client(service: Service) -> httpx.Client:
    address = service.wait_for(ADDRESS)["url"]
    service.wait_for(READY)
    return client_of(address)
