"""Keys that clients give tasks: the same create makes no second task (contract, section 6)."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.batches import DELETED, NOT_FOUND, batch, create, done, idempotent, statuses
from support.calls import assert_refused, at_once
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.rows import execute, held, wait_for_waiters
from support.service import client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl

Json = dict[str, Any]

EITHER = pytest.mark.parametrize("atomic", [True, False])


@pytest.mark.parametrize("key", ["c-1", "x" * 64, "_", "-", "A0"])
@EITHER
def test_the_same_create_again_gives_the_task_and_makes_no_second_one(
    alice: Person, key: str, atomic: bool
) -> None:
    [first] = done(alice, create(key), atomic=atomic)
    [again] = done(alice, create(key), atomic=atomic)
    assert first["status"] == 201
    assert again == first | {"status": 200}
    assert alice.get().json()["tasks"] == [first["task"]]


@EITHER
def test_it_gives_the_task_as_it_is_now_and_does_not_change_it(alice: Person, atomic: bool) -> None:
    [first] = done(alice, create("c-1"))
    now = alice.patch(f"/{first['task']['id']}", json={"title": "Buy oat milk"})
    [again] = done(alice, create("c-1", "Buy soap"), atomic=atomic)
    assert again == {"status": 200, "task": now.json(), "etag": now.headers["ETag"]}


def test_it_does_so_when_the_idempotency_key_has_expired(
    database: DatabaseUrl, alice: Person
) -> None:
    [first] = done(alice, create("c-1"), **idempotent())
    age = "UPDATE kept_answers SET kept_at = kept_at - interval '25 hours' WHERE user_id = $1"
    execute(database, age, int(alice.id))
    [again] = done(alice, create("c-1"), **idempotent())
    assert again == first | {"status": 200}
    assert alice.get().json()["total"] == 1


def test_a_create_whose_task_was_deleted_is_410_and_nothing_is_done(alice: Person) -> None:
    [first] = done(alice, create("c-1"))
    alice.delete(f"/{first['task']['id']}")
    for _ in range(2):
        response = batch(alice, create(), create("c-1"))
        assert_refused(response, 410, "task_deleted")
        assert response.json()["detail"] == f"operations[1]: {DELETED}"
        results = done(alice, create("c-1"), {"op": "complete", "key": "c-1"}, atomic=False)
        assert [result.get("code") for result in results] == ["task_deleted", "task_not_found"]
    assert alice.get().json()["total"] == 0


def test_a_key_belongs_to_its_user(alice: Person, bob: Person) -> None:
    [mine], [theirs] = done(alice, create("c-1")), done(bob, create("c-1"))
    assert (mine["status"], theirs["status"]) == (201, 201)
    done(alice, {"op": "update", "key": "c-1", "title": "Mine"})
    assert bob.get().json()["tasks"] == [theirs["task"]]
    done(bob, create("theirs"))
    for operation in ({"op": "delete", "key": "theirs"}, {"op": "complete", "key": "theirs"}):
        assert_refused(batch(alice, operation), 404, "task_not_found")
        assert done(alice, operation, atomic=False) == [NOT_FOUND]


@pytest.mark.parametrize("options", [{}, idempotent()], ids=["plain", "idempotent"])
@EITHER
def test_later_operations_name_the_task_by_its_key(
    alice: Person, atomic: bool, options: Json
) -> None:
    old = alice.create("Old")["id"]
    results = done(
        alice,
        create("c-1"),
        {"op": "update", "key": "c-1", "title": "Buy tea"},
        create("c-2", "Other"),
        {"op": "complete", "key": "c-1"},
        {"op": "delete", "key": "c-2"},
        {"op": "delete", "id": old},
        atomic=atomic,
        **options,
    )
    assert statuses(results) == [201, 200, 201, 200, 204, 204]
    [task] = alice.get().json()["tasks"]
    assert (task["title"], task["is_completed"]) == ("Buy tea", True)
    assert results[3]["task"] == task
    [again] = done(alice, {"op": "complete", "key": "c-1", "is_completed": False}, atomic=atomic)
    assert again["task"]["id"] == task["id"]


@EITHER
def test_a_key_that_no_task_has_is_404(alice: Person, atomic: bool) -> None:
    """One that a later operation of the same batch creates is none yet."""
    early: list[Json] = [{"op": "complete", "key": "c-1"}, create("c-1")]
    if atomic:
        response = batch(alice, *early)
        assert_refused(response, 404, "task_not_found")
        assert response.json()["detail"].startswith("operations[0]: ")
    else:
        results = done(alice, *early, atomic=False)
        assert results[0] == NOT_FOUND
        assert results[1]["status"] == 201


def test_of_a_batch_that_failed_no_key_is_left(alice: Person) -> None:
    failed = batch(alice, create("c-1"), {"op": "delete", "key": "never"})
    assert_refused(failed, 404, "task_not_found")
    assert_refused(batch(alice, {"op": "delete", "key": "c-1"}), 404, "task_not_found")
    assert statuses(done(alice, create("c-1"))) == [201]


def test_the_keys_of_unknown_users_are_404(strict: httpx.Client, alice: Person) -> None:
    alice.http = strict
    for operation, atomic in itertools.product(
        (create("c-1"), {"op": "delete", "key": "c-1"}), (True, False)
    ):
        for options in ({}, idempotent()):
            refused = batch(alice, operation, atomic=atomic, **options)
            assert_refused(refused, 404, "user_not_found")


# At the same instant


@pytest.mark.parametrize("options", [{}, {"atomic": False}], ids=["atomic", "each"])
@pytest.mark.parametrize("keyed", [False, True], ids=["plain", "idempotent"])
def test_of_creates_at_the_same_instant_one_makes_the_task(
    database: DatabaseUrl, alice: Person, options: Json, keyed: bool
) -> None:
    """Both have looked for the key before either has it: they wait for the user's clock."""
    alice.create("Old")

    def send(number: int) -> httpx.Response:
        headers = idempotent(f"request-{number}") if keyed else {}
        return batch(alice, create("c-1"), create(title=f"of {number}"), **options, **headers)

    lock = "SELECT 1 FROM user_clocks WHERE user_id = $1 FOR UPDATE"
    with ThreadPoolExecutor(2) as threads:
        with held(database, lock, int(alice.id)) as holder:
            sent = [threads.submit(send, number) for number in range(2)]
            wait_for_waiters(database, holder, count=2)
        results = [each.result().json()["results"] for each in sent]
    assert sorted(result[0]["status"] for result in results) == [200, 201]
    assert results[0][0]["task"]["id"] == results[1][0]["task"]["id"]
    titles = sorted(task["title"] for task in alice.get().json()["tasks"])
    assert titles == ["Buy milk", "Old", "of 0", "of 1"]


@EITHER
def test_many_creates_of_the_same_keys_make_one_task_each(alice: Person, atomic: bool) -> None:
    keys = [f"c-{number}" for number in range(5)]

    def send(number: int) -> Callable[[], httpx.Response]:
        turned = keys[number % 5 :] + keys[: number % 5]
        return lambda: batch(alice, *map(create, turned), atomic=atomic)

    responses = at_once([send(number) for number in range(10)])
    assert {response.status_code for response in responses} == {200}
    told = [status for response in responses for status in statuses(response.json()["results"])]
    assert sorted(told) == [200] * 45 + [201] * 5
    assert alice.get().json()["total"] == 5


# What is left behind

QUOTA = 4

KEYS = "SELECT key FROM task_keys WHERE user_id = $1 ORDER BY task_id"


@pytest.fixture
def frugal(database: DatabaseUrl, alice: Person) -> Iterator[Person]:
    """Alice, at a service where everybody may have four tasks."""
    with client_for(settings_for(database, max_tasks_per_user=QUOTA)) as client:
        yield Person(alice.id, alice.token, client)


@EITHER
def test_keys_of_deleted_tasks_are_bounded_and_the_newest_are_known(
    database: DatabaseUrl, frugal: Person, atomic: bool
) -> None:
    done(frugal, create("first"))
    made = [f"c-{number}" for number in range(10 * QUOTA)]
    for key in made:
        done(frugal, create(key), {"op": "delete", "key": key}, atomic=atomic)
        kept = [row["key"] for row in execute(database, KEYS, int(frugal.id))]
        assert len(kept) <= 3 * QUOTA
    assert statuses(done(frugal, create("first"))) == [200]
    for key in made[-QUOTA:]:
        assert_refused(batch(frugal, create(key)), 410, "task_deleted")
    assert kept[0] == "first"
    assert frugal.get().json()["total"] == 1


def test_a_create_that_finds_its_task_needs_no_room(frugal: Person) -> None:
    done(frugal, *(create(f"c-{number}") for number in range(QUOTA)))
    assert_refused(batch(frugal, create("another")), 403, "quota_exceeded")
    results = done(
        frugal, create("c-0"), create("another"), {"op": "delete", "key": "another"}, atomic=False
    )
    assert [result.get("code") for result in results] == [None, "quota_exceeded", "task_not_found"]
    assert results[0]["status"] == 200


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database in which everything is counted."""
    with own_database(database) as own:
        prepare(own.address)
        yield own


BYTES = """
    SELECT sum(pg_total_relation_size(oid))::bigint AS bytes FROM pg_class
    WHERE relname IN ('tasks', 'task_keys', 'user_clocks')
"""


@pytest.mark.parametrize("length", [5, 64])
def test_a_create_with_a_key_leaves_at_most_four_times_its_size_and_a_kilobyte(
    own: OwnDatabase, length: int
) -> None:
    """The task, its key and their indexes."""
    with client_for(settings_for(own.address)) as client:
        alice = Person("1", token_for("1"), client)
        keys = [f"{number:0{length}}" for number in range(1000)]
        before = own.run(BYTES)[0]["bytes"]
        for key in keys:
            response = batch(alice, create(key))
        assert response.json()["results"][0]["status"] == 201
        left = (own.run(BYTES)[0]["bytes"] - before) / len(keys)
        assert left <= 4 * len(response.request.content) + 1000
