"""Exports while they are read and taken: slow clients, many of them, and what goes wrong."""

from collections.abc import Callable
from contextlib import ExitStack

import httpx
import pytest

from support.calls import assert_refused
from support.feed import changes
from support.files import (
    export_in,
    exported,
    fill,
    spools,
    taking_nothing,
)
from support.metrics import figures, value
from support.own_database import OwnDatabase
from support.people import Person
from support.rows import held
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl
from taskapi.transfer import download

LONG = 5000
MANY = 1500
"""Of this length: 8 MB, which no buffer between the service and a client holds."""


@pytest.fixture
def wordy(own: OwnDatabase, alone: httpx.Client, alice: Person) -> Person:
    """A person whose export is longer than what a connection takes at once."""
    alice = Person(alice.id, alice.token, alone)
    fill(own.address, alice, MANY, LONG)
    return alice


UNDER_WAY = """SELECT count(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'taskapi_service'
    AND (xact_start IS NOT NULL OR backend_xmin IS NOT NULL OR state LIKE 'idle in%')"""
CONNECTED = """SELECT count(*) AS count FROM pg_stat_activity
    WHERE datname = current_database() AND usename = 'taskapi_service'"""


def exports(http: httpx.Client) -> float:
    return value(figures(http), "taskapi_exports")


def test_a_slow_client_holds_no_transaction_open_and_its_file_until_it_leaves(
    wordy: Person, own: OwnDatabase
) -> None:
    before = spools()
    with taking_nothing(wordy) as wire:
        eventually(lambda: spools() == before + 1, "the file is being written")
        head = wire.head()
        assert head.status == 200
        eventually(lambda: not own.run(UNDER_WAY)[0]["count"], "no transaction is open")
        assert own.run(CONNECTED)[0]["count"] >= 1
        assert exports(wordy.http) == 1
        assert value(figures(wordy.http), "taskapi_response_bytes") == 0
    eventually(lambda: exports(wordy.http) == 0, "who has left has no place")
    eventually(lambda: spools() == before, "nor a file")


def test_a_slow_client_gets_the_whole_of_it(wordy: Person) -> None:
    with taking_nothing(wordy) as wire:
        head = wire.head()
        wordy.create("Behind the export")
        export = export_in(wire.rest(int(head.headers["content-length"])))
    assert len(export.tasks) == MANY
    (change,) = changes(wordy, export.token).json()["changes"]
    assert change["task"]["title"] == "Behind the export"


def test_two_exports_of_a_user_are_taken_at_once_and_no_third(wordy: Person, bob: Person) -> None:
    with ExitStack() as stack:
        first, second = (stack.enter_context(taking_nothing(wordy)) for _ in range(2))
        assert first.head().status == second.head().status == 200
        refused = wordy.get("/export?format=jsonl")
        assert_refused(refused, 429, "too_many_transfers")
        assert int(refused.headers["Retry-After"]) >= 1
        assert wordy.get("?limit=1").status_code == 200
        assert exported(Person(bob.id, bob.token, wordy.http)).tasks == []
    eventually(lambda: exports(wordy.http) == 0, "both have left")
    assert len(exported(wordy).tasks) == MANY


def test_eight_exports_are_taken_from_a_process_at_once_and_no_ninth(
    own: OwnDatabase, alone: httpx.Client, someone: Callable[[], Person]
) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            person = someone()
            slow = Person(person.id, person.token, alone)
            fill(own.address, slow, MANY, LONG)
            for _ in range(2):
                assert stack.enter_context(taking_nothing(slow)).head().status == 200
        ninth = someone()
        refused = Person(ninth.id, ninth.token, alone).get("/export?format=jsonl")
        assert_refused(refused, 503, "overloaded")
    eventually(lambda: exports(alone) == 0, "all have left")


def test_a_client_that_leaves_while_its_export_waits_ends_it(
    own: OwnDatabase, alone: httpx.Client, alice: Person
) -> None:
    alice = Person(alice.id, alice.token, alone)
    alice.create()
    with held(own.address, "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"):
        with taking_nothing(alice):
            eventually(lambda: own.run(UNDER_WAY)[0]["count"], "it waits for the lock")
            assert exports(alone) == 1
        eventually(lambda: exports(alone) == 0, "who has left has no place")
        eventually(lambda: not own.run(UNDER_WAY)[0]["count"], "and no statement")
    assert len(exported(alice).tasks) == 1


def test_an_export_weighs_a_hundred(database: DatabaseUrl, alice: Person) -> None:
    with client_for(settings_for(database, user_rate=150)) as http:
        alice = Person(alice.id, alice.token, http)
        first, second = (alice.get("/export?format=jsonl") for _ in range(2))
    assert first.status_code == 200
    assert_refused(second, 429, "rate_limited")


# --- What goes wrong ---


def test_an_export_that_reads_for_too_long_is_503_and_its_statement_is_ended(
    own: OwnDatabase, alone: httpx.Client, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = Person(alice.id, alice.token, alone)
    alice.create()
    monkeypatch.setattr(download, "READ_SECONDS", 0.2)
    before = spools()
    with held(own.address, "LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE"):
        refused = alice.get("/export?format=jsonl")
        assert_refused(refused, 503, "timed_out")
        assert int(refused.headers["Retry-After"]) >= 1
        eventually(lambda: not own.run(UNDER_WAY)[0]["count"], "nothing waits for the lock")
    assert spools() == before
    monkeypatch.undo()
    assert len(exported(alice).tasks) == 1
    eventually(lambda: value(figures(alone), "taskapi_response_bytes") == 0, "nothing is held")
