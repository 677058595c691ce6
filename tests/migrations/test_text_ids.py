"""Everything that clients have beyond the six operations works with ids that are text, too."""

from collections.abc import Iterator

import pytest

from support.batches import create, done, idempotent, statuses
from support.calls import REPEATABLE, assert_refused
from support.own_database import OwnDatabase
from support.people import Person, token_for
from support.retries import Write, assert_same, assert_took_effect_once
from support.service import client_of, prepare, serving, settings_for


@pytest.fixture
def alice(empty: OwnDatabase) -> Iterator[Person]:
    """A user with an id as Better Auth makes it, of a service whose ids are text."""
    prepare(empty.address, user_id_type="text")
    with (
        serving(settings_for(empty.address, user_id_type="text")) as address,
        client_of(address) as http,
    ):
        yield Person("Kx3mQ9vT2bLw", token_for("Kx3mQ9vT2bLw"), http)


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
