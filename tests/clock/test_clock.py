"""The clock of a user: `updated_at` has the order of commits, and nobody's writes deadlock."""

import itertools
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

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
    stones = execute(
        database, "SELECT deleted_at, task_id FROM tombstones WHERE user_id = $1", int(alice.id)
    )
    assert [tuple(stone) for stone in stones] == [(deleted_at, created.json()["id"])]


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


def test_a_task_written_without_the_clock_still_changes_its_version(
    database: DatabaseUrl, alice: Person
) -> None:
    """By a replica of a version without clocks, whose time was later."""
    task = alice.create()
    later = "UPDATE tasks SET updated_at = '2999-01-01Z' WHERE id = $1"
    execute(database, later, task["id"])
    changed = alice.patch(f"/{task['id']}/complete")
    assert changed.json()["updated_at"] == "2999-01-01T00:00:00.000001Z"


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
