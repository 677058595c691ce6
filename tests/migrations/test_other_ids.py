"""Everything that clients can do works with ids that are text or uuids, too."""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from uuid import uuid4

import httpx
import pytest

from support.batches import create, done, idempotent, statuses
from support.calls import CALLS, NO_TASK, REPEATABLE, assert_refused, call
from support.feed import changes, ids, token_of_now, waited
from support.metrics import figures, figures_at_rest, value
from support.own_database import OwnDatabase, own_database
from support.people import Person, sign, token_for
from support.retries import Write, assert_same, assert_took_effect_once
from support.service import client_for, prepare, settings_for
from support.waiting import eventually
from taskapi.clock.epoch import MAX_CLOCKS, begin_epoch
from taskapi.config import Settings
from taskapi.database.executor import Executor
from taskapi.database.url import DatabaseUrl

KINDS: dict[str, Callable[[], str]] = {
    "text": lambda: uuid4().hex,
    "uuid": lambda: str(uuid4()),
}
"""How the auth server makes an id of each type."""

CLOCKS = """
WITH known AS (
    INSERT INTO users (id) SELECT gen_random_uuid()::{kind} FROM generate_series(1, {count})
    RETURNING id
)
INSERT INTO user_clocks (user_id, started_at, changed_at) SELECT id, now(), now() FROM known
"""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """The type of the ids."""
    kind: str = request.param
    return kind


@pytest.fixture(scope="module")
def own(kind: str, database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database whose users have ids of this type."""
    with own_database(database) as own:
        prepare(own.address, user_id_type=kind)
        yield own


@pytest.fixture(scope="module")
def settings(own: OwnDatabase, kind: str) -> Settings:
    """The settings of its service."""
    return settings_for(own.address, user_id_type=kind)


@pytest.fixture(scope="module")
def client(settings: Settings) -> Iterator[httpx.Client]:
    """A client of its service."""
    with client_for(settings) as client:
        yield client


@pytest.fixture
def alice(kind: str, client: httpx.Client) -> Person:
    """A user whom no other test knows."""
    user_id = KINDS[kind]()
    return Person(user_id, token_for(user_id), client)


@pytest.fixture
def bob(kind: str, client: httpx.Client) -> Person:
    """Another one."""
    user_id = KINDS[kind]()
    return Person(user_id, token_for(user_id), client)


@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_reaches_ones_own_tasks_and_no_others(
    alice: Person, bob: Person, operation: str
) -> None:
    task = alice.create()
    assert task["user_id"] == alice.id

    def called(token: str | None, user_id: str, task_id: object = task["id"]) -> httpx.Response:
        return call(alice.http, operation, user_id=user_id, token=token, task_id=task_id)

    assert_refused(called(None, alice.id), 401, "not_authenticated")
    forged = sign({"sub": alice.id, "exp": 2**40}, "another secret, just as long as the real one")
    assert_refused(called(forged, alice.id), 401, "invalid_token")
    assert_refused(called(bob.token, alice.id), 403, "forbidden")
    assert_refused(called(alice.token, alice.id.upper()), 403, "forbidden")
    if "{task_id}" in operation:
        assert_refused(called(bob.token, bob.id), 404, "task_not_found")
        assert_refused(called(alice.token, alice.id, NO_TASK), 404, "task_not_found")
    assert alice.get().json()["tasks"] == [task]
    assert called(alice.token, alice.id).status_code == CALLS[operation].success


def test_only_who_is_in_the_users_table_is_known(
    own: OwnDatabase, settings: Settings, alice: Person
) -> None:
    with client_for(settings.model_copy(update={"create_unknown_users": False})) as client:
        known = Person(alice.id, alice.token, client)
        assert_refused(known.post(json={"title": "Buy milk"}), 404, "user_not_found")
        own.run("INSERT INTO users (id) VALUES ($1)", alice.id)
        assert known.create()["user_id"] == alice.id
        own.run("DELETE FROM users WHERE id = $1", alice.id)
        assert_refused(known.get(), 404, "user_not_found")


def test_whoever_waits_is_told_of_what_other_programs_write(
    own: OwnDatabase, alice: Person
) -> None:
    """Their triggers move the clock of the owner, about which the service asks."""
    alice.create()
    figures_at_rest(alice.http)
    since = token_of_now(alice)
    insert = "INSERT INTO tasks (title, user_id) VALUES ('Call Mum', $1) RETURNING id"
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(waited, alice, since, 30)
        eventually(lambda: value(figures(alice.http), "taskapi_waiting_reads") == 1, "they wait")
        (row,) = own.run(insert, alice.id)
        assert ids(waiting.result().json()) == [row["id"]]
    own.run("DELETE FROM tasks WHERE id = $1", row["id"])
    assert changes(alice, since).json()["changes"] == [
        {"id": row["id"], "key": None, "etag": None, "task": None}
    ]


def test_tokens_of_the_feed_and_cursors_are_their_users_own(alice: Person, bob: Person) -> None:
    for person in (alice, bob):
        person.create()
        person.create()
    assert_refused(changes(bob, token_of_now(alice)), 422, "validation_failed")
    cursor = alice.get("?limit=1").json()["next_cursor"]
    assert_refused(bob.get(f"?limit=1&cursor={cursor}"), 422, "validation_failed")


def test_a_new_epoch_begins_for_everybody(
    own: OwnDatabase, kind: str, alice: Person, bob: Person
) -> None:
    """Also for more users than one step of it reaches."""
    people = (alice, bob)
    for person in people:
        person.create()
    since = [token_of_now(person) for person in people]
    own.run(CLOCKS.format(kind=kind, count=2 * MAX_CLOCKS))
    (before,) = own.run("SELECT count(*) AS clocks, max(started_at) AS latest FROM user_clocks")
    assert asyncio.run(begun(own.address)) == before["clocks"]
    assert own.run("SELECT FROM user_clocks WHERE started_at <= $1", before["latest"]) == []
    for person, token in zip(people, since, strict=True):
        assert_refused(changes(person, token), 410, "resync_required")


async def begun(address: DatabaseUrl) -> int:
    """Begin a new epoch; for how many users it began."""
    executor = Executor(address, pool_size=1, connect_timeout=5)
    try:
        *_, done = [done async for done in begin_epoch(executor)]
    finally:
        await executor.close()
    return done


@pytest.mark.parametrize("operation", REPEATABLE)
def test_a_write_with_a_key_is_done_once(alice: Person, operation: str) -> None:
    write = Write(alice, operation, alice.create()["id"])
    first = write()
    assert first.is_success
    assert_same(write(), first)
    assert_took_effect_once(write, alice.get().json()["tasks"])


@pytest.mark.parametrize("atomic", [True, False])
def test_a_create_with_a_key_makes_one_task(alice: Person, atomic: bool) -> None:
    operations = [create("c-1"), {"op": "complete", "key": "c-1", "is_completed": True}]
    for first in (201, 200):
        results = done(alice, *operations, atomic=atomic, **idempotent(f"once-{first}"))
        assert statuses(results) == [first, 200]
    assert alice.get().json()["total"] == 1


def test_lists_are_filtered_and_read_in_pages(alice: Person) -> None:
    created = [alice.create(title) for title in ("Buy milk", "Call Mum", "Buy bread")]
    first = alice.get("?q=buy&sort=title&limit=1")
    second = alice.get(first.links["next"]["url"])
    assert [page.json()["tasks"] for page in (first, second)] == [[created[2]], [created[0]]]
    assert second.json()["total"] == 2


def test_no_update_is_lost(alice: Person) -> None:
    created = alice.post(json={"title": "Buy milk"})
    path, version = f"/{created.json()['id']}", {"If-Match": created.headers["ETag"]}
    assert alice.patch(path, json={"title": "Buy tea"}, headers=version).status_code == 200
    refused = alice.patch(path, json={"title": "Buy soap"}, headers=version)
    assert_refused(refused, 412, "version_mismatch")
