"""`"atomic": false`: each operation of a batch is a transaction of its own (section 6)."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.batches import NOT_FOUND, batch, create, done, failure, idempotent, statuses
from support.calls import NO_TASK, assert_refused, at_once
from support.people import Person
from support.rows import execute, held, wait_for_waiters
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

Json = dict[str, Any]

ANY = pytest.mark.parametrize("options", [{}, idempotent()], ids=["plain", "idempotent"])


@ANY
def test_an_operation_that_fails_stops_no_other(alice: Person, options: Json) -> None:
    task = alice.create()
    results = done(
        alice,
        create(title="First"),
        {"op": "delete", "id": NO_TASK},
        {"op": "complete", "id": task["id"]},
        {"op": "update", "key": "never", "title": "x"},
        {"op": "delete", "id": task["id"]},
        {"op": "delete", "id": task["id"]},
        atomic=False,
        **options,
    )
    assert statuses(results) == [201, 404, 200, 404, 204, 404]
    assert results[1] == results[3] == results[5] == NOT_FOUND
    assert results[4] == {"status": 204, "task": None, "etag": None}
    assert alice.get().json()["tasks"] == [results[0]["task"]]


@ANY
def test_a_version_that_has_passed_brings_the_task_as_it_is_now(
    alice: Person, options: Json
) -> None:
    first = alice.post(json={"title": "Buy milk"})
    task_id, old = first.json()["id"], first.headers["ETag"]
    now = alice.patch(f"/{task_id}", json={"title": "Buy tea"})
    results = done(
        alice,
        {"op": "update", "id": task_id, "version": old, "title": "Never"},
        {"op": "delete", "id": task_id, "version": old},
        {"op": "complete", "id": task_id, "version": now.headers["ETag"]},
        atomic=False,
        **options,
    )
    passed = failure(
        412,
        "version_mismatch",
        "The task has changed meanwhile: see current.",
        etag=now.headers["ETag"],
        current=now.json(),
    )
    assert results[:2] == [passed, passed]
    assert (results[2]["status"], results[2]["task"]["is_completed"]) == (200, True)


@ANY
def test_what_was_done_before_the_quota_stays_done(
    database: DatabaseUrl, alice: Person, options: Json
) -> None:
    with client_for(settings_for(database, max_tasks_per_user=2)) as client:
        alice.http = client
        results = done(
            alice, *[create()] * 3, *[{"op": "delete", "id": NO_TASK}], atomic=False, **options
        )
        assert statuses(results) == [201, 201, 403, 404]
        assert results[2]["code"] == "quota_exceeded"
        assert alice.get().json()["total"] == 2


def test_each_operation_is_seen_before_the_next_one_is_done(
    database: DatabaseUrl, alice: Person
) -> None:
    held_up = alice.create()["id"]
    operations = [create(title="First"), {"op": "complete", "id": held_up}]
    lock = "SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE"
    with ThreadPoolExecutor(1) as threads:
        with held(database, lock, held_up) as holder:
            sent = threads.submit(done, alice, *operations, atomic=False)
            wait_for_waiters(database, holder)
            assert alice.get().json()["total"] == 2
        assert statuses(sent.result()) == [201, 200]


# With an Idempotency-Key


def test_a_repetition_has_each_outcome_and_repeats_nothing(alice: Person) -> None:
    first = alice.post(json={"title": "Buy milk"})
    task_id, old = first.json()["id"], first.headers["ETag"]
    alice.patch(f"/{task_id}/complete")
    operations: list[Json] = [
        create(),
        {"op": "complete", "id": task_id},
        {"op": "delete", "id": NO_TASK},
        {"op": "update", "id": task_id, "version": old, "title": "Never"},
        create("c-1"),
        {"op": "delete", "key": "c-1"},
    ]
    before = batch(alice, *operations, atomic=False, **idempotent())
    assert statuses(before.json()["results"]) == [201, 200, 404, 412, 201, 204]
    for _ in range(2):
        again = batch(alice, *operations, atomic=False, **idempotent())
        assert again.headers["Idempotency-Replayed"] == "true"
        results = again.json()["results"]
        assert statuses(results) == [201, 200, 404, 412, 410, 204]
        assert results[:2] == before.json()["results"][:2]
        assert results[3]["current"] == alice.get(f"/{task_id}").json()
        assert results[4]["code"] == "task_deleted"
    assert "Idempotency-Replayed" not in before.headers
    assert alice.get().json()["total"] == 2


def test_a_repetition_has_the_etag_of_each_task(alice: Person) -> None:
    operations = [create("c-1"), {"op": "update", "key": "c-1", "title": "Buy tea"}]
    for atomic in (True, False):
        once = idempotent(f"once-{atomic}")
        done(alice, *operations, atomic=atomic, **once)
        for result in done(alice, *operations, atomic=atomic, **once):
            assert result["etag"] == alice.get(f"/{result['task']['id']}").headers["ETag"]


@pytest.fixture
def hasty(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service whose requests may take a second."""
    with client_for(settings_for(database, request_timeout=1)) as client:
        yield client


def test_a_repetition_goes_on_where_the_first_request_was_cut_off(
    database: DatabaseUrl, alice: Person, hasty: httpx.Client
) -> None:
    """The second operation waits for a lock until the deadline has passed."""
    one, other = (alice.create()["id"] for _ in range(2))
    operations: list[Json] = [
        create(),
        create("c-1"),
        {"op": "complete", "id": one},
        {"op": "complete", "id": other},
        {"op": "complete", "key": "c-1"},
        {"op": "delete", "id": NO_TASK},
    ]
    lock = "SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE"
    patient, alice.http = alice.http, hasty
    with held(database, lock, other):
        cut = batch(alice, *operations, atomic=False, **idempotent())
    assert_refused(cut, 503, "timed_out")
    alice.http = patient
    assert alice.get(f"/{one}").json()["is_completed"] is True
    assert alice.get().json()["total"] == 4
    again = batch(alice, *operations, atomic=False, **idempotent())
    assert again.headers["Idempotency-Replayed"] == "true"
    assert statuses(again.json()["results"]) == [201, 201, 200, 200, 200, 404]
    tasks = alice.get().json()["tasks"]
    assert len(tasks) == 4
    assert [task["is_completed"] for task in tasks] == [True, False, True, True]


def test_repetitions_that_overlap_do_each_operation_once(alice: Person) -> None:
    task_id = alice.create()["id"]
    toggles = [{"op": "complete", "id": task_id}] * 7
    operations = [*toggles, create(), create("c-1"), {"op": "delete", "id": NO_TASK}]
    responses = at_once([lambda: batch(alice, *operations, atomic=False, **idempotent())] * 8)
    expected = [200] * 7 + [201, 201, 404]
    assert [statuses(each.json()["results"]) for each in responses] == [expected] * 8
    assert alice.get(f"/{task_id}").json()["is_completed"] is True
    assert alice.get().json()["total"] == 3


def test_another_batch_with_the_key_is_422(alice: Person) -> None:
    batch(alice, create(), atomic=False, **idempotent())
    for options in ({"atomic": True}, {"atomic": False}):
        more = [create()] * (1 if options["atomic"] else 2)
        refused = batch(alice, *more, **options, **idempotent())
        assert_refused(refused, 422, "idempotency_key_reused")
    assert alice.get().json()["total"] == 1


def test_a_key_that_has_expired_is_free(database: DatabaseUrl, alice: Person) -> None:
    age = "UPDATE kept_answers SET kept_at = kept_at - interval '25 hours' WHERE user_id = $1"
    for number in (1, 2):
        results = done(alice, create(), create("c-1"), atomic=False, **idempotent())
        assert statuses(results) == [201, 201 if number == 1 else 200]
        execute(database, age, int(alice.id))
    eventually(lambda: alice.get().json()["total"] == 3, "the second create is done again")
