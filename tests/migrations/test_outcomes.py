"""Migration 003: the texts of stored responses go, both ways, and no write is done twice.

Also while the release before still runs on the new schema.
"""

from collections.abc import Iterator
from typing import Any

import asyncpg
import httpx
import pytest
from alembic import command
from alembic.config import Config

from migrations.test_migrations import alembic
from support.calls import REPEATABLE
from support.own_database import OwnDatabase
from support.people import Person, token_for
from support.retries import BATCH, Write, assert_same, assert_took_effect_once
from support.service import client_for, prepare, settings_for

KEPT = "SELECT * FROM kept_answers ORDER BY key"

AS_BEFORE = "UPDATE kept_answers SET body = $1"
OF_A_BATCH = ", statuses = NULL, task_ids = NULL, versions = NULL"

CLAIM_BEFORE = """
    INSERT INTO kept_answers (user_id, key, request, body) SELECT 1, $1, $2, ''
"""
"""How the release before takes a key."""

MANY = """
    INSERT INTO kept_answers (user_id, key, request, body)
    SELECT 1, n, '', convert_to('{"results":[{"status":201,"task":{"id":' || n
        || ',"title":"Secret","updated_at":"2026-11-21T10:25:00.360226Z"}}]}', 'UTF8')
    FROM generate_series(1, 2500) n
"""


@pytest.fixture
def config(empty: OwnDatabase) -> Config:
    settings = settings_for(empty.address)
    config = alembic(settings, empty)
    prepare(empty.address)
    return config


@pytest.fixture
def alice(empty: OwnDatabase, config: Config) -> Iterator[Person]:
    del config
    with client_for(settings_for(empty.address)) as http:
        yield Person("1", token_for("1"), http)


@pytest.fixture(params=REPEATABLE)
def write(alice: Person, request: pytest.FixtureRequest) -> Write:
    return Write(alice, request.param, alice.create("Buy milk")["id"])


def as_before(empty: OwnDatabase, response: httpx.Response, *, more: str = "") -> None:
    """Have the row as the release before stores it."""
    assert len(empty.run(f"{AS_BEFORE}{more} RETURNING 1", response.content)) == 1


def test_what_the_release_before_stores_later_is_found(empty: OwnDatabase, write: Write) -> None:
    """Its rows have a body, and none of the new columns."""
    first = write()
    as_before(empty, first, more=OF_A_BATCH)
    assert_same(write(), first)
    assert_took_effect_once(write, write.person.get().json()["tasks"])


def test_the_release_before_finds_that_a_key_is_taken(empty: OwnDatabase, write: Write) -> None:
    write()
    [row] = empty.run(KEPT)
    with pytest.raises(asyncpg.UniqueViolationError) as refused:
        empty.run(CLAIM_BEFORE, row["key"], row["request"])
    assert refused.value.constraint_name == "kept_answers_pkey"
    assert row["body"] == b""
    assert (row["task_id"] is None) is (row["version"] is None) is (write.operation == BATCH)


def test_the_way_up_removes_the_texts_and_keeps_the_outcomes(
    empty: OwnDatabase, config: Config, write: Write
) -> None:
    first = write()
    command.downgrade(config, "taskapi_002")
    as_before(empty, first)
    prepare(empty.address)
    [row] = empty.run(KEPT)
    assert b"Buy" not in row["body"]
    assert_same(write(), first)
    assert_took_effect_once(write, write.person.get().json()["tasks"])


def test_the_way_down_and_up_again_forgets_no_key(
    empty: OwnDatabase, config: Config, write: Write
) -> None:
    first = write()
    command.downgrade(config, "taskapi_002")
    [row] = empty.run(KEPT)
    assert (b'"results"' in row["body"]) is (write.operation == BATCH)
    prepare(empty.address)
    assert_same(write(), first)
    assert_took_effect_once(write, write.person.get().json()["tasks"])


def test_a_deletion_of_a_batch_is_known_again_after_each_way(
    empty: OwnDatabase, config: Config, alice: Person
) -> None:
    operations: list[dict[str, Any]] = [
        {"op": "create", "title": "Buy tea"},
        {"op": "delete", "id": alice.create()["id"]},
    ]
    request = {"json": {"operations": operations}, "headers": {"Idempotency-Key": "a-key"}}
    first = alice.post("/batch", **request)
    for _ in range(2):
        command.downgrade(config, "taskapi_002")
        prepare(empty.address)
    assert_same(alice.post("/batch", **request), first)


def test_rows_of_many_pieces_are_converted(empty: OwnDatabase, config: Config) -> None:
    command.downgrade(config, "taskapi_002")
    empty.run("INSERT INTO users (id) VALUES (1)")
    empty.run(MANY)
    prepare(empty.address)
    rows = empty.run(KEPT)
    assert len(rows) == 2500
    assert [row for row in rows if b"Secret" in row["body"]] == []
    assert {f'"id" : {row["key"]}'.encode() in row["body"] for row in rows} == {True}
