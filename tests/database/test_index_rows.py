"""No row of an index can become larger than PostgreSQL allows, whatever clients send.

A larger one would be a 500 (`index row size … exceeds btree version 4 maximum 2704`).
"""

import random
from collections.abc import Iterator

import httpx
import pytest
from sqlalchemy import BigInteger, DateTime, Index, PrimaryKeyConstraint, Table, Text
from sqlalchemy.types import TypeEngine
from sqlmodel import AutoString

from support.own_database import own_database
from support.people import Person, token_for
from support.service import client_of, prepare, serving, settings_for
from taskapi.auth.claims import MAX_SUBJECT_BYTES
from taskapi.database.url import DatabaseUrl
from taskapi.migrations.metadata import metadata_for

MAX_INDEX_ROW = 2704
"""Bytes of a B-tree (PostgreSQL: BTMaxItemSize, a third of a page)."""

ROW_HEADER, VALUE_HEADER = 8, 8
"""Bytes in front of a row, and in front of a value at most, with what aligns it."""


def indexes_of(table: Table) -> list[Index | PrimaryKeyConstraint]:
    return [*sorted(table.indexes, key=lambda index: str(index.name)), table.primary_key]


INDEXES = {
    f"{table.name}: {', '.join(index.columns.keys())}": index
    for table in metadata_for("text", "users").tables.values()
    for index in indexes_of(table)
}


def largest(kind: TypeEngine[object]) -> int:
    """Bytes of the largest value of a column, as it is in an index, uncompressed."""
    if isinstance(kind, Text):  # of ids alone
        return MAX_SUBJECT_BYTES + VALUE_HEADER
    if isinstance(kind, AutoString):
        assert kind.length is not None, "an indexed text needs a bound"
        size: int = 4 * kind.length + VALUE_HEADER
        return size
    assert isinstance(kind, BigInteger | DateTime), "say here how large its values are"
    return VALUE_HEADER + 8


@pytest.mark.parametrize("name", INDEXES)
def test_the_largest_row_of_every_index_fits(name: str) -> None:
    columns = INDEXES[name].columns
    assert ROW_HEADER + sum(largest(column.type) for column in columns) <= MAX_INDEX_ROW


def incompressible(characters: int, alphabet: range, seed: int = 1) -> str:
    """A text that PostgreSQL cannot make smaller."""
    return "".join(map(chr, random.Random(seed).choices(alphabet, k=characters)))  # noqa: S311 - no secret


ASCII, FOUR_BYTES = range(0x21, 0x7F), range(0x20000, 0x2A000)

IDS = {
    "255 of one byte": incompressible(255, range(0x61, 0x7B)),
    "127 of two bytes": incompressible(127, range(0x400, 0x480)),
    "63 of four bytes": incompressible(63, FOUR_BYTES),
}


@pytest.fixture(scope="module")
def http(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A service whose ids are text."""
    with own_database(database) as own:
        prepare(own.address, user_id_type="text")
        settings = settings_for(own.address, user_id_type="text")
        with serving(settings) as address, client_of(address) as client:
            yield client


@pytest.mark.parametrize("user_id", IDS.values(), ids=IDS)
def test_the_longest_title_under_the_longest_id_is_stored_and_sorted(
    user_id: str, http: httpx.Client
) -> None:
    alice = Person(user_id, token_for(user_id), http)
    titles = [incompressible(500, FOUR_BYTES, seed) for seed in (2, 3)]
    key = {"Idempotency-Key": incompressible(255, ASCII)}
    created = alice.post(json={"title": titles[0], "description": titles[1] * 10}, headers=key)
    assert created.status_code == 201, created.text
    again = alice.post(json={"title": titles[0], "description": titles[1] * 10}, headers=key)
    assert again.status_code == 201
    batch = {"operations": [{"op": "create", "title": title} for title in titles]}
    assert alice.post("/batch", json=batch, headers={"Idempotency-Key": "k" * 255}).is_success
    path = f"/{created.json()['id']}"
    assert alice.put(path, json={"title": titles[1]}).json()["title"] == titles[1]
    first = alice.get("?sort=title&limit=2")
    assert len(alice.get(first.links["next"]["url"]).json()["tasks"]) == 1


@pytest.mark.parametrize(
    "user_id",
    ["x" * 256, "é" * 128, "🎂" * 64, "🎂" * 255],
    ids=["256", "2 x 128", "4 x 64", "all"],
)
def test_a_longer_id_is_401(user_id: str, http: httpx.Client) -> None:
    response = Person(user_id, token_for(user_id), http).get()
    assert response.status_code == 401
    assert "longer than 255 bytes" in response.json()["detail"]
