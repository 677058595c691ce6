"""What a request with an `Idempotency-Key` leaves behind: few bytes, and no text."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import pytest

from support.calls import REPEATABLE
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.retries import BATCH, CREATE, Write
from support.service import client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl
from taskapi.idempotency.models import MAX_KEY_CHARACTERS

Json = dict[str, Any]

BYTES = "SELECT pg_total_relation_size('kept_answers') AS bytes"

KEPT = "SELECT * FROM kept_answers ORDER BY key"


def headers() -> dict[str, str]:
    """A new key, of the greatest length."""
    return {"Idempotency-Key": secrets.token_hex(MAX_KEY_CHARACTERS)[:MAX_KEY_CHARACTERS]}


def operations(number: int, task_id: object) -> list[Json]:
    """So many operations, of the shortest kind that there is."""
    return [{"op": "update", "id": task_id}] * number


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database in which everything is counted."""
    with own_database(database) as own:
        prepare(own.address)
        yield own


@pytest.fixture
def alice(own: OwnDatabase) -> Iterator[Person]:
    """The only user of it."""
    with client_for(settings_for(own.address)) as http:
        yield Person("1", token_for("1"), http)


# Bytes


@pytest.mark.parametrize("more", [{}, {"atomic": False}], ids=["atomic", "each"])
@pytest.mark.parametrize(("number", "times"), [(0, 600), (1, 600), (2, 300), (10, 100), (100, 30)])
def test_a_request_leaves_at_most_four_times_its_size_and_a_kilobyte(
    own: OwnDatabase, alice: Person, number: int, times: int, more: Json
) -> None:
    """With a key of the greatest length, its indexes, and whatever a vacuum would still remove.

    Without operations it is a single patch, which changes nothing either.
    """
    task = alice.create("x", secrets.token_hex(2500))  # of which no compression makes little
    batch: Json = {"operations": operations(number, task["id"])} | more
    body: Json = batch if number else {"title": "x"}
    content = json.dumps(body, separators=(",", ":"))

    def left() -> float:
        before = own.run(BYTES)[0]["bytes"]
        for _ in range(times):
            path = "/batch" if number else f"/{task['id']}"
            send = alice.post if number else alice.patch
            options: Json = {"headers": headers() | {"Content-Type": "application/json"}}
            assert send(path, content=content, **options).status_code == 200
        bytes_: int = own.run(BYTES)[0]["bytes"] - before
        return bytes_ / times

    # PostgreSQL reuses the space of a dead row only if no older snapshot is open, and it may be
    # analyzing a table just then: one round of three has to go by undisturbed.
    assert any(left() <= 4 * len(content) + 1000 for _ in range(3))


@pytest.mark.parametrize("operation", REPEATABLE)
def test_no_text_is_kept(own: OwnDatabase, alice: Person, operation: str) -> None:
    write = Write(alice, operation, alice.create("Secret", "Secret")["id"])
    assert write().is_success
    [row] = own.run(KEPT)
    assert row["body"] == b""
    assert not [value for value in row.values() if "Buy" in str(value) or "Secret" in str(value)]


def test_the_outcome_of_a_batch_has_the_status_id_and_version_of_each_result(
    own: OwnDatabase, alice: Person
) -> None:
    gone = alice.create()["id"]
    told = [
        {"op": "delete", "id": gone},
        {"op": "create", "title": "x"},
        {"op": "update", "id": gone + 1},  # type: ignore[operator]  # an id is a number
    ]
    results = alice.post("/batch", json={"operations": told}, headers=headers()).json()["results"]
    [row] = own.run(KEPT)
    created = results[1]["task"]
    assert (row["statuses"], row["task_ids"]) == ([204, 201, 200], [gone, *[created["id"]] * 2])
    assert row["versions"][0] is None
    assert {f"{version:%Y-%m-%dT%H:%M:%S.%fZ}" for version in row["versions"][1:]} == {
        created["updated_at"]
    }


# A primary key that is not ours


@pytest.mark.parametrize("operation", [CREATE, BATCH])
def test_an_id_that_is_taken_already_is_unavailable_after_one_try(
    own: OwnDatabase, alice: Person, operation: str
) -> None:
    """As after logical replication, which leaves the sequence behind the ids of the rows."""
    taken = [alice.create()["id"] for _ in range(20)]
    own.run("ALTER TABLE tasks ALTER COLUMN id RESTART WITH 1")
    refused = Write(alice, operation, taken[0])()
    assert (refused.status_code, refused.json()["code"]) == (503, "database_unavailable")
    [used] = own.run("SELECT last_value FROM tasks_id_seq")
    assert used["last_value"] == taken[0]
    assert own.run(KEPT) == []
