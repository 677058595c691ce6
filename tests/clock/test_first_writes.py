"""Two writes that meet when their user has no clock yet: one starts it, and both are done."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager

import asyncpg
import httpx
import pytest

from support.background import Background
from support.people import Person
from support.postgres import Session
from support.rows import execute, wait_for_waiters
from support.service import client_for, settings_for
from taskapi.database.url import DatabaseUrl

START = """INSERT INTO user_clocks (user_id, started_at, changed_at)
    VALUES ($1, clock_timestamp(), clock_timestamp())"""

Meet = Callable[[Person, Callable[[], httpx.Response]], httpx.Response]


@pytest.fixture
def meet(database: DatabaseUrl, background: Background) -> Meet:
    """Runs a write whose user's clock is started after it has found none."""

    def run(person: Person, write: Callable[[], httpx.Response]) -> httpx.Response:
        with ThreadPoolExecutor(1) as threads, users_locked(database, background) as session:
            response: Future[httpx.Response] = threads.submit(write)
            [holder] = session.run("SELECT pg_backend_pid() AS pid")
            wait_for_waiters(database, holder["pid"])  # it asks why it did nothing
            session.run(START, int(person.id))
            session.run("COMMIT")
            return response.result()

    return run


@contextmanager
def users_locked(database: DatabaseUrl, background: Background) -> Iterator[Session]:
    """Hold the users table, which a write only reads after it has done nothing."""
    connection = background.run(asyncpg.connect(database.dsn))
    with closing(Session(background, connection)) as session:
        session.run("BEGIN")
        session.run("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
        yield session


def stop_clock(database: DatabaseUrl, person: Person) -> None:
    execute(database, "DELETE FROM user_clocks WHERE user_id = $1", int(person.id))


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "once"}], ids=["plain", "keyed"])
def test_a_task_from_before_there_were_clocks_is_changed(
    database: DatabaseUrl, alice: Person, meet: Meet, headers: dict[str, str]
) -> None:
    path = f"/{alice.create()['id']}"
    stop_clock(database, alice)
    change = {"json": {"title": "Buy oat milk"}, "headers": headers}
    response = meet(alice, lambda: alice.patch(path, **change))
    assert (response.status_code, response.json()["title"]) == (200, "Buy oat milk")


def test_it_is_changed_in_the_version_that_the_client_expects(
    database: DatabaseUrl, alice: Person, meet: Meet
) -> None:
    path = f"/{alice.create()['id']}"
    version = {"If-Match": alice.get(path).headers["etag"]}
    stop_clock(database, alice)
    response = meet(alice, lambda: alice.put(path, json={"title": "x"}, headers=version))
    assert response.status_code == 200
    stop_clock(database, alice)
    response = meet(alice, lambda: alice.put(path, json={"title": "y"}, headers=version))
    assert (response.status_code, response.json()["current"]["title"]) == (412, "x")


def test_it_is_deleted(database: DatabaseUrl, alice: Person, meet: Meet) -> None:
    path = f"/{alice.create()['id']}"
    stop_clock(database, alice)
    assert meet(alice, lambda: alice.delete(path)).status_code == 204


@pytest.mark.parametrize("quota", [0, 10], ids=["unlimited", "limited"])
def test_a_task_is_added(database: DatabaseUrl, alice: Person, meet: Meet, quota: int) -> None:
    alice.create()
    stop_clock(database, alice)
    with client_for(settings_for(database, max_tasks_per_user=quota)) as http:
        person = Person(alice.id, alice.token, http)
        response = meet(alice, lambda: person.post(json={"title": "x"}))
    assert response.status_code == 201
    assert alice.get().json()["total"] == 2
