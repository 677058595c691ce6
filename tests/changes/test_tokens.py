"""Tokens of the feed: whose they are, and when they say that everything has to be read again."""

import asyncio
import base64
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.calls import assert_refused
from support.feed import changes, ids, token_of_now
from support.people import Person
from support.programs import run
from support.rows import execute, held
from support.service import client_for, serving, settings_for
from support.waiting import PATIENCE, eventually
from taskapi.changes.position import PACKED, FeedPosition, issue_token, read_token
from taskapi.clock.sweeping import tombstones
from taskapi.config import MAX_ID
from taskapi.database import sweeper
from taskapi.database.executor import Executor
from taskapi.database.sweeper import MAX_SWEPT_ROWS, sweep
from taskapi.database.url import DatabaseUrl
from taskapi.edge.conditional import EPOCH
from taskapi.edge.cursor import InvalidCursor

CLOCK = "SELECT started_at, changed_at FROM user_clocks WHERE user_id = $1"

BYTES = PACKED.size


def listened(person: Person, since: str, header: str | None = None) -> httpx.Response:
    """The response to somebody who wants events, of which none has to come."""
    headers = {} if header is None else {"Last-Event-ID": header}
    headers["Authorization"] = f"Bearer {person.token}"
    url, params = f"{person.tasks}/events", {"since": since}
    with person.http.stream("GET", url, params=params, headers=headers) as response:
        if response.is_error:
            response.read()
        return response


def assert_to_be_read_again(person: Person, since: str) -> None:
    for response in (changes(person, since), listened(person, since)):
        assert_refused(response, 410, "resync_required")
    assert changes(person).status_code == 200


def assert_valid(person: Person, since: str) -> None:
    assert changes(person, since).status_code == 200
    assert listened(person, since).status_code == 200


# Whose they are


def test_another_users_token_is_422(alice: Person, bob: Person) -> None:
    alice.create()
    since = token_of_now(alice)
    assert_refused(changes(bob, since), 422, "validation_failed")
    assert_refused(listened(bob, since), 422, "validation_failed")
    assert_refused(listened(bob, token_of_now(bob), since), 422, "validation_failed")


def test_another_users_position_in_ones_own_token_tells_nothing_of_theirs(
    alice: Person, bob: Person
) -> None:
    alice.create()
    position = read_token(int(alice.id), token_of_now(alice))
    own = bob.create()
    assert_refused(changes(bob, issue_token(int(bob.id), position)), 410, "resync_required")
    started_at = read_token(int(bob.id), token_of_now(bob)).started_at
    forged = issue_token(int(bob.id), position._replace(started_at=started_at))
    told = changes(bob, forged)
    assert told.status_code == 410 or ids(told.json()) in ([], [own["id"]])


@pytest.mark.parametrize(
    "since", [" ", "x", "=", "AAAA", "A" * 54, "A" * 56, "A" * 5000, "ä", "\u2028", "%00", "null"]
)
def test_what_is_no_token_is_422(alice: Person, since: str) -> None:
    assert_refused(changes(alice, since), 422, "validation_failed")
    assert_refused(listened(alice, since), 422, "validation_failed")


def test_a_token_with_any_bit_changed_is_never_an_error_of_the_service(alice: Person) -> None:
    task = alice.create()
    packed = base64.urlsafe_b64decode(token_of_now(alice) + "=")
    for bit in range(0, 8 * BYTES, 5):
        number = int.from_bytes(packed) ^ (1 << bit)
        changed = base64.urlsafe_b64encode(number.to_bytes(BYTES)).rstrip(b"=").decode()
        response = changes(alice, changed)
        assert response.status_code in {200, 410, 422}, response.text
        if response.status_code == 200:
            assert ids(response.json()) in ([], [task["id"]])


@pytest.mark.parametrize("time", [-(2**63), -(2**55), 0, 2**55, 2**57, 2**63 - 1])
@pytest.mark.parametrize("part", [2, 4, 5])
def test_times_of_any_size_are_never_an_error_of_the_service(
    alice: Person, part: int, time: int
) -> None:
    alice.create()
    parts = list(PACKED.unpack(base64.urlsafe_b64decode(token_of_now(alice) + "=")))
    parts[part] = time
    forged = base64.urlsafe_b64encode(PACKED.pack(*parts)).rstrip(b"=").decode()
    response = changes(alice, forged)
    assert response.status_code in {200, 410, 422}, response.text


times = st.integers(0, 2**55).map(lambda count: EPOCH + timedelta(microseconds=count))


@given(st.builds(FeedPosition, times, st.integers(1, MAX_ID), times, times))
def test_a_token_has_the_whole_position(position: FeedPosition) -> None:
    token = issue_token(7, position)
    assert read_token(7, token) == position
    assert len(token) == 55
    for stranger in (8, "7"):
        with pytest.raises(InvalidCursor):
            read_token(stranger, token)


# When everything has to be read again


def forget(database: DatabaseUrl, person: Person) -> None:
    """Delete the account, as the auth server does."""
    execute(database, "DELETE FROM users WHERE id = $1", int(person.id))


def test_a_token_of_another_life_of_the_account_is_410(
    database: DatabaseUrl, alice: Person
) -> None:
    alice.create()
    since = token_of_now(alice)
    forget(database, alice)
    assert_to_be_read_again(alice, since)
    alice.create()
    assert_to_be_read_again(alice, since)


def test_a_token_of_a_database_that_was_restored_is_410(
    database: DatabaseUrl, alice: Person
) -> None:
    alice.create()
    before = execute(database, CLOCK, int(alice.id))[0]["changed_at"]
    alice.create()
    since = token_of_now(alice)
    back = "UPDATE user_clocks SET changed_at = $2 WHERE user_id = $1"
    execute(database, back, int(alice.id), before)
    assert_to_be_read_again(alice, since)


AGE = """WITH stones AS (
    UPDATE tombstones SET deleted_at = deleted_at - $2::interval WHERE user_id = $1
), tasks AS (UPDATE tasks SET updated_at = updated_at - $2::interval WHERE user_id = $1)
UPDATE user_clocks SET started_at = started_at - $2::interval,
    changed_at = changed_at - $2::interval, swept_at = swept_at - $2::interval WHERE user_id = $1"""


def age(database: DatabaseUrl, person: Person, by: timedelta) -> None:
    """Have everything of this person happened so much earlier."""
    execute(database, AGE, int(person.id), by, moves_clock=False)


def aged(person: Person, since: str, by: timedelta) -> str:
    """The token as it would have been then."""
    old = read_token(int(person.id), since)
    times = (old.changed_at - by, old.task_id, old.deletions_since - by, old.started_at - by)
    return issue_token(int(person.id), FeedPosition(*times))


@pytest.fixture
def deletion(alice: Person) -> tuple[str, str, object]:
    """The tokens of somebody who was not told of a deletion, and of somebody who was; the id."""
    alice.create()
    gone = alice.create()["id"]
    before = token_of_now(alice)
    alice.delete(f"/{gone}")
    return before, token_of_now(alice), gone


LESS, MORE = timedelta(days=29, hours=23), timedelta(days=30, hours=1)


def test_a_deletion_is_told_for_thirty_days(
    database: DatabaseUrl, alice: Person, deletion: tuple[str, str, object]
) -> None:
    before, after, gone = deletion
    age(database, alice, LESS)
    assert ids(changes(alice, aged(alice, before, LESS)).json()) == [gone]
    age(database, alice, MORE - LESS)
    assert_to_be_read_again(alice, aged(alice, before, MORE))
    later = alice.create()
    assert ids(changes(alice, aged(alice, after, MORE)).json()) == [later["id"]], "missed nothing"


def swept(database: DatabaseUrl, days: int) -> None:
    """Have a service sweep that tells deletions for so many days."""

    async def run() -> None:
        executor = Executor(database, pool_size=1, connect_timeout=PATIENCE, statement_timeout=20)
        await sweep(executor, tombstones(timedelta(days=days)))
        await executor.close()

    asyncio.run(run())


@pytest.fixture
def patient(database: DatabaseUrl, alice: Person) -> Iterator[Person]:
    """Alice, at a service that tells deletions for a year."""
    with client_for(settings_for(database, changes_retention_days=365)) as client:
        yield Person(alice.id, alice.token, client)


def test_what_was_swept_is_410_although_it_is_to_be_told_longer_now(
    database: DatabaseUrl, alice: Person, patient: Person, deletion: tuple[str, str, object]
) -> None:
    before, after, gone = deletion
    age(database, alice, MORE)
    early, late = aged(alice, before, MORE), aged(alice, after, MORE)
    assert ids(changes(patient, early).json()) == [gone]
    alice.delete(f"/{alice.create()['id']}")
    swept(database, 30)
    for person in (alice, patient):
        assert_to_be_read_again(person, early)
        assert_valid(person, late)


def test_the_sweeper_leaves_what_is_still_told(
    database: DatabaseUrl, alice: Person, bob: Person, deletion: tuple[str, str, object]
) -> None:
    before, _, gone = deletion
    bob.delete(f"/{bob.create()['id']}")
    age(database, alice, LESS)
    age(database, bob, 2 * MORE)
    swept(database, 30)
    stones = "SELECT user_id FROM tombstones WHERE user_id = ANY($1)"
    both = [int(alice.id), int(bob.id)]
    assert [stone["user_id"] for stone in execute(database, stones, both)] == [int(alice.id)]
    assert ids(changes(alice, aged(alice, before, LESS)).json()) == [gone]


def test_the_sweeper_takes_many_in_steps_and_waits_for_no_writer(
    database: DatabaseUrl, alice: Person, bob: Person
) -> None:
    for person in (alice, bob):
        person.create()
        stones = """INSERT INTO tombstones (user_id, deleted_at, task_id)
            SELECT $1, now() - '31 days'::interval - n * '1 s'::interval, n
            FROM generate_series(1, $2) n"""
        execute(database, stones, int(person.id), MAX_SWEPT_ROWS + 1)
    left = "SELECT count(*) FROM tombstones WHERE user_id = $1"
    with held(database, f"{CLOCK} FOR UPDATE", int(bob.id)):
        swept(database, 30)
        assert execute(database, left, int(alice.id))[0][0] == 0
    swept(database, 30)
    assert execute(database, left, int(bob.id))[0][0] == 0
    told = execute(database, "SELECT swept_at FROM user_clocks WHERE user_id = $1", int(bob.id))
    assert told[0]["swept_at"] is not None


def test_a_service_sweeps_tombstones_by_itself(
    database: DatabaseUrl, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.delete(f"/{alice.create()['id']}")
    age(database, alice, timedelta(days=2))
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.1)
    left = "SELECT 1 FROM tombstones WHERE user_id = $1"
    with serving(settings_for(database, changes_retention_days=1)):
        eventually(lambda: not execute(database, left, int(alice.id)), "the service has swept")


# A new epoch


def new_epoch(database: DatabaseUrl, folder: Path, **settings: object) -> str:
    done = run(
        "taskapi", "new-epoch", folder=folder, settings={"DATABASE_URL": database.dsn, **settings}
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_after_a_new_epoch_every_token_is_410(
    database: DatabaseUrl, alice: Person, bob: Person, tmp_path: Path
) -> None:
    people = (alice, bob)
    since = [token_of_now(person) for person in people]
    ahead = "UPDATE user_clocks SET changed_at = '2999-01-01Z' WHERE user_id = $1"
    execute(database, ahead, int(bob.id))
    assert "A new epoch has begun for " in new_epoch(database, tmp_path)
    for person, token in zip(people, since, strict=True):
        assert_to_be_read_again(person, token)
        assert_valid(person, token_of_now(person))
    assert execute(database, CLOCK, int(bob.id))[0]["changed_at"].year == 2999
