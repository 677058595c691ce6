"""The database goes away while an import or an export is under way."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from support.calls import assert_refused
from support.files import exported, imported, send, titles
from support.people import Person
from support.postgres import OURS, Postgres, Session, address_through
from support.proxy import FaultProxy
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

FILE = titles(*(f"Task {number}" for number in range(1500)))

END = f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}"  # noqa: S608 - a constant


@pytest.fixture
def database(proxy: FaultProxy) -> DatabaseUrl:
    """By way of a network that can be cut."""
    return address_through(proxy.port)


@contextmanager
def half_written(
    postgres: Postgres, alice: Person, file: bytes = FILE
) -> Iterator[tuple[Future[httpx.Response], Session]]:
    """An import that has begun to write, and waits for a lock of this session."""
    with ThreadPoolExecutor(1) as threads, postgres.session() as session:
        session.run("BEGIN")
        session.run("LOCK TABLE task_keys IN SHARE MODE")  # it may be read, and not written
        answer = threads.submit(send, alice, file)
        wait_for_waiter(postgres)
        yield answer, session


def wait_for_waiter(postgres: Postgres) -> None:
    eventually(lambda: postgres.waiting() == 1, "a statement waits for the lock")


def test_an_import_goes_on_where_its_connection_is_ended_and_makes_nothing_twice(
    postgres: Postgres, alice: Person
) -> None:
    alice.create("Before")
    with half_written(postgres, alice) as (answer, session):
        postgres.run(END)
        wait_for_waiter(postgres)
        session.run("COMMIT")
    assert answer.result().json() == {"created": 1500, "known": 0, "ignored": 0, "dry_run": False}
    assert alice.get("?limit=1").json()["total"] == 1501
    assert imported(alice, FILE) == (0, 1500)


def test_an_import_whose_connection_is_lost_is_made_once(
    postgres: Postgres, alice: Person, proxy: FaultProxy
) -> None:
    """The network drops the server's answer to its write."""
    alice.create("Before")
    with half_written(postgres, alice, titles("One", "Two")) as (answer, session):
        proxy.cuts = 1
        session.run("COMMIT")
    assert answer.result().status_code == 200
    assert [task["title"] for task in exported(alice).tasks] == ["Before", "One", "Two"]


def test_an_import_whose_server_is_killed_is_503_and_nothing_of_it_is_there(
    postgres: Postgres, alice: Person
) -> None:
    alice.create("Before")
    with half_written(postgres, alice) as (answer, _):
        postgres.kill()
    assert_refused(answer.result(), 503, "database_unavailable")
    assert_refused(alice.get("/export?format=jsonl"), 503, "database_unavailable")
    assert_refused(send(alice, FILE, dry_run="true"), 503, "database_unavailable")
    postgres.start()
    eventually(lambda: alice.get().status_code == 200, "it is back")
    assert [task["title"] for task in exported(alice).tasks] == ["Before"]
    assert imported(alice, FILE) == (1500, 0)


def test_an_export_begins_anew_where_its_connection_is_ended(
    postgres: Postgres, alice: Person
) -> None:
    for number in range(3):
        alice.create(f"Task {number}")
    with ThreadPoolExecutor(1) as threads, postgres.session() as session:
        session.run("BEGIN")
        session.run("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        answer = threads.submit(exported, alice)
        wait_for_waiter(postgres)
        postgres.run(END)
        wait_for_waiter(postgres)
        session.run("COMMIT")
        assert len(answer.result().tasks) == 3
