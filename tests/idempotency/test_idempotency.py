"""Safe retries: the same `Idempotency-Key` gives one effect and the same outcome (section 6).

That a connection to the database which is lost in between changes nothing of this is in
tests/database/faults/test_retries.py.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from support.batches import GONE
from support.calls import NO_TASK, REPEATABLE, assert_refused, at_once
from support.people import Person
from support.retries import (
    BATCH,
    COMPLETE,
    CREATE,
    PATCH,
    Write,
    assert_same,
    assert_took_effect_once,
    tasks_in,
)
from support.rows import execute, held, wait_for_waiters
from support.service import client_for, settings_for
from support.waiting import PATIENCE, eventually
from support.wire import connection_to, head_of
from taskapi.database import sweeper
from taskapi.database.executor import Executor
from taskapi.database.statement import Statement
from taskapi.database.sweeper import MAX_SWEPT_ROWS, sweep
from taskapi.database.url import DatabaseUrl
from taskapi.idempotency.statements import SWEEP

Json = dict[str, Any]


@pytest.fixture
def state(alice: Person) -> Callable[[], bytes]:
    """Reads all that a write of Alice's can change."""
    return lambda: alice.get().content


@pytest.fixture(params=REPEATABLE)
def write(alice: Person, request: pytest.FixtureRequest) -> Write:
    return Write(alice, request.param, alice.create("Buy milk", "Two litres")["id"])


def assert_reused(response: httpx.Response) -> None:
    assert_refused(response, 422, "idempotency_key_reused")
    [mistake] = response.json()["detail"]
    assert mistake["loc"] == ["header", "Idempotency-Key"]


# A repetition


def test_without_a_key_each_request_has_its_effect(
    write: Write, state: Callable[[], bytes]
) -> None:
    """What the tests below look at would show it."""
    write.key = None
    states = [state()]
    for _ in range(2):
        assert write().is_success
        states.append(state())
    assert len(set(states)) == 3


def test_a_repetition_has_the_first_answer_and_no_effect(
    write: Write, state: Callable[[], bytes]
) -> None:
    first = write()
    assert first.is_success
    assert "Idempotency-Replayed" not in first.headers
    after = state()
    for _ in range(3):
        assert_same(write(), first)
    assert state() == after


def test_the_first_answer_is_what_it_would_be_without_a_key(alice: Person, write: Write) -> None:
    plain = Write(alice, write.operation, alice.create()["id"], key=None)
    without, first = plain(), write()
    assert (first.status_code, first.headers.keys()) == (
        without.status_code,
        without.headers.keys(),
    )
    assert first.json().keys() == without.json().keys()


def test_another_key_is_another_request(write: Write, state: Callable[[], bytes]) -> None:
    write()
    after = state()
    write.key = "another-key"
    assert "Idempotency-Replayed" not in write().headers
    assert state() != after


def test_a_repetition_has_the_first_status_and_the_task_as_it_is_now(
    alice: Person, write: Write, state: Callable[[], bytes]
) -> None:
    first = write()
    for task in alice.get().json()["tasks"]:
        alice.put(f"/{task['id']}", json={"title": "Changed meanwhile"})
    changed = state()
    again = write()
    assert again.headers["Idempotency-Replayed"] == "true"
    assert again.status_code == first.status_code
    assert again.headers.get("Location") == first.headers.get("Location")
    for task, before in zip(tasks_in(again), tasks_in(first), strict=True):
        read = alice.get(f"/{before['id']}")
        assert list(task.items()) == list(read.json().items())
        assert (task["title"], before["title"] == task["title"]) == ("Changed meanwhile", False)
        assert again.headers.get("ETag", read.headers["ETag"]) == read.headers["ETag"]
    assert ("ETag" in again.headers) is (write.operation != BATCH)
    assert state() == changed


def statuses(answer: httpx.Response) -> list[int]:
    return [result["status"] for result in answer.json()["results"]]


def delete_all(person: Person) -> None:
    for task in person.get().json()["tasks"]:
        assert person.request("DELETE", f"/{task['id']}").status_code == 204


def test_a_repetition_is_410_where_the_task_is_gone_and_nothing_comes_back(
    alice: Person, write: Write
) -> None:
    first = write()
    delete_all(alice)
    again = write()
    if write.operation == BATCH:
        assert (again.status_code, statuses(first)) == (200, [201, 200])
        assert again.json()["results"] == [GONE] * 2
        assert again.headers["Idempotency-Replayed"] == "true"
    else:
        assert_refused(again, 410, "task_deleted")
    assert alice.get().json()["tasks"] == []


def test_a_repeated_batch_keeps_the_status_of_its_deletions(alice: Person) -> None:
    gone, kept_ = alice.create("Gone"), alice.create("Kept")
    operations = [
        {"op": "update", "id": gone["id"], "title": "Soon gone"},
        {"op": "delete", "id": gone["id"]},
        {"op": "complete", "id": kept_["id"]},
        {"op": "update", "id": kept_["id"]},
    ]
    request = {"json": {"operations": operations}, "headers": {"Idempotency-Key": "a-key"}}
    first, again = alice.post("/batch", **request), alice.post("/batch", **request)
    assert statuses(first) == [200, 204, 200, 200]
    gone_result, *others = again.json()["results"]
    assert gone_result == GONE
    assert others == first.json()["results"][1:]


def test_a_repetition_finds_only_the_tasks_of_its_own_user(alice: Person, bob: Person) -> None:
    """What is looked up by the id that was kept is looked up among one's own tasks."""
    key = {"Idempotency-Key": "one"}
    own = alice.post(json={"title": "Alice's"}, headers=key)
    theirs = bob.post(json={"title": "Bob's"}, headers=key)
    assert alice.post(json={"title": "Alice's"}, headers=key).json() == own.json()
    bob.request("DELETE", f"/{theirs.json()['id']}")
    assert_refused(bob.post(json={"title": "Bob's"}, headers=key), 410, "task_deleted")
    assert alice.post(json={"title": "Alice's"}, headers=key).json() == own.json()


@pytest.mark.parametrize("operation", [PATCH, COMPLETE])
def test_a_repetition_is_no_mismatch_with_the_version_that_it_made_itself(
    alice: Person, operation: str
) -> None:
    created = alice.post(json={"title": "Buy milk"})
    write = Write(alice, operation, created.json()["id"])
    condition = {"If-Match": created.headers["ETag"]}
    first = write(headers=condition)
    assert first.status_code == 200
    assert_same(write(headers=condition), first)


def test_the_same_json_in_another_spelling_is_the_same_request(alice: Person) -> None:
    write = Write(alice, CREATE, None)
    first = write()
    body = '{ "description" : "Gr\\u0065en",\n"title": "Buy tea"}'
    again = write(json=None, content=body, headers={"Content-Type": "application/json"})
    assert_same(again, first)


# Another request with the same key


def test_a_key_belongs_to_one_body(write: Write, state: Callable[[], bytes]) -> None:
    first = write()
    after = state()
    batch = {"operations": [{"op": "create", "title": "x"}]}
    other = batch if write.operation == BATCH else {"title": "Other", "is_completed": True}
    assert_reused(write(content=None, json=other))
    assert state() == after
    assert_same(write(), first)


def test_a_key_belongs_to_one_operation(
    alice: Person, write: Write, state: Callable[[], bytes]
) -> None:
    write()
    after = state()
    for operation in set(REPEATABLE) - {write.operation}:
        assert_reused(Write(alice, operation, write.task_id)())
    assert state() == after


@pytest.mark.parametrize("operation", [PATCH, COMPLETE])
def test_a_key_belongs_to_one_task_and_one_condition(alice: Person, operation: str) -> None:
    task, other = alice.create(), alice.create()
    Write(alice, operation, task["id"])()
    assert_reused(Write(alice, operation, other["id"])())
    assert_reused(Write(alice, operation, NO_TASK)())
    assert_reused(Write(alice, operation, task["id"])(headers={"If-Match": "*"}))
    assert alice.get(f"/{other['id']}").json() == other


def test_a_key_belongs_to_one_user(bob: Person, write: Write) -> None:
    theirs = write()
    own = Write(bob, write.operation, bob.create()["id"])
    first = own()
    assert first.is_success
    assert "Idempotency-Replayed" not in first.headers
    assert first.content != theirs.content
    assert_same(own(), first)
    assert_same(write(), theirs)


def test_a_reused_key_is_a_problem_for_those_who_ask_for_one(alice: Person) -> None:
    write = Write(alice, CREATE, None)
    write()
    response = write(json={"title": "Other"}, headers={"Accept": "application/problem+json"})
    problem = response.json()
    assert response.status_code == 422
    assert response.headers["Content-Type"] == "application/problem+json"
    assert (problem["code"], problem["status"]) == ("idempotency_key_reused", 422)
    assert isinstance(problem["detail"], str)
    assert [mistake["type"] for mistake in problem["errors"]] == ["idempotency_key_reused"]


# Many at once


def test_twenty_concurrent_duplicates_have_one_effect_and_one_answer(
    write: Write, state: Callable[[], bytes]
) -> None:
    answers = at_once([write] * 20)
    [first] = [answer for answer in answers if "Idempotency-Replayed" not in answer.headers]
    assert first.is_success
    for answer in answers:
        if answer is not first:
            assert_same(answer, first)
    after = state()
    assert_same(write(), first)
    assert state() == after
    assert_took_effect_once(write, json.loads(after)["tasks"])


def test_of_concurrent_requests_with_one_key_one_is_done(alice: Person) -> None:
    def create(number: int) -> Callable[[], httpx.Response]:
        body = {"title": f"Number {number}"}
        return lambda: alice.post(json=body, headers={"Idempotency-Key": "one"})

    answers = at_once([create(number) for number in range(20)])
    [done] = [answer for answer in answers if answer.status_code == 201]
    for answer in answers:
        if answer is not done:
            assert_reused(answer)
    assert alice.get().json()["tasks"] == [done.json()]


@contextmanager
def other_service(database: DatabaseUrl, write: Write) -> Iterator[Write]:
    """The same write, sent to another process's connections."""
    with client_for(settings_for(database)) as http:
        person = write.person
        yield Write(Person(person.id, person.token, http), write.operation, write.task_id)


@pytest.mark.parametrize("operation", REPEATABLE)
def test_of_two_services_that_get_one_key_at_the_same_instant_one_writes(
    database: DatabaseUrl, alice: Person, operation: str
) -> None:
    """Both have looked, and found nothing, before either has written."""
    write = Write(alice, operation, alice.create()["id"])
    lock = "SELECT 1 FROM users WHERE id = $1 FOR UPDATE"  # which the foreign key needs
    with other_service(database, write) as other, ThreadPoolExecutor(2) as both:
        with held(database, lock, int(alice.id)) as holder:
            sent = [both.submit(each) for each in (write, other)]
            wait_for_waiters(database, holder, count=2)
        answers = [each.result() for each in sent]
    [first] = [answer for answer in answers if "Idempotency-Replayed" not in answer.headers]
    [again] = [answer for answer in answers if answer is not first]
    assert_same(again, first)
    assert_took_effect_once(write, alice.get().json()["tasks"])


# An answer that does not arrive


def bytes_of(write: Write) -> bytes:
    """The write as it travels."""
    body = write.body()
    content = json.dumps(body["json"]).encode() if "json" in body else b""
    method, _, path = write.operation.partition(" ")
    return (
        head_of(
            method,
            path.format(user_id=write.person.id, task_id=write.task_id),
            f"Authorization: Bearer {write.person.token}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
            f"Idempotency-Key: {write.key}",
        )
        + content
    )


def test_an_answer_that_is_lost_on_its_way_comes_again(
    alice: Person, write: Write, state: Callable[[], bytes]
) -> None:
    """The connection breaks when the answer is about to arrive."""
    with connection_to(alice.http) as connection:
        connection.sendall(bytes_of(write))
        connection.recv(1)
    after = state()
    again = write()
    assert again.is_success
    assert again.headers["Idempotency-Replayed"] == "true"
    assert state() == after
    assert_took_effect_once(write, json.loads(after)["tasks"])


@pytest.mark.parametrize("operation", [PATCH, COMPLETE, BATCH])
def test_a_client_that_leaves_before_it_is_done_may_repeat_it(
    database: DatabaseUrl, alice: Person, operation: str
) -> None:
    """Whether the write was still done, or ended with its client, its effect is one."""
    write = Write(alice, operation, alice.create()["id"])
    lock = "SELECT 1 FROM tasks WHERE id = $1 FOR UPDATE"
    with held(database, lock, write.task_id) as holder, connection_to(alice.http) as connection:
        connection.sendall(bytes_of(write))
        wait_for_waiters(database, holder)
    first = write()
    assert first.is_success
    assert_same(write(), first)
    assert_took_effect_once(write, alice.get().json()["tasks"])


# A request that fails leaves its key free


def test_a_missing_task_keeps_no_key(alice: Person, write: Write) -> None:
    if write.operation != CREATE:
        refused = Write(alice, write.operation, NO_TASK)()
        assert_refused(refused, 404, "task_not_found")
    first = write()
    assert first.is_success
    assert "Idempotency-Replayed" not in first.headers


@pytest.mark.parametrize("operation", [PATCH, COMPLETE])
def test_a_mismatch_keeps_no_key(alice: Person, operation: str) -> None:
    write = Write(alice, operation, alice.create()["id"])
    refused = write(headers={"If-Match": '"outdated"'})
    assert_refused(refused, 412, "version_mismatch")
    again = write(headers={"If-Match": refused.headers["ETag"]})
    assert again.status_code == 200
    assert "Idempotency-Replayed" not in again.headers


def test_a_request_that_breaks_a_rule_keeps_no_key(write: Write) -> None:
    wrong = {"title": 1, "is_completed": 1, "operations": []}
    assert_refused(write(content=None, json=wrong), 422, "validation_failed")
    assert "Idempotency-Replayed" not in write().headers


def test_an_unknown_user_keeps_no_key(strict: httpx.Client, alice: Person, bob: Person) -> None:
    write = Write(Person(alice.id, alice.token, strict), CREATE, None)
    batch = Write(Person(bob.id, bob.token, strict), BATCH, NO_TASK)
    assert_refused(write(), 404, "user_not_found")
    assert_refused(batch(), 404, "user_not_found")
    alice.create()
    first = write()
    assert first.status_code == 201
    assert_same(write(), first)


@pytest.mark.parametrize("operation", [CREATE, BATCH])
def test_the_first_request_of_all_may_have_a_key(alice: Person, operation: str) -> None:
    """Where a valid token is enough to become a user."""
    batch = {"operations": [{"op": "create", "title": "First"}]}
    body = batch if operation == BATCH else {"title": "First"}
    write = Write(alice, operation, None)
    first = write(json=body)
    assert first.is_success
    assert_same(write(json=body), first)
    assert alice.get().json()["total"] == 1


# Keys


@pytest.mark.parametrize(
    "key",
    [
        "",
        "x" * 256,
        "a key",
        "a\tkey",
        "a-k\xe9y",
        "cl\xc3\xa9",
    ],
    ids=ascii,
)
def test_a_key_is_1_to_255_visible_characters_of_ascii(
    write: Write, state: Callable[[], bytes], key: str
) -> None:
    before = state()
    response = write(headers={"Idempotency-Key": key.encode("latin-1")})
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["header", "Idempotency-Key"]
    assert state() == before


@pytest.mark.parametrize(
    "key",
    ["x", "x" * 255, "".join(map(chr, range(0x21, 0x7F))), '"8e03978e-40d5-43dd-bc93"', "%00"],
)
def test_any_such_key_is_taken_and_compared_as_it_is(alice: Person, key: str) -> None:
    write = Write(alice, CREATE, None, key)
    first = write()
    assert first.status_code == 201
    assert_same(write(), first)
    write.key = key.swapcase() if key.swapcase() != key else f"{key[:-1]}!"
    assert "Idempotency-Replayed" not in write().headers


def test_two_keys_are_none(alice: Person) -> None:
    headers = [
        ("Authorization", f"Bearer {alice.token}"),
        ("Idempotency-Key", "one"),
        ("Idempotency-Key", "two"),
    ]
    response = alice.http.post(alice.tasks, json={"title": "x"}, headers=headers)
    assert_refused(response, 422, "validation_failed")


@pytest.mark.parametrize("key", ["a-key", "not a key"])
def test_put_and_delete_can_be_repeated_without_a_key_and_look_at_none(
    alice: Person, key: str
) -> None:
    path = f"/{alice.create()['id']}"
    headers = {"Idempotency-Key": key}
    puts = [alice.put(path, json={"title": "Buy tea"}, headers=headers) for _ in range(2)]
    assert {response.status_code for response in puts} == {200}
    assert {"Idempotency-Replayed" in response.headers for response in puts} == {False}
    assert len({response.headers["ETag"] for response in puts}) == 2
    deletions = [alice.request("DELETE", path, headers=headers) for _ in range(2)]
    assert [response.status_code for response in deletions] == [204, 404]


# After 24 hours


def make_older(database: DatabaseUrl, person: Person, age: str) -> None:
    """Turn back the time at which this person's answers were kept."""
    execute(
        database,
        "UPDATE kept_answers SET kept_at = now() - $2::text::interval WHERE user_id = $1",
        int(person.id),
        age,
    )


def kept(database: DatabaseUrl, person: Person) -> list[str]:
    query = "SELECT key FROM kept_answers WHERE user_id = $1 ORDER BY key"
    rows = execute(database, query, int(person.id))
    return [row["key"] for row in rows]


def test_an_answer_is_kept_for_24_hours(database: DatabaseUrl, alice: Person, write: Write) -> None:
    first = write()
    make_older(database, alice, "23 hours 59 minutes")
    assert_same(write(), first)


def test_a_key_is_free_again_after_24_hours(
    database: DatabaseUrl, alice: Person, write: Write, state: Callable[[], bytes]
) -> None:
    write()
    make_older(database, alice, "24 hours")
    before = state()
    first = write()
    assert first.is_success
    assert "Idempotency-Replayed" not in first.headers
    assert state() != before
    assert_same(write(), first)


def test_an_expired_key_is_free_for_another_request(database: DatabaseUrl, alice: Person) -> None:
    write = Write(alice, CREATE, None)
    write()
    make_older(database, alice, "25 hours")
    other = write(json={"title": "Other"})
    assert (other.status_code, other.json()["title"]) == (201, "Other")
    assert_reused(write())


def test_of_concurrent_duplicates_with_an_expired_key_one_has_an_effect(
    database: DatabaseUrl, alice: Person, write: Write, state: Callable[[], bytes]
) -> None:
    write()
    make_older(database, alice, "24 hours")
    answers = at_once([write] * 20)
    [first] = [answer for answer in answers if "Idempotency-Replayed" not in answer.headers]
    assert first.is_success
    for answer in answers:
        if answer is not first:
            assert_same(answer, first)


# The sweeper


def keep_many(database: DatabaseUrl, person: Person, count: int, age: str, prefix: str) -> None:
    execute(
        database,
        """INSERT INTO kept_answers (user_id, key, request, body, kept_at)
           SELECT $1, $4 || n, '', '', now() - $3::text::interval FROM generate_series(1, $2) n""",
        int(person.id),
        count,
        age,
        prefix,
    )


def sweeping(
    database: DatabaseUrl,
    work: Callable[[Executor], Any] = lambda opened: sweep(opened, SWEEP),
) -> Any:
    """What comes of work with a database as the service has it."""

    async def run() -> Any:
        opened = Executor(database, pool_size=1, connect_timeout=PATIENCE, statement_timeout=20)
        await opened.open()
        try:
            return await work(opened)
        finally:
            await opened.close()

    return asyncio.run(run())


def test_the_sweeper_removes_what_has_expired_and_nothing_else(
    database: DatabaseUrl, alice: Person, bob: Person
) -> None:
    for person in (alice, bob):
        person.create()
    keep_many(database, alice, 3, "23 hours 59 minutes", "young-")
    keep_many(database, alice, 3, "24 hours", "old-")
    keep_many(database, bob, 3, "1000 days", "old-")
    tasks = alice.get().content
    sweeping(database)
    assert kept(database, alice) == ["young-1", "young-2", "young-3"]
    assert kept(database, bob) == []
    assert alice.get().content == tasks


def test_the_sweeper_takes_small_pieces_until_nothing_is_left(
    database: DatabaseUrl, alice: Person
) -> None:
    alice.create()
    keep_many(database, alice, 2 * MAX_SWEPT_ROWS + 1, "25 hours", "old-")
    piece = sweeping(database, lambda opened: opened.fetch_row(SWEEP.statement, SWEEP.values))
    assert piece["swept"] <= MAX_SWEPT_ROWS
    sweeping(database)
    assert kept(database, alice) == []


def test_the_sweeper_waits_for_nobody(database: DatabaseUrl, alice: Person) -> None:
    """It leaves what somebody holds; were it to wait, its statement would time out here."""
    alice.create()
    keep_many(database, alice, 3, "25 hours", "old-")
    lock = "SELECT 1 FROM kept_answers WHERE user_id = $1 AND key = 'old-2' FOR UPDATE"
    with held(database, lock, int(alice.id)):
        sweeping(database)
        assert kept(database, alice) == ["old-2"]
    sweeping(database)
    assert kept(database, alice) == []


def test_the_sweeper_goes_on_where_the_server_refuses_its_locks(
    database: DatabaseUrl, alice: Person
) -> None:
    """As Citus does on several shards, and every PostgreSQL where rows are counted."""
    alice.create()
    keep_many(database, alice, 3, "25 hours", "old-")
    refused = Statement("SELECT count(*) AS swept FROM kept_answers FOR UPDATE", (), writes=True)
    sweeping(database, lambda opened: sweep(opened, SWEEP._replace(statement=refused)))
    assert kept(database, alice) == []


def test_nobody_waits_for_the_sweeper(database: DatabaseUrl, alice: Person, write: Write) -> None:
    """While it has removed others' answers and has not finished, requests with keys go on."""
    first = write()
    keep_many(database, alice, 3, "25 hours", "old-")
    remove = "DELETE FROM kept_answers WHERE user_id = $1 AND key LIKE 'old-%'"
    with held(database, remove, int(alice.id)):
        assert_same(write(), first)
        write.key = "another-key"
        assert write().is_success


def test_a_service_sweeps_by_itself_now_and_then(
    database: DatabaseUrl, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.create()
    keep_many(database, alice, 3, "25 hours", "old-")
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.1)
    with client_for(settings_for(database)) as http:
        Person(alice.id, alice.token, http).create()  # it sweeps only after writes
        eventually(lambda: not kept(database, alice), "the service has swept")
