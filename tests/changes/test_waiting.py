"""`Prefer: wait`: an answer with nothing new waits for something."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest

from support.calls import assert_refused
from support.feed import changes, ids, token_of_now, waited
from support.metrics import figures, figures_after, figures_at_rest, value
from support.people import Person, token_for
from support.postgres import OURS, Postgres
from support.rows import execute
from support.service import client_for, client_of, serving_app, settings_for
from support.waiting import HASTY_SECONDS, eventually
from support.wire import connected, request
from taskapi.app import create_app
from taskapi.changes import notifier
from taskapi.changes.notifier import MAX_LISTENERS_OF_USER
from taskapi.changes.waiting import MAX_WAIT_SECONDS, places, wait_seconds
from taskapi.database.url import DatabaseUrl

ROUTE = "/api/{user_id}/tasks/changes"


def count_waiting(person: Person) -> float:
    return value(figures(person.http), "taskapi_waiting_reads")


@contextmanager
def somebody_waiting(person: Person, count: int = 1) -> Iterator[list[Future[httpx.Response]]]:
    """So many requests of this person that wait for what has not happened yet."""
    figures_at_rest(person.http)  # otherwise the waits of an earlier test might be counted
    since = token_of_now(person)
    with ThreadPoolExecutor(count) as threads:
        waiting = [threads.submit(waited, person, since, MAX_WAIT_SECONDS) for _ in range(count)]
        eventually(lambda: count_waiting(person) == count, "they wait")
        yield waiting


def test_what_there_is_already_is_not_waited_for(alice: Person) -> None:
    since = token_of_now(alice)
    task = alice.create()
    response = waited(alice, since, 30)
    assert ids(response.json()) == [task["id"]]
    assert response.headers["Preference-Applied"] == "wait=30"


def test_a_write_ends_the_wait_of_its_user_and_of_nobody_else(alice: Person, bob: Person) -> None:
    bobs = token_of_now(bob)
    with somebody_waiting(alice) as [waiting], ThreadPoolExecutor(1) as threads:
        other = threads.submit(waited, bob, bobs, 30)
        eventually(lambda: count_waiting(alice) == 2, "both wait")
        task = alice.create()
        response = waiting.result()
        assert ids(response.json()) == [task["id"]]
        assert count_waiting(alice) == 1
        assert not other.done()
        bob.create()
        assert other.result().status_code == 200
    assert count_waiting(alice) == 0


@pytest.fixture
def deaf(database: DatabaseUrl, alice: Person, monkeypatch: pytest.MonkeyPatch) -> Iterator[Person]:
    """Alice, at a service that never asks the database what others have written."""
    monkeypatch.setattr(notifier.Notifier, "keep_asking", lambda _: asyncio.Event().wait())
    with client_for(settings_for(database)) as client:
        yield Person(alice.id, alice.token, client)


@pytest.mark.parametrize("write", ["batch", "delete", "complete", "create once"])
def test_every_kind_of_write_ends_a_wait_at_the_same_service_at_once(
    deaf: Person, write: str
) -> None:
    alice = deaf
    task = alice.create()
    writes = {
        "batch": lambda: alice.post(
            "/batch", json={"operations": [{"op": "create", "title": "x"}]}
        ),
        "delete": lambda: alice.delete(f"/{task['id']}"),
        "complete": lambda: alice.patch(f"/{task['id']}/complete"),
        "create once": lambda: alice.post(json={"title": "x"}, headers={"Idempotency-Key": "once"}),
    }
    with somebody_waiting(alice) as [waiting]:
        assert writes[write]().is_success
        assert len(waiting.result().json()["changes"]) == 1


def test_a_write_by_another_service_ends_a_wait_too(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database)) as client, somebody_waiting(alice) as [waiting]:
        task = Person(alice.id, alice.token, client).create()
        assert ids(waiting.result().json()) == [task["id"]]


def test_nothing_new_is_an_empty_answer_after_the_wait(alice: Person) -> None:
    since = token_of_now(alice)
    response = waited(alice, since, 1)
    assert response.json() == {"changes": [], "next": since, "has_more": False}
    assert response.headers["Preference-Applied"] == "wait=1"


def test_a_write_that_changes_nothing_does_not_end_a_wait(alice: Person) -> None:
    task = alice.create()
    with somebody_waiting(alice) as [waiting]:
        assert alice.delete("/9223372036854775807").status_code == 404
        assert alice.patch(f"/{task['id']}/complete").status_code == 200
        assert ids(waiting.result().json()) == [task["id"]]


def test_errors_are_not_waited_for(alice: Person, bob: Person) -> None:
    assert_refused(waited(alice, "nonsense", 30), 422, "validation_failed")
    assert_refused(waited(alice, token_of_now(bob), 30), 422, "validation_failed")


def test_a_wait_is_longer_than_the_request_timeout(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database, request_timeout=HASTY_SECONDS)) as client:
        person = Person(alice.id, alice.token, client)
        since = token_of_now(person)
        assert waited(person, since, 2 * HASTY_SECONDS).json()["changes"] == []


def test_waits_hold_no_connection_to_the_database(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database, database_pool_size=1)) as client:
        person = Person(alice.id, alice.token, client)
        with somebody_waiting(person, 5) as waiting:
            task = person.create()
            assert [ids(each.result().json()) for each in waiting] == [[task["id"]]] * 5


def test_a_client_that_leaves_ends_its_wait(alice: Person) -> None:
    since = token_of_now(alice)
    with connected(alice.http) as wire:
        authorization, prefer = f"Authorization: Bearer {alice.token}", "Prefer: wait=30"
        path = f"{alice.tasks}/changes?since={since}"
        figures_at_rest(alice.http)
        wire.send(request("GET", path, authorization, prefer))
        eventually(lambda: count_waiting(alice) == 1, "it waits")
    eventually(lambda: count_waiting(alice) == 0, "nobody waits")


def test_a_wait_ends_with_the_token(alice: Person) -> None:
    since = token_of_now(alice)
    alice.token = token_for(alice.id, exp=int(time.time()) + 3)
    response = waited(alice, since, 30)
    assert (response.status_code, response.json()["changes"]) == (200, [])
    assert response.elapsed.total_seconds() < MAX_WAIT_SECONDS


def test_a_stop_ends_a_wait_with_an_ordinary_answer(database: DatabaseUrl, alice: Person) -> None:
    app = create_app(settings_for(database))
    with serving_app(app) as url, client_of(url) as client:
        person = Person(alice.id, alice.token, client)
        with somebody_waiting(person) as [waiting]:
            app.drain.begin()
            response = waiting.result()
            assert (response.status_code, response.json()["changes"]) == (200, [])
            assert waited(person, response.json()["next"], 30).json()["changes"] == []


def test_a_user_has_ten_waits_and_others_have_theirs(alice: Person, bob: Person) -> None:
    with somebody_waiting(alice, MAX_LISTENERS_OF_USER) as waiting:
        refused = waited(alice, token_of_now(alice), 30)
        assert_refused(refused, 429, "too_many_listeners")
        assert refused.headers["Retry-After"]
        assert changes(alice).status_code == 200
        assert waited(bob, token_of_now(bob), 0).status_code == 200
        alice.create()
        assert {each.result().status_code for each in waiting} == {200}


def test_a_process_has_a_limit_of_waits(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(places, "max_per_process", 1)
    with somebody_waiting(alice) as [waiting]:
        assert_refused(waited(bob, token_of_now(bob), 30), 503, "overloaded")
        alice.create()
        assert waiting.result().status_code == 200


def test_a_wait_is_counted_but_not_timed_as_a_request(alice: Person) -> None:
    since = token_of_now(alice)
    before = figures_at_rest(alice.http)
    waited(alice, since, 0)
    changes(alice, since)
    after = figures_after(alice.http, before, 2)
    for name, count in (("taskapi_requests_total", 2), ("taskapi_request_seconds_count", 1)):
        told = [value(seen, name, method="GET", route=ROUTE) for seen in (before, after)]
        assert told[1] - told[0] == count


def test_the_database_is_asked_only_while_somebody_listens(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that one that nobody uses can be suspended."""
    monkeypatch.setattr(notifier, "ASK_SECONDS", 0.01)
    postgres.terminate_connections()
    last = f"SELECT max(query_start) AS at FROM pg_stat_activity WHERE {OURS}"  # noqa: S608 - a constant
    with client_for(settings_for(postgres.address)) as client:
        alice = Person("7", token_for("7"), client)
        with somebody_waiting(alice) as [waiting]:
            first = postgres.run(last)[0]["at"]
            eventually(lambda: postgres.run(last)[0]["at"] > first, "the database is asked")
            alice.create()
            waiting.result()
        for _ in range(100):  # until the last question has been answered
            client.get("/livez")
        first = postgres.run(last)[0]["at"]
        for _ in range(100):
            client.get("/livez")
        assert postgres.run(last)[0]["at"] == first


@pytest.mark.parametrize(
    ("prefer", "seconds"),
    [
        (None, None),
        ("", None),
        ("wait=5", 5),
        ("respond-async, wait=5", 5),
        ("Wait = 5", 5),
        ('wait="5"', 5),
        ("wait=5; x=y", 5),
        ("wait=5, wait=9", 5),
        ("wait=0", 0),
        ("wait=31", 30),
        ("wait=" + "9" * 5000, 30),
        ("wait=000007", 7),
        ("wait", None),
        ("wait=", None),
        ("wait=-1", None),
        ("wait=1.5", None),
        ("wait=x", None),
        ("wait=\u00b2", None),
        ("awaiting=5", None),
        ("return=minimal", None),
    ],
)
def test_the_preference_is_read_as_the_standard_says(
    prefer: str | None, seconds: int | None
) -> None:
    """RFC 7240: one that cannot be read is ignored, and of several the first one counts."""
    assert wait_seconds(prefer) == seconds


def test_a_user_who_is_deleted_meanwhile_is_not_made_again(
    database: DatabaseUrl, alice: Person
) -> None:
    with somebody_waiting(alice) as [waiting]:
        execute(database, "DELETE FROM users WHERE id = $1", int(alice.id))
        alice.create()
        assert_refused(waiting.result(), 410, "resync_required")
