"""Imports beside everything else: other writes of the user, other users, users who leave."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.batches import batch, create, done, idempotent
from support.calls import assert_refused, at_once
from support.feed import Copy, changes, everything, listening, next_event, token_of_now, waited
from support.files import (
    WRONG,
    at,
    exported,
    import_head,
    imported,
    json_lines,
    rows_of,
    send,
    titles,
)
from support.metrics import figures, value
from support.people import Person
from support.rows import execute, held, is_waited_for, wait_for_waiters
from support.service import client_for, settings_for
from support.waiting import eventually
from support.wire import connected
from taskapi.database.url import DatabaseUrl
from taskapi.transfer.schemas import IMPORTED_BYTES_PER_WEIGHT

# --- Together with others ---


def test_imports_and_all_other_writes_of_a_user_lose_nothing(alice: Person) -> None:
    """Creates, batches with keys, and keys of requests, while files come: and no deadlock."""
    files = [titles(*(f"File {each} {number}" for number in range(700))) for each in range(3)]

    def import_all() -> httpx.Response:
        return [send(alice, file) for file in files + files[:1]][-1]

    def create_singly(name: str) -> Callable[[], httpx.Response]:
        def run() -> httpx.Response:
            return [
                alice.post(json={"title": f"{name} {number}"}, **idempotent(f"{name}-{number}"))
                for number in range(10)
            ][-1]

        return run

    def create_in_batches(name: str) -> Callable[[], httpx.Response]:
        def run() -> httpx.Response:
            return [
                batch(
                    alice,
                    *(create(f"{name}-{number}-{each}", f"{name} {each}") for each in range(5)),
                    **idempotent(f"{name}-{number}"),
                )
                for number in range(6)
            ][-1]

        return run

    answers = at_once(
        [
            import_all,
            create_singly("first"),
            create_singly("second"),
            create_in_batches("third"),
            create_in_batches("fourth"),
            create_in_batches("fourth"),  # the same, which takes effect once
        ]
    )
    assert {answer.status_code for answer in answers} <= {200, 201}
    assert answers[0].json() == {"created": 0, "known": 700, "ignored": 0, "dry_run": False}
    tasks = everything(alice)
    assert len(tasks) == 3 * 700 + 2 * 10 + 2 * 6 * 5
    versions = [(task["updated_at"], task["id"]) for task in tasks.values()]
    assert len({version for version, _ in versions}) >= 3 + 20 + 12
    copy = Copy()
    while len(copy.tasks) < len(tasks):
        copy.apply(changes(alice, copy.since, limit=1000).json())
    assert copy.tasks == tasks


def test_the_feed_whoever_waits_and_event_streams_get_what_was_imported(alice: Person) -> None:
    alice.create()
    since = token_of_now(alice)
    with listening(alice) as events, ThreadPoolExecutor(1) as threads:
        next_event(events, "ready")
        waiting = threads.submit(waited, alice, since, 30)
        eventually(lambda: value(figures(alice.http), "taskapi_waiting_reads") == 1, "one waits")
        imported(alice, titles("One", "Two"))
        pages = [
            waiting.result().json(),
            next_event(events, "changes").page,
            changes(alice, since).json(),
        ]
    for page in pages:
        assert [change["task"]["title"] for change in page["changes"]] == ["One", "Two"]


def test_a_list_has_another_version_exactly_when_something_was_imported(alice: Person) -> None:
    alice.create()
    tag = alice.get().headers["ETag"]
    for file, status in (
        (titles("One"), 200),
        (titles("One"), 304),
        (titles("Two") + WRONG, 304),
        (titles("One", "Two"), 200),
    ):
        send(alice, file)
        send(alice, file + titles("Three"), dry_run="true")
        assert alice.get(headers={"If-None-Match": tag}).status_code == status
        tag = alice.get().headers["ETag"]


def test_keys_of_clients_and_of_imports_do_not_meet(alice: Person) -> None:
    """Whatever key a client gives a task, a file brings its own."""
    imported(alice, titles("One"))
    (change,) = changes(alice).json()["changes"]
    (result,) = done(alice, create("import-1", "A client's"))
    imported(alice, json_lines([{"title": "Another", "id": "import-1"}, {"title": "x", "id": 1}]))
    assert alice.get().json()["total"] == 4
    assert change["key"] != "import-1"
    assert result["task"]["title"] == "A client's"


# --- Shares ---


RATE = 20


@pytest.fixture(scope="module")
def rated(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with a small rate, where a user has one turn."""
    with client_for(settings_for(database, user_rate=RATE, user_concurrency=1)) as client:
        yield client


def weighing(weight: int) -> bytes:
    """A file of this weight."""
    line = json_lines([{"title": "One", "description": "x" * 1000}])
    return line * (weight * IMPORTED_BYTES_PER_WEIGHT // len(line) + 1)


def in_parts(file: bytes) -> Iterator[bytes]:
    """The file, sent without its length."""
    for start in range(0, len(file), 1000):
        yield file[start : start + 1000]


@pytest.mark.parametrize("sent", [bytes, in_parts], ids=["at once", "in parts"])
def test_an_import_weighs_what_it_brings(
    rated: httpx.Client, alice: Person, bob: Person, sent: Callable[[bytes], object]
) -> None:
    """Two of them need a few seconds more than these take: a whole rate comes back in ten."""
    alice, bob = at(alice, rated), at(bob, rated)
    file = weighing(RATE * 3 // 4)
    first, second = (send(alice, sent(file), dry_run="true") for _ in range(2))
    assert first.status_code == 200
    assert first.headers["RateLimit-Policy"] == f'"user";q={RATE};w=10'
    assert_refused(second, 429, "rate_limited")
    assert int(second.headers["Retry-After"]) >= 1
    assert imported(bob, sent(file), dry_run="true")[0] > 0


@pytest.mark.parametrize("sent", [bytes, in_parts], ids=["at once", "in parts"])
def test_a_file_that_is_longer_than_the_rate_can_be_imported_all_the_same(
    rated: httpx.Client, alice: Person, sent: Callable[[bytes], object]
) -> None:
    """As a request that weighs more than there is takes all of it: it would be 429 for ever."""
    assert imported(at(alice, rated), sent(weighing(4 * RATE)), dry_run="true")[0] > 0


def test_whoever_leaves_while_the_import_waits_has_written_nothing(
    alice: Person, database: DatabaseUrl
) -> None:
    alice.create("Before")
    file = titles("One", "Two")
    clock = "SELECT FROM user_clocks WHERE user_id = $1 FOR UPDATE"
    with held(database, clock, int(alice.id)) as holder:
        with connected(alice.http) as wire:
            wire.send(import_head(alice, f"Content-Length: {len(file)}"), file)
            wait_for_waiters(database, holder)
        eventually(lambda: not is_waited_for(database, holder, 1), "nobody waits any more")
    eventually(lambda: value(figures(alice.http), "taskapi_imports") == 0, "it has ended")
    assert [task["title"] for task in exported(alice).tasks] == ["Before"]


def test_a_slow_sender_takes_no_turn(rated: httpx.Client, alice: Person) -> None:
    alice = at(alice, rated)
    file = titles("One", "Two")
    with connected(rated) as wire:
        wire.send(import_head(alice, f"Content-Length: {len(file)}", "Connection: close"))
        wire.send(file[:10])
        eventually(lambda: value(figures(rated), "taskapi_imports") == 1, "it is under way")
        alice.create("Meanwhile")
        wire.send(file[10:])
        (answer,) = wire.answers()
    assert answer.json()["created"] == 2


# --- Users who are not ---


def test_an_unknown_user_is_404_and_stays_unknown(strict: httpx.Client, alice: Person) -> None:
    unknown = at(alice, strict)
    for query in ({}, {"dry_run": "true"}):
        assert_refused(send(unknown, titles("One"), **query), 404, "user_not_found")


def test_a_user_who_is_deleted_while_the_file_comes_is_404(
    strict: httpx.Client, alice: Person, database: DatabaseUrl
) -> None:
    alice = at(alice, strict)
    execute(database, "INSERT INTO users (id) VALUES ($1)", int(alice.id))
    alice.create()
    file = titles("One", "Two")
    with connected(strict) as wire:
        wire.send(import_head(alice, f"Content-Length: {len(file)}", "Connection: close"))
        wire.send(file[:10])
        eventually(lambda: value(figures(strict), "taskapi_imports") == 1, "it is under way")
        execute(database, "DELETE FROM users WHERE id = $1", int(alice.id))
        wire.send(file[10:])
        (answer,) = wire.answers()
    assert (answer.status, answer.json()["code"]) == (404, "user_not_found")
    assert not any(rows_of(database, alice).values())
