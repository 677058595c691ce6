"""The database is there, and a statement fails for a reason of its own."""

import os
import secrets
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.people import Person
from support.postgres import OURS, Postgres
from support.waiting import PATIENT, eventually

TRIES = 4
"""A first one and three more."""


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_conflict_is_tried_four_times_and_then_503(
    sqlstate: str, postgres: Postgres, alice: Person
) -> None:
    """The sequence counts tries, as what it gave out is not taken back with the rest."""
    task = alice.create("Unchanged")
    with _updates_fail(postgres, sqlstate, times=1000):
        answer = alice.put(f"/{task['id']}", json={"title": "Never"})
        assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
        assert postgres.run("SELECT last_value FROM tries")[0]["last_value"] == TRIES
    assert alice.get(f"/{task['id']}").json() == task


@pytest.mark.parametrize("sqlstate", ["40001", "40P01"])
def test_a_conflict_that_passes_is_not_noticed(
    sqlstate: str, postgres: Postgres, alice: Person
) -> None:
    task = alice.create()
    with _updates_fail(postgres, sqlstate, times=TRIES - 1):
        assert alice.put(f"/{task['id']}", json={"title": "New"}).json()["title"] == "New"


@pytest.mark.parametrize("sqlstate", ["XX000", "58030", "53200", "57014", "0Z001"])
def test_a_write_that_the_server_could_not_do_is_503_and_not_repeated(
    sqlstate: str, postgres: Postgres, alice: Person
) -> None:
    """Broken inside, input and output, memory, cancelled; and one that nobody has heard of."""
    task = alice.create("Unchanged")
    with _updates_fail(postgres, sqlstate, times=1):
        _is_unavailable(alice.put(f"/{task['id']}", json={"title": "Never"}))
    assert alice.get(f"/{task['id']}").json() == task


@contextmanager
def _updates_fail(postgres: Postgres, sqlstate: str, times: int) -> Iterator[None]:
    """The next updates of tasks fail in the way that a server fails them."""
    with postgres.session() as session:
        session.run("CREATE SEQUENCE tries")
        session.run(
            "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$ BEGIN "
            f"IF nextval('tries') <= {times} THEN "
            f"RAISE EXCEPTION 'on purpose' USING ERRCODE = '{sqlstate}'; "
            "END IF; RETURN new; END $$"
        )
        session.run(
            "CREATE TRIGGER fail BEFORE UPDATE ON tasks FOR EACH ROW EXECUTE FUNCTION fail()"
        )
        try:
            yield
        finally:
            session.run("DROP TRIGGER fail ON tasks")
            session.run("DROP FUNCTION fail")
            session.run("DROP SEQUENCE tries")


def test_a_real_serialization_failure_is_not_noticed(postgres: Postgres, alice: Person) -> None:
    """40001: under this isolation, a row that somebody changed meanwhile cannot be changed."""
    task = alice.create()
    with (
        postgres.setting("default_transaction_isolation", "repeatable read"),
        postgres.locked(alice.id) as session,
        ThreadPoolExecutor(1) as threads,
    ):
        answer = _waiting_put(threads, postgres, alice, task["id"])
        session.run("UPDATE tasks SET description = 'mine' WHERE user_id = $1", int(alice.id))
        session.run("COMMIT")
        changed = answer.result().json()
    assert (changed["title"], changed["description"]) == ("Changed", "mine")


def test_a_real_deadlock_is_not_noticed(postgres: Postgres, alice: Person) -> None:
    """40P01: a batch holds one task and waits for another; somebody has it the other way round."""
    first, second = alice.create("First"), alice.create("Second")
    batch = [{"op": "update", "id": task["id"], "title": "Changed"} for task in (first, second)]
    with postgres.session() as session, ThreadPoolExecutor(1) as threads:
        session.run("SET deadlock_timeout = '60s'")  # so that the service is the one to give way
        session.run("BEGIN")
        session.run("SELECT id FROM tasks WHERE id = $1 FOR UPDATE", second["id"])
        answer = threads.submit(alice.post, "/batch", json={"operations": batch})
        eventually(lambda: postgres.waiting() == 1, "the batch waits for the second task")
        session.run("SELECT id FROM tasks WHERE id = $1 FOR UPDATE", first["id"])
        session.run("COMMIT")
        assert answer.result().status_code == 200, answer.result().text
    assert {task["title"] for task in alice.get().json()["tasks"]} == {"Changed"}


def test_a_statement_that_is_cancelled_from_outside_is_503(
    postgres: Postgres, alice: Person
) -> None:
    """57014: what `statement_timeout` and an operator's `pg_cancel_backend` raise."""
    task = alice.create("Unchanged")
    with postgres.locked(alice.id), ThreadPoolExecutor(1) as threads:
        answer = _waiting_put(threads, postgres, alice, task["id"])
        postgres.run(f"SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE {OURS}")  # noqa: S608 - a constant
        _is_unavailable(answer.result())
    assert alice.get(f"/{task['id']}").json() == task


def test_a_lock_that_is_not_to_be_had_is_503(postgres: Postgres, alice: Person) -> None:
    """55P03."""
    task = alice.create("Unchanged")
    with postgres.setting("lock_timeout", "50ms"), postgres.locked(alice.id):
        _is_unavailable(alice.put(f"/{task['id']}", json={"title": "Never"}))
    assert alice.get(f"/{task['id']}").json() == task


def test_a_read_only_server_serves_reads(postgres: Postgres, alice: Person) -> None:
    """25006, as after a failover that left the service with the old primary."""
    task = alice.create()
    with postgres.setting("default_transaction_read_only", "on"):
        _is_unavailable(alice.post(json={"title": "Never"}))
        _is_unavailable(alice.put(f"/{task['id']}", json={"title": "Never"}))
        _is_unavailable(alice.patch(f"/{task['id']}/complete"))
        _is_unavailable(alice.delete(f"/{task['id']}"))
        assert alice.get().json()["tasks"] == [task]
        assert alice.get(f"/{task['id']}").json() == task
    alice.create("Writes are back")


def test_a_full_disk_serves_reads(postgres: Postgres, alice: Person) -> None:
    """53100: a tablespace on a disk of a few megabytes, filled by writes of the service's own."""
    with _small_disk(postgres.directory / "disk") as disk:
        with postgres.session() as session:
            session.run(f"CREATE TABLESPACE small LOCATION '{disk}'")
            session.run("ALTER TABLE tasks SET TABLESPACE small")
        try:
            _fill_up(alice)
            some = alice.get("?limit=1")
            assert some.status_code == 200
            assert alice.get(f"/{some.json()['tasks'][0]['id']}").status_code == 200
            _mount("-o", "remount,size=64m", str(disk))
            alice.create("There is room again")
        finally:
            with postgres.session() as session:
                session.run("ALTER TABLE tasks SET TABLESPACE pg_default")
                session.run("DROP TABLESPACE small")


def _fill_up(person: Person) -> None:
    """Write what cannot be compressed until no more of it is taken."""
    for _ in range(100):
        texts = [secrets.token_hex(2500) for _ in range(100)]
        operations = [{"op": "create", "title": "x", "description": text} for text in texts]
        answer = person.post("/batch", json={"operations": operations})
        if answer.status_code != 200:
            break
    _is_unavailable(answer)
    assert "full" in person.http.get("/metrics").text


@contextmanager
def _small_disk(place: Path) -> Iterator[Path]:
    place.mkdir()
    if os.geteuid() != 0 or not _mount("-t", "tmpfs", "-o", "size=16m", "tmpfs", str(place)):
        pytest.skip("a small disk can only be mounted by root, with the right to mount")
    try:
        owner = (place.parent / "postgres").stat().st_uid
        os.chown(place, owner, -1)
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)  # noqa: S607 - our own mount


def _mount(*arguments: str) -> bool:
    return subprocess.run(["mount", *arguments], check=False, capture_output=True).returncode == 0  # noqa: S607 - our own folder


def _waiting_put(
    threads: ThreadPoolExecutor, postgres: Postgres, person: Person, task_id: object
) -> Future[httpx.Response]:
    answer = threads.submit(person.put, f"/{task_id}", json={"title": "Changed"})
    eventually(lambda: postgres.waiting() == 1, "the statement waits for a lock")
    return answer


def _is_unavailable(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text[:500]
    assert answer.json()["code"] == "database_unavailable"
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("limits", [PATIENT | {"request_timeout": 300.0}], ids=["patient"])
def test_a_search_is_ended_after_two_seconds_in_the_database_too(
    postgres: Postgres, alice: Person
) -> None:
    """One that PostgreSQL would work on for minutes: each letter is compared 500 times."""
    alice.create()
    fill = """INSERT INTO tasks (user_id, title, description)
        SELECT $1, 'a', repeat('a', 5000) FROM generate_series(1, 50000)"""
    postgres.run(fill, int(alice.id))
    answer = alice.get(params={"q": "a" * 499 + "b"})
    assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
    assert answer.headers["Retry-After"] == "1"
    eventually(lambda: postgres.working() == 0, "the server has stopped")
    assert alice.get(params={"limit": 1}).json()["total"] == 50_001
