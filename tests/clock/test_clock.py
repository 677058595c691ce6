"""The clock of a user: `updated_at` has the order of commits, and nobody's writes deadlock."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import asyncpg
import httpx
import pytest

from support.people import Person
from support.rows import execute, held, is_waited_for, wait_for_waiters
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

WRITERS = 8

CHANGED_AT = "SELECT changed_at FROM user_clocks WHERE user_id = $1"
TIMES = "SELECT created_at, updated_at FROM tasks WHERE user_id = $1 ORDER BY updated_at"


def clock_of(database: DatabaseUrl, person: Person) -> datetime | None:
    """When this person's rows last changed, according to their clock."""
    rows = execute(database, CHANGED_AT, int(person.id))
    return rows[0]["changed_at"] if rows else None


def updated_at(response: httpx.Response) -> datetime:
    return datetime.fromisoformat(response.json()["updated_at"])


def test_every_write_moves_the_clock_to_the_time_of_its_task(
    database: DatabaseUrl, alice: Person
) -> None:
    assert clock_of(database, alice) is None
    created = alice.post(json={"title": "Buy milk"})
    path = f"/{created.json()['id']}"
    writes = itertools.chain(
        [created],
        (alice.put(path, json={"title": "Buy oat milk"}) for _ in range(1)),
        (alice.patch(path, json={"description": "Two litres"}) for _ in range(1)),
        (alice.patch(f"{path}/complete") for _ in range(1)),
    )
    times = []
    for response in writes:
        times.append(updated_at(response))
        assert clock_of(database, alice) == times[-1]
    assert times == sorted(set(times))
    assert alice.delete(path).status_code == 204
    deleted_at = clock_of(database, alice)
    assert deleted_at is not None
    assert deleted_at > times[-1]
    stones = [tuple(row) for row in execute(database, STONES, int(alice.id))]
    assert stones == [(deleted_at, created.json()["id"])]


def test_a_reader_misses_no_change_that_was_made_before_the_last_one_seen(
    database: DatabaseUrl, alice: Person
) -> None:
    """A batch begins before a single write, and is held up until a reader has polled."""
    held_up = alice.create()["id"]
    operations = [{"op": "create", "title": str(number)} for number in range(3)]
    batch = {"operations": [*operations, {"op": "complete", "id": held_up}]}
    lock = "SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE"
    with ThreadPoolExecutor(2) as threads:
        with held(database, lock, held_up) as holder:
            writes = [threads.submit(alice.post, "/batch", json=batch)]
            wait_for_waiters(database, holder)
            writes.append(threads.submit(alice.post, json={"title": "single"}))
            eventually(
                lambda: writes[1].done() or is_waited_for(database, holder, count=2),
                "the single write is done, or waits for the batch",
            )
            first = alice.get().json()["tasks"]
        assert [write.result().status_code for write in writes] == [200, 201]
    seen = max(task["updated_at"] for task in first)
    second = alice.get(f"?updated_since={seen}").json()["tasks"]
    latest = {task["id"]: task for task in first + second}
    assert latest == {task["id"]: task for task in alice.get().json()["tasks"]}


def test_concurrent_writes_have_times_of_their_own(database: DatabaseUrl, alice: Person) -> None:
    task = alice.create()
    with ThreadPoolExecutor(WRITERS) as threads:
        toggles = threads.map(lambda _: alice.patch(f"/{task['id']}/complete"), range(40))
        creates = threads.map(lambda _: alice.post(json={"title": "x"}), range(40))
        states = sorted((updated_at(each), each.json()["is_completed"]) for each in toggles)
        times = [updated_at(each) for each in creates] + [time for time, _ in states]
    assert len(set(times)) == len(times)
    assert [state for _, state in states] == [True, False] * 20
    assert clock_of(database, alice) == max(times)


def test_a_clock_that_is_ahead_still_moves_forward(database: DatabaseUrl, alice: Person) -> None:
    """As after the server's clock was set back."""
    alice.create()
    ahead = "UPDATE user_clocks SET changed_at = '2999-01-01Z' WHERE user_id = $1"
    execute(database, ahead, int(alice.id))
    times = [updated_at(alice.post(json={"title": "x"})).isoformat() for _ in range(2)]
    assert times == ["2999-01-01T00:00:00.000001+00:00", "2999-01-01T00:00:00.000002+00:00"]


def test_the_tasks_of_a_user_without_a_clock_can_be_changed(
    database: DatabaseUrl, alice: Person
) -> None:
    """They were there before there were clocks."""
    task = alice.create()
    writes: list[Callable[[], httpx.Response]] = [
        lambda: alice.patch(f"/{task['id']}/complete"),
        lambda: alice.post("/batch", json={"operations": [{"op": "complete", "id": task["id"]}]}),
        lambda: alice.post(
            "/batch",
            json={"operations": [{"op": "create", "title": "x"}]},
            headers={"Idempotency-Key": "once"},
        ),
        lambda: alice.patch(
            f"/{task['id']}", json={"title": "x"}, headers={"Idempotency-Key": "twice"}
        ),
    ]
    for write in writes:
        execute(database, "DELETE FROM user_clocks WHERE user_id = $1", int(alice.id))
        assert write().status_code == 200
        assert clock_of(database, alice) is not None


def test_of_many_first_writes_at_once_each_is_done(alice: Person) -> None:
    with ThreadPoolExecutor(WRITERS) as threads:
        responses = [*threads.map(lambda _: alice.post(json={"title": "x"}), range(WRITERS))]
    assert [each.status_code for each in responses] == [201] * WRITERS
    assert alice.get().json()["total"] == WRITERS


def test_a_write_waits_for_the_clock_and_other_users_do_not(
    database: DatabaseUrl, alice: Person, bob: Person
) -> None:
    task = alice.create()
    bob.create()
    lock = f"{CHANGED_AT} FOR UPDATE"
    with ThreadPoolExecutor(1) as threads:
        with held(database, lock, int(alice.id)) as holder:
            waiting = threads.submit(alice.patch, f"/{task['id']}/complete")
            wait_for_waiters(database, holder)
            assert bob.post(json={"title": "x"}).status_code == 201
            assert alice.get(f"/{task['id']}").json()["is_completed"] is False
        assert waiting.result().json()["is_completed"] is True


# Writers that do not know of clocks: replicas of the version before, and other programs

ADD = "INSERT INTO tasks (title, user_id) VALUES ('x', $1) RETURNING id, updated_at"
RENAME = "UPDATE tasks SET title = 'y', updated_at = clock_timestamp() WHERE id = $1"
ARRIVE = """WITH arrival AS (
    INSERT INTO users (id) SELECT $1 WHERE NOT EXISTS (SELECT FROM users WHERE id = $1)
)"""
READ = "SELECT updated_at FROM tasks WHERE id = $1"
REMOVE = "DELETE FROM tasks WHERE id = $1"
STONES = "SELECT deleted_at, task_id FROM tombstones WHERE user_id = $1"


def test_a_write_of_another_program_moves_the_clock_too(
    database: DatabaseUrl, alice: Person
) -> None:
    alice.create()
    times = [clock_of(database, alice)]
    [added] = execute(database, ADD, int(alice.id))
    times.append(clock_of(database, alice))
    assert times[-1] == added["updated_at"]
    execute(database, RENAME, added["id"])
    times.append(clock_of(database, alice))
    assert [row["updated_at"] for row in execute(database, READ, added["id"])] == times[-1:]
    execute(database, REMOVE, added["id"])
    times.append(clock_of(database, alice))
    stones = [tuple(row) for row in execute(database, STONES, int(alice.id))]
    assert stones == [(times[-1], added["id"])]
    assert None not in times
    assert len(set(times)) == len(times)
    assert times == sorted(times, key=str)


def test_another_program_starts_a_clock(database: DatabaseUrl, alice: Person) -> None:
    execute(database, "INSERT INTO users (id) VALUES ($1)", int(alice.id))
    [added] = execute(database, ADD, int(alice.id))
    assert clock_of(database, alice) == added["updated_at"]


def test_the_version_before_can_still_add_the_first_task_of_an_unknown_user(
    database: DatabaseUrl, alice: Person
) -> None:
    """Its statement inserts the user at its end, so there is none yet when the task is added."""
    [added] = execute(database, f"{ARRIVE} {ADD}", int(alice.id))
    assert [task["id"] for task in alice.get().json()["tasks"]] == [added["id"]]
    assert alice.patch(f"/{added['id']}/complete").status_code == 200


def test_a_user_can_be_deleted_with_everything_of_theirs(
    database: DatabaseUrl, alice: Person
) -> None:
    for _ in range(2):
        task = alice.create()
    alice.post(json={"title": "x"}, headers={"Idempotency-Key": "once"})
    keyed = {"op": "create", "key": "c-1", "title": "x"}
    alice.post("/batch", json={"operations": [keyed]})
    alice.delete(f"/{task['id']}")
    execute(database, "DELETE FROM users WHERE id = $1", int(alice.id))
    for table in ("tasks", "kept_answers", "user_clocks", "tombstones", "task_keys"):
        left = f"SELECT FROM {table} WHERE user_id = $1"
        assert execute(database, left, int(alice.id)) == [], table
    assert alice.get().json()["total"] == 0


def test_another_program_and_a_request_that_meet_are_both_done(
    database: DatabaseUrl, alice: Person
) -> None:
    """They lock the task and the clock in opposite orders, and PostgreSQL ends one of them."""
    task = alice.create()
    with ThreadPoolExecutor(WRITERS) as threads:
        others = [
            threads.submit(execute, database, RENAME, task["id"]) for _ in range(WRITERS // 2)
        ]
        requests = [
            threads.submit(alice.patch, f"/{task['id']}/complete") for _ in range(WRITERS // 2)
        ]
        assert [each.result().status_code for each in requests] == [200] * (WRITERS // 2)
        failures = [each.exception() for each in others if each.exception()]
    assert all(isinstance(each, asyncpg.DeadlockDetectedError) for each in failures)
    [row] = execute(database, READ, task["id"])
    assert row["updated_at"] == clock_of(database, alice)


# The quota

QUOTA = 3


@pytest.fixture
def limited(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service where everybody may have three tasks."""
    with client_for(settings_for(database, max_tasks_per_user=QUOTA)) as client:
        yield client


@pytest.fixture
def frugal(alice: Person, limited: httpx.Client) -> Person:
    """Alice, at that service."""
    return Person(alice.id, alice.token, limited)


def create(person: Person) -> httpx.Response:
    return person.post(json={"title": "Buy milk"})


def assert_full(response: httpx.Response) -> None:
    assert (response.status_code, response.json()["code"]) == (403, "quota_exceeded")


def test_a_user_has_at_most_their_quota_of_tasks(frugal: Person) -> None:
    tasks = [create(frugal) for _ in range(QUOTA)]
    assert [each.status_code for each in tasks] == [201] * QUOTA
    for _ in range(2):
        assert_full(create(frugal))
    assert frugal.get().json()["total"] == QUOTA
    assert frugal.patch(f"/{tasks[0].json()['id']}/complete").status_code == 200


def test_a_deleted_task_makes_room_for_another(frugal: Person) -> None:
    for _ in range(QUOTA):
        task = create(frugal).json()
    for _ in range(3):
        assert_full(create(frugal))
        assert frugal.delete(f"/{task['id']}").status_code == 204
        response = create(frugal)
        assert response.status_code == 201
        task = response.json()


def test_a_batch_beyond_the_quota_does_nothing_and_names_its_operation(frugal: Person) -> None:
    create(frugal)
    batch = {"operations": [{"op": "create", "title": "x"}] * QUOTA}
    for headers in ({}, {"Idempotency-Key": "once"}):
        response = frugal.post("/batch", json=batch, headers=headers)
        assert_full(response)
        assert response.json()["detail"].startswith("operations[2]: ")
    assert frugal.get().json()["total"] == 1


def test_a_repetition_needs_no_room(frugal: Person) -> None:
    once = {"Idempotency-Key": "once"}
    first = frugal.post(json={"title": "x"}, headers=once)
    for _ in range(QUOTA - 1):
        create(frugal)
    again = frugal.post(json={"title": "x"}, headers=once)
    assert (again.status_code, again.json()["id"]) == (201, first.json()["id"])
    assert_full(frugal.post(json={"title": "x"}, headers={"Idempotency-Key": "another"}))


def test_tasks_that_another_program_added_count(
    database: DatabaseUrl, alice: Person, frugal: Person
) -> None:
    """And those from before there was a quota."""
    for _ in range(QUOTA + 2):
        create(alice)
    assert_full(create(frugal))
    [*_, first] = frugal.get().json()["tasks"]
    add = "INSERT INTO tasks (title, user_id) VALUES ('x', $1)"
    execute(database, add, int(alice.id))
    assert frugal.delete(f"/{first['id']}").status_code == 204
    assert_full(create(frugal))


def test_of_many_creates_at_two_services_only_the_quota_is_done(
    database: DatabaseUrl, alice: Person
) -> None:
    quota, attempts = 10, 40
    settings = settings_for(database, max_tasks_per_user=quota)
    with client_for(settings) as one, client_for(settings) as other:
        people = [Person(alice.id, alice.token, each) for each in (one, other)]
        with ThreadPoolExecutor(WRITERS) as threads:
            responses = [*threads.map(lambda number: create(people[number % 2]), range(attempts))]
    statuses = [each.status_code for each in responses]
    assert (statuses.count(201), statuses.count(403)) == (quota, attempts - quota)
    assert alice.get().json()["total"] == quota
