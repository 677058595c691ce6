"""The feed as server-sent events: what is sent, and what ends a stream."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from support.calls import NO_TASK, assert_refused
from support.feed import (
    Copy,
    changes,
    everything,
    ids,
    listening,
    next_event,
    token_of_now,
    until_end,
    waited,
)
from support.metrics import figures, figures_at_rest, value
from support.people import Person, token_for
from support.postgres import Postgres
from support.prepared import prepared_service
from support.rows import execute
from support.service import client_for, client_of, serving_app, settings_for
from support.waiting import HASTY, HASTY_SECONDS, eventually
from support.wire import connection_to, request
from taskapi.app import create_app
from taskapi.changes import events as stream
from taskapi.changes.feed import ChangeFeed
from taskapi.changes.notifier import MAX_LISTENERS_OF_USER
from taskapi.database.url import DatabaseUrl

ROUTE = "/api/{user_id}/tasks/events"


def count_streams(http: httpx.Client) -> float:
    return value(figures(http), "taskapi_event_streams")


def test_without_a_token_a_stream_begins_now_and_says_where_that_is(alice: Person) -> None:
    alice.create()
    with listening(alice) as events:
        ready = next_event(events, "ready")
        assert json.loads(ready.data) == {"next": ready.id}
        assert changes(alice, ready.id).json()["changes"] == []
        task = alice.create()
        event = next_event(events, "changes")
    assert event.page == changes(alice, ready.id).json()
    assert ids(event.page) == [task["id"]]
    assert event.id == event.page["next"]


def test_a_stream_begins_behind_a_token(alice: Person) -> None:
    since = token_of_now(alice)
    task = alice.create()
    with listening(alice, f"?since={since}") as events:
        assert ids(next_event(events, "changes").page) == [task["id"]]


def test_the_last_event_id_wins(alice: Person) -> None:
    since = token_of_now(alice)
    alice.create()
    last = token_of_now(alice)
    second = alice.create()
    with listening(alice, f"?since={since}", {"Last-Event-ID": last}) as events:
        assert ids(next_event(events, "changes").page) == [second["id"]]
    with listening(alice, f"?since={last}", {"Last-Event-ID": ""}) as events:
        assert ids(next_event(events, "changes").page) == [second["id"]]


@pytest.mark.parametrize("query", ["?since=", "?since"])
def test_an_empty_token_is_none(alice: Person, query: str) -> None:
    alice.create()
    with listening(alice, query, {"Last-Event-ID": ""}) as events:
        ready = next_event(events, "ready")
    assert changes(alice, ready.id).json()["changes"] == []


def test_many_changes_come_as_several_events(database: DatabaseUrl, alice: Person) -> None:
    since = token_of_now(alice)
    bulk = "INSERT INTO tasks (title, user_id) SELECT n, $1 FROM generate_series(1, 1200) n"
    execute(database, bulk, int(alice.id))
    alice.create()
    copy = Copy()
    with listening(alice, f"?since={since}") as events:
        pages = [next_event(events, "changes").page]
        while pages[-1]["has_more"]:
            pages.append(next_event(events, "changes").page)
    for page in pages:
        copy.apply(page)
    assert [len(page["changes"]) for page in pages] == [500, 500, 201]
    assert copy.tasks == everything(alice)


def test_a_stream_has_the_headers_of_one(alice: Person) -> None:
    headers = {"Authorization": f"Bearer {alice.token}"}
    with alice.http.stream("GET", f"{alice.tasks}/events", headers=headers) as response:
        assert response.headers["X-Accel-Buffering"] == "no"
        assert response.headers["Cache-Control"] == "no-store"
        assert "Content-Length" not in response.headers
        assert next(response.iter_lines()) == "retry: 2000"
    assert alice.request("HEAD", "/events").status_code == 200


def test_nobody_hears_of_somebody_else(alice: Person, bob: Person) -> None:
    with listening(alice) as alices, listening(bob) as bobs:
        for events in (alices, bobs):
            next_event(events, "ready")
        alice.create()
        task = bob.create()
        assert ids(next_event(bobs, "changes").page) == [task["id"]]


def test_a_write_by_another_service_is_told_too(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database)) as client, listening(alice) as events:
        next_event(events, "ready")
        task = Person(alice.id, alice.token, client).create()
        assert ids(next_event(events, "changes").page) == [task["id"]]


def test_a_comment_keeps_the_connection_open(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "COMMENT_SECONDS", 0.1)
    with listening(alice) as events:
        next_event(events, "ready")
        assert [next(events).name for _ in range(3)] == ["comment"] * 3


# What ends a stream


def test_a_stream_is_longer_than_the_request_timeout(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database, request_timeout=HASTY_SECONDS)) as client:
        person = Person(alice.id, alice.token, client)
        with listening(person) as events:
            next_event(events, "ready")
            waited = changes(person, token_of_now(person))
            assert waited.status_code == 200
            person.get("/changes", headers={"Prefer": f"wait={2 * HASTY_SECONDS}"})
            task = person.create()
            assert ids(next_event(events, "changes").page) == [task["id"]]


def test_the_expiry_of_its_token_ends_a_stream(alice: Person) -> None:
    alice.token = token_for(alice.id, exp=int(time.time()) + 3)
    with listening(alice) as events:
        ready, expired = until_end(events)
    assert (ready.name, expired.name) == ("ready", "expired")
    assert ready.id is not None
    with listening(alice, headers={"Last-Event-ID": ready.id}) as events:
        assert next(events).name == "retry", "still accepted for a moment, and not ended at once"


def test_a_stream_ends_after_its_time(alice: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "MAX_STREAM_SECONDS", 1)
    with listening(alice) as events:
        [ready] = until_end(events)
    task = alice.create()
    with listening(alice, headers={"Last-Event-ID": str(ready.id)}) as events:
        assert ids(next_event(events, "changes").page) == [task["id"]]


def test_a_stop_ends_streams_in_order(database: DatabaseUrl, alice: Person) -> None:
    app = create_app(settings_for(database))
    with serving_app(app) as url, client_of(url) as client:
        person = Person(alice.id, alice.token, client)
        with listening(person) as events:
            next_event(events, "ready")
            app.drain.begin()
            assert until_end(events) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_streams_and_waits_in_order(tmp_path: Path, number: signal.Signals) -> None:
    with prepared_service(tmp_path) as (service, person), ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(waited, person, token_of_now(person), 30)
        eventually(lambda: value(figures(person.http), "taskapi_waiting_reads") == 1, "it waits")
        with listening(person) as events:
            next_event(events, "ready")
            service.process.send_signal(number)
            assert until_end(events) == []
        assert waiting.result().json()["changes"] == []
        assert service.wait() == 0


def test_a_client_that_leaves_ends_its_stream(alice: Person) -> None:
    figures_at_rest(alice.http)
    with listening(alice) as events:
        next_event(events, "ready")
        assert count_streams(alice.http) == 1
    eventually(lambda: count_streams(alice.http) == 0, "the stream has ended")


def test_a_stream_goes_on_after_an_outage_of_the_database(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream, "RETRY_SECONDS", 0.1)
    app = create_app(settings_for(postgres.address, **HASTY))
    with serving_app(app) as url, client_of(url) as client:
        alice = Person("7", token_for("7"), client)
        with listening(alice) as events:
            next_event(events, "ready")
            postgres.stop()
            faults = "taskapi_database_faults_total"
            before = value(figures(client), faults)
            app.service_state.notifier.wake(7)
            eventually(lambda: value(figures(client), faults) > before, "the stream has read")
            postgres.start()
            task = alice.create()
            assert ids(next_event(events, "changes").page) == [task["id"]]


def test_a_new_life_of_the_account_ends_its_streams_with_410(
    database: DatabaseUrl, alice: Person
) -> None:
    with listening(alice) as events:
        ready = next_event(events, "ready")
        execute(database, "DELETE FROM users WHERE id = $1", int(alice.id))
        alice.create()
        assert until_end(events) == []
    refused = alice.get("/events", headers={"Last-Event-ID": str(ready.id)})
    assert_refused(refused, 410, "resync_required")


def test_a_user_who_does_not_exist_gets_no_stream(strict: httpx.Client, alice: Person) -> None:
    nobody = Person(alice.id, alice.token, strict)
    assert_refused(nobody.get("/events"), 404, "user_not_found")


# How many


def test_a_user_has_ten_streams_and_others_have_theirs(alice: Person, bob: Person) -> None:
    with ExitStack() as open_streams:
        streams = [
            open_streams.enter_context(listening(alice)) for _ in range(MAX_LISTENERS_OF_USER)
        ]
        for events in streams:
            next_event(events, "ready")
        refused = alice.get("/events")
        assert_refused(refused, 429, "too_many_listeners")
        assert refused.headers["Retry-After"]
        with listening(bob) as events:
            next_event(events, "ready")
    eventually(lambda: count_streams(alice.http) == 0, "their places are free")
    with listening(alice) as events:
        next_event(events, "ready")


def test_a_process_has_a_limit_of_streams(
    alice: Person, bob: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures_at_rest(alice.http)
    monkeypatch.setattr(stream.places, "max_per_process", 1)
    with listening(alice) as events:
        next_event(events, "ready")
        refused = bob.get("/events")
        assert_refused(refused, 503, "overloaded")
        assert refused.headers["Retry-After"]


def test_all_streams_of_a_user_hear_of_a_change(alice: Person) -> None:
    with ExitStack() as open_streams:
        streams = [
            open_streams.enter_context(listening(alice)) for _ in range(MAX_LISTENERS_OF_USER)
        ]
        for events in streams:
            next_event(events, "ready")
        task = alice.create()
        for events in streams:
            assert ids(next_event(events, "changes").page) == [task["id"]]


FAT = """INSERT INTO tasks (title, description, user_id)
    SELECT n, repeat(E'\\x01', 5000), $1 FROM generate_series(1, 1500) n"""
"""48 megabytes of changes, because the kernel's buffers hold some, too."""


def test_a_client_that_does_not_read_is_sent_little_and_then_everything(
    database: DatabaseUrl, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    since = token_of_now(alice)
    execute(database, FAT, int(alice.id))
    alice.create()
    reads: list[object] = []
    read = ChangeFeed.read

    def counted(*what: Any) -> Any:
        reads.append(what)
        return read(*what)

    monkeypatch.setattr(ChangeFeed, "read", counted)
    head = request(
        "GET", f"{alice.tasks}/events?since={since}", f"Authorization: Bearer {alice.token}"
    )

    def has_paused() -> bool:
        before = len(reads)
        for _ in range(100):
            assert alice.get(f"/{NO_TASK}").status_code == 404
        return len(reads) == before > 0

    with connection_to(alice.http) as connection:
        connection.sendall(head)
        eventually(has_paused, "it goes on only when the client does")
        assert len(reads) < 64
        received = bytearray()
        while b'"has_more":false' not in received:
            part = connection.recv(2**20)
            assert part, "the stream ended before its end"
            received = received[-100:] + part
    assert len(reads) > 80


def test_a_stream_is_counted_but_not_timed_as_a_request(alice: Person) -> None:
    before = figures_at_rest(alice.http)
    with listening(alice) as events:
        next_event(events, "ready")

    def counted() -> bool:
        after = figures(alice.http)
        name = "taskapi_requests_total"
        return value(after, name, route=ROUTE) - value(before, name, route=ROUTE) == 1

    eventually(counted, "the stream is counted when it has ended")
    assert value(figures(alice.http), "taskapi_request_seconds_count", route=ROUTE) == 0
