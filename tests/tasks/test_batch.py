"""Batch: up to 100 operations in one transaction, all or nothing (contract, section 6).

That a batch is safe to repeat is in test_idempotency.
"""

import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.batches import batch, done
from support.calls import NO_TASK, assert_refused, at_once, moment
from support.people import Person
from support.rows import held, wait_for_waiters
from taskapi.database.url import DatabaseUrl

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
LARGEST_BATCH = 1024 * 1024

Json = dict[str, Any]

BROKEN = "operations[1]: "
"""How an error begins that the second operation of a batch is to blame for."""


@pytest.fixture
def task(alice: Person) -> Json:
    return alice.create("Buy milk", "Two litres")


@pytest.fixture
def state(alice: Person) -> Callable[[], bytes]:
    """Reads all that a batch of Alice's can change."""
    return lambda: alice.get().content


# What is done


def test_each_operation_does_what_it_does_alone(alice: Person) -> None:
    ids = [alice.create("Buy milk", "Two litres")["id"] for _ in range(5)]
    created, updated, set_, toggled, deleted, unchanged = done(
        alice,
        {"op": "create", "title": " Buy tea ", "description": " Green "},
        {"op": "update", "id": ids[0], "title": "Buy soap", "description": None},
        {"op": "complete", "id": ids[1], "is_completed": True},
        {"op": "complete", "id": ids[2]},
        {"op": "delete", "id": ids[3]},
        {"op": "update", "id": ids[4]},
    )
    assert (created["status"], created["task"]["title"]) == (201, "Buy tea")
    assert (created["task"]["description"], created["task"]["is_completed"]) == (" Green ", False)
    assert (updated["status"], updated["task"]["title"]) == (200, "Buy soap")
    assert (updated["task"]["description"], updated["task"]["id"]) == ("", ids[0])
    assert (set_["status"], set_["task"]["is_completed"]) == (200, True)
    assert (toggled["status"], toggled["task"]["is_completed"]) == (200, True)
    assert deleted == {"status": 204, "task": None, "etag": None}
    assert unchanged["task"]["updated_at"] == unchanged["task"]["created_at"]
    assert_refused(alice.get(f"/{ids[3]}"), 404, "task_not_found")
    for result in (created, updated, set_, toggled, unchanged):
        assert alice.get(f"/{result['task']['id']}").json() == result["task"]


def test_operations_are_done_in_their_order(alice: Person, task: Json) -> None:
    path = {"id": task["id"]}
    results = done(
        alice,
        {"op": "update", **path, "title": "First"},
        {"op": "complete", **path},
        {"op": "update", **path, "title": "Second"},
        {"op": "complete", **path},
        {"op": "delete", **path},
        {"op": "create", "title": "Third"},
        {"op": "create", "title": "Fourth"},
    )
    titles = [result["task"] and result["task"]["title"] for result in results]
    assert titles == ["First", "First", "Second", "Second", None, "Third", "Fourth"]
    times = [moment(result["task"]["updated_at"]) for result in results[:4]]
    assert times == sorted(set(times))
    assert [task["title"] for task in alice.get().json()["tasks"]] == ["Fourth", "Third"]


def test_a_task_of_a_batch_looks_as_it_does_elsewhere(alice: Person) -> None:
    [result] = done(alice, {"op": "create", "title": "Buy tea"})
    assert list(result["task"].items()) == list(alice.get().json()["tasks"][0].items())


def test_members_that_a_client_may_not_set_are_ignored(alice: Person, bob: Person) -> None:
    theirs: Json = {
        "id": 1,
        "user_id": int(bob.id),
        "created_at": None,
        "is_completed": True,
    }
    [created] = done(alice, theirs | {"op": "create", "title": "Buy tea"})
    [updated] = done(alice, theirs | created["task"] | {"op": "update", "title": "Buy soap"})
    assert created["task"]["user_id"] == updated["task"]["user_id"] == int(alice.id)
    assert (created["task"]["is_completed"], updated["task"]["id"]) == (
        True,
        created["task"]["id"],
    )


def test_a_hundred_operations_are_done(alice: Person) -> None:
    results = done(alice, *({"op": "create", "title": f"Task {n}"} for n in range(100)))
    assert [result["task"]["title"] for result in results] == [f"Task {n}" for n in range(100)]
    assert alice.get().json()["total"] == 100


def test_a_batch_may_be_the_first_request_of_a_user(alice: Person) -> None:
    done(alice, {"op": "create", "title": "First"})
    assert alice.get().json()["total"] == 1


# All or nothing


ONE_TASK = pytest.mark.parametrize(
    "operation",
    [
        {"op": "update", "title": "Mine"},
        {"op": "update"},
        {"op": "complete"},
        {"op": "complete", "is_completed": True},
        {"op": "delete"},
    ],
    ids=str,
)


@ONE_TASK
def test_where_one_task_is_missing_nothing_is_done_and_the_operation_is_named(
    alice: Person, task: Json, state: Callable[[], bytes], operation: Json
) -> None:
    before = state()
    response = batch(
        alice,
        {"op": "update", "id": task["id"], "title": "Changed"},
        operation | {"id": NO_TASK},
        {"op": "create", "title": "Never"},
    )
    assert_refused(response, 404, "task_not_found")
    assert response.json()["detail"].startswith(BROKEN)
    assert state() == before


@ONE_TASK
def test_another_users_task_is_missing_and_stays_as_it_was(
    alice: Person, bob: Person, operation: Json
) -> None:
    theirs, own = bob.create(), alice.create()
    headers = {"X-Request-ID": "the-same"}
    foreign, missing = (
        batch(alice, {"op": "delete", "id": own["id"]}, operation | {"id": id_}, headers=headers)
        for id_ in (theirs["id"], NO_TASK)
    )
    assert_refused(foreign, 404, "task_not_found")
    assert foreign.content == missing.content
    assert bob.get().json()["tasks"] == [theirs]
    assert alice.get().json()["tasks"] == [own]


def test_a_task_that_the_batch_itself_deleted_is_missing(
    alice: Person, task: Json, state: Callable[[], bytes]
) -> None:
    before = state()
    delete = {"op": "delete", "id": task["id"]}
    response = batch(alice, delete, delete)
    assert_refused(response, 404, "task_not_found")
    assert response.json()["detail"].startswith(BROKEN)
    assert state() == before


def test_the_named_operation_is_a_problem_for_those_who_ask_for_one(alice: Person) -> None:
    create = {"op": "create", "title": "Never"}
    delete = {"op": "delete", "id": NO_TASK}
    problem = batch(alice, create, delete, headers={"Accept": PROBLEM})
    assert problem.headers["Content-Type"] == PROBLEM
    assert (problem.json()["status"], problem.json()["code"]) == (404, "task_not_found")
    assert problem.json()["detail"].startswith(BROKEN)


def test_a_batch_of_an_unknown_user_is_404(strict: httpx.Client, alice: Person) -> None:
    alice.http = strict
    for operation in ({"op": "create", "title": "x"}, {"op": "delete", "id": NO_TASK}):
        assert_refused(batch(alice, operation), 404, "user_not_found")


@pytest.mark.parametrize(
    ("operation", "place"),
    [
        ({}, []),
        ({"title": "x"}, []),
        ({"op": None}, []),
        ({"op": ["create"], "title": "x"}, []),
        ({"op": "Create", "title": "x"}, []),
        ({"op": "destroy", "id": 1}, []),
        ({"op": "create"}, ["create", "title"]),
        ({"op": "create", "title": " "}, ["create", "title"]),
        ({"op": "create", "title": None}, ["create", "title"]),
        ({"op": "create", "title": "x", "is_completed": None}, ["create", "is_completed"]),
        ({"op": "create", "title": "a\0b"}, ["create", "title"]),
        ({"op": "update", "title": "x"}, ["update"]),
        ({"op": "update", "id": 1, "title": None}, ["update", "title"]),
        ({"op": "update", "id": 1, "is_completed": 1}, ["update", "is_completed"]),
        ({"op": "update", "id": 1, "description": "x" * 5001}, ["update", "description"]),
        ({"op": "complete"}, ["complete"]),
        ({"op": "complete", "id": 1, "key": "c-1"}, ["complete"]),
        ({"op": "complete", "id": 1, "is_completed": "true"}, ["complete", "is_completed"]),
        ({"op": "complete", "id": 1, "is_completed": None}, ["complete", "is_completed"]),
        ({"op": "delete", "id": None}, ["delete", "id"]),
        ({"op": "delete", "id": 0}, ["delete", "id"]),
        ({"op": "delete", "id": -1}, ["delete", "id"]),
        ({"op": "delete", "id": 2**63}, ["delete", "id"]),
        ({"op": "delete", "id": 10**30}, ["delete", "id"]),
        ({"op": "delete", "id": 1.0}, ["delete", "id"]),
        ({"op": "delete", "id": "1"}, ["delete", "id"]),
        ({"op": "delete", "id": True}, ["delete", "id"]),
        ({"op": "delete", "id": [1]}, ["delete", "id"]),
        ({"op": "create", "title": "x", "key": None}, ["create", "key"]),
        ({"op": "create", "title": "x", "key": ""}, ["create", "key"]),
        ({"op": "create", "title": "x", "key": "x" * 65}, ["create", "key"]),
        ({"op": "create", "title": "x", "key": "a b"}, ["create", "key"]),
        ({"op": "create", "title": "x", "key": "a\n"}, ["create", "key"]),
        ({"op": "create", "title": "x", "key": "ä"}, ["create", "key"]),
        ({"op": "delete", "key": 1}, ["delete", "key"]),
        ({"op": "delete", "id": 1, "version": None}, ["delete", "version"]),
        ({"op": "delete", "id": 1, "version": "660c6c5e7d622"}, ["delete", "version"]),
        ({"op": "delete", "id": 1, "version": '"1",' * 1025}, ["delete", "version"]),
    ],
    ids=lambda value: ascii(value)[:60],
)
def test_where_one_operation_breaks_a_rule_nothing_is_done_and_its_place_is_told(
    alice: Person, task: Json, state: Callable[[], bytes], operation: Json, place: list[str]
) -> None:
    before = state()
    response = batch(alice, {"op": "delete", "id": task["id"]}, operation)
    assert_refused(response, 422, "validation_failed")
    [mistake] = response.json()["detail"]
    assert mistake["loc"] == ["body", "operations", 1, *place]
    assert state() == before


@pytest.mark.parametrize("operation", ["create", [], None, 1, True], ids=repr)
def test_what_is_no_operation_at_all_is_422(alice: Person, operation: object) -> None:
    response = alice.post("/batch", json={"operations": [operation]})
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"][:3] == ["body", "operations", 0]


def test_nothing_of_the_input_is_sent_back(alice: Person) -> None:
    secret = "hunter2" * 1000
    for operation in (
        {"op": secret},
        {"op": "create", "title": secret},
        {"op": "update", "id": secret},
        {"op": "complete", "id": 1, "is_completed": secret},
        {"op": [secret], secret: secret},
    ):
        response = batch(alice, operation)
        assert_refused(response, 422, "validation_failed")
        assert "hunter2" not in response.text
        assert len(response.content) < 500


# Limits


@pytest.mark.parametrize(
    "body", [{}, {"operations": []}, {"operations": None}, {"operations": {}}, {"Operations": [1]}]
)
def test_a_batch_has_at_least_one_operation(alice: Person, body: Json) -> None:
    response = alice.post("/batch", json=body)
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["body", "operations"]


@pytest.mark.parametrize("count", [101, 10_000])
def test_a_batch_has_at_most_a_hundred_operations(
    alice: Person, state: Callable[[], bytes], count: int
) -> None:
    before = state()
    response = batch(alice, *[{"op": "create", "title": "x"}] * count)
    assert_refused(response, 422, "validation_failed")
    assert len(response.content) < 500
    assert state() == before


def test_a_batch_may_have_a_megabyte_and_not_a_byte_more(
    alice: Person, state: Callable[[], bytes]
) -> None:
    text = "\N{PERSONAL COMPUTER}" * 860
    operations = [{"op": "create", "title": "x", "description": text}] * 100
    body = json.dumps({"operations": operations}).encode()
    assert LARGEST_BATCH - 20_000 < len(body) < LARGEST_BATCH  # more than anything else may have
    within = alice.post("/batch", content=body.ljust(LARGEST_BATCH), headers=JSON)
    after = state()
    beyond = alice.post("/batch", content=body.ljust(LARGEST_BATCH + 1), headers=JSON)
    assert within.status_code == 200
    assert within.json()["results"][99]["task"]["description"] == text
    assert_refused(beyond, 413, "body_too_large")
    assert state() == after


# Many at once


def conflicts(http: httpx.Client) -> float:
    """How often the service did something again because of a deadlock, or the like."""
    told = re.search(r'_retries_total{.*"conflict".*} (\S+)', http.get("/metrics").text)
    return float(told[1]) if told else 0


def test_two_batches_over_the_same_tasks_never_deadlock(
    database: DatabaseUrl, alice: Person
) -> None:
    """In opposite orders: the second one waits for the user's clock, before it has any task."""
    first, middle, last = (alice.create()["id"] for _ in range(3))
    before = conflicts(alice.http)

    def toggle(*ids: object) -> Callable[[], httpx.Response]:
        operations = [{"op": "complete", "id": task_id} for task_id in ids]
        return lambda: batch(alice, *operations)

    lock = "SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE"
    with ThreadPoolExecutor(2) as threads:
        with held(database, lock, middle) as holder:
            orders = [(first, middle, last), (last, middle, first)]
            answers = [threads.submit(toggle(*order)) for order in orders]
            wait_for_waiters(database, holder, count=2)
        assert [answer.result().status_code for answer in answers] == [200, 200]
    assert conflicts(alice.http) == before
    assert {task["is_completed"] for task in alice.get().json()["tasks"]} == {False}


def test_of_concurrent_batches_each_is_whole(alice: Person, task: Json) -> None:
    """What one batch reads and writes, no other comes between."""

    def write(number: int) -> Callable[[], httpx.Response]:
        path = {"op": "update", "id": task["id"]}
        return lambda: batch(
            alice,
            path | {"title": f"Title {number}"},
            path | {"description": f"Text {number}"},
            {"op": "complete", "id": task["id"]},
        )

    for answer in at_once([write(number) for number in range(20)]):
        results = [result["task"] for result in answer.json()["results"]]
        number = results[0]["title"].removeprefix("Title ")
        assert results[2]["title"] == f"Title {number}"
        assert results[2]["description"] == f"Text {number}"
    assert alice.get(f"/{task['id']}").json()["is_completed"] is False
