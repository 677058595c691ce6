"""What an export has, and what it does to others."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import httpx
import pytest

from support.calls import assert_refused
from support.feed import Copy, changes, everything
from support.files import (
    Export,
    exported,
    fill,
)
from support.people import Person
from taskapi.database.url import DatabaseUrl
from taskapi.transfer import exporting

FILTERS: list[dict[str, str]] = [
    {},
    {"is_completed": "true"},
    {"q": "milk"},
    {"q": "milk", "is_completed": "false"},
    {"q": "nothing has this"},
    {"updated_before": "2020-01-01T00:00:00Z"},
    {"created_since": "2020-01-01T00:00:00Z"},
]


def listed(person: Person, query: dict[str, str]) -> list[dict[str, object]]:
    found: list[dict[str, object]] = []
    cursor: dict[str, str] = {}
    while True:
        asked = {"sort": "created_at", "limit": "3", **query, **cursor}
        page = person.get(params=asked).json()
        found += page["tasks"]
        if page["next_cursor"] is None:
            return found
        cursor = {"cursor": page["next_cursor"]}


def test_an_export_has_what_the_list_has_the_oldest_first(alice: Person) -> None:
    for number in range(8):
        task = alice.create(f"Buy milk {number % 3}" if number % 2 else "Call Mum", "with\nlines")
        if number % 3 == 0:
            alice.patch(f"/{task['id']}/complete")
    for query in FILTERS:
        assert exported(alice, **query).tasks == listed(alice, query)
    assert len(exported(alice).tasks) == 8


def test_an_export_of_a_newcomer_has_only_its_end(alice: Person) -> None:
    export = exported(alice)
    assert export.tasks == []
    assert changes(alice, export.token).json()["changes"] == []


@pytest.mark.parametrize(
    "query", ["", "?format=", "?format=xml", "?format=jsonl&limit=1", "?format=jsonl&sort=title"]
)
def test_an_export_of_another_format_or_of_a_page_is_422(alice: Person, query: str) -> None:
    assert_refused(alice.get(f"/export{query}"), 422, "validation_failed")


def test_an_export_is_a_download_whose_length_is_known(alice: Person) -> None:
    alice.create()
    response = alice.get("/export?format=jsonl")
    assert int(response.headers["Content-Length"]) == len(response.content)
    assert response.headers["Content-Type"] == "application/jsonl"
    assert response.headers["Cache-Control"] == "no-store"
    name = re.fullmatch(
        r'attachment; filename="tasks-([0-9-]+)\.jsonl"', response.headers["Content-Disposition"]
    )
    assert name is not None
    assert datetime.fromisoformat(name[1]).replace(tzinfo=UTC) <= datetime.now(UTC)


def test_head_tells_what_the_file_would_be_and_reads_nothing(alice: Person) -> None:
    alice.create()
    response = alice.request("HEAD", "/export?format=jsonl")
    assert response.status_code == 200
    assert response.content == b""
    assert response.headers["Content-Type"] == "application/jsonl"
    assert response.headers["Content-Disposition"].startswith("attachment; ")
    assert alice.request("HEAD", "/export?format=xml").status_code == 422


def test_an_unknown_user_has_nothing_to_export(strict: httpx.Client, alice: Person) -> None:
    unknown = Person(alice.id, alice.token, strict)
    assert_refused(unknown.get("/export?format=jsonl"), 404, "user_not_found")


# --- One moment ---

WRITERS = 3


class Writer(threading.Thread):
    """A client that creates, completes and deletes, the oldest first, until it is told to stop."""

    def __init__(
        self, person: Person, oldest: list[tuple[int, int]], stop: threading.Event
    ) -> None:
        super().__init__()
        self.failed: list[httpx.Response] = []
        self._person = person
        self._oldest = oldest
        self._told = stop

    def run(self) -> None:
        for first, second in self._oldest:
            answers = [
                self._person.post(json={"title": "Made meanwhile"}),
                self._person.patch(f"/{second}/complete"),
                self._person.delete(f"/{first}"),
            ]
            self.failed += [answer for answer in answers if not answer.is_success]
            if self._told.is_set():
                break


@contextmanager
def written_meanwhile(person: Person) -> Iterator[None]:
    stop = threading.Event()
    ids = sorted(everything(person))
    pairs = list(zip(ids[::2], ids[1::2], strict=True))
    writers = [Writer(person, pairs[first::WRITERS], stop) for first in range(WRITERS)]
    for writer in writers:
        writer.start()
    try:
        yield
    finally:
        stop.set()
        for writer in writers:
            writer.join()
    assert not [writer.failed for writer in writers if writer.failed]


def assert_of_one_moment(person: Person, export: Export, now: dict[int, dict[str, object]]) -> None:
    """The export and the changes behind it are what there is, and nothing is in both."""
    copy = Copy()
    copy.tasks, copy.since = export.by_id, export.token
    has_more = True
    while has_more:
        page = changes(person, copy.since).json()
        for change in page["changes"]:
            assert change["task"] != export.by_id.get(change["id"], "none"), "told twice"
        copy.apply(page)
        has_more = page["has_more"]
    assert copy.tasks == now


def test_an_export_is_of_one_moment_though_others_write(
    alice: Person, database: DatabaseUrl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """0 missed, 0 ghosts: it has many pages, between which others change what was read before."""
    fill(database, alice, 1200)
    monkeypatch.setattr(exporting, "PAGE_ROWS", 20)
    with written_meanwhile(alice):
        exports = [exported(alice) for _ in range(4)]
    now = everything(alice)
    for export in exports:
        assert_of_one_moment(alice, export, now)
    assert len({export.token for export in exports}) > 1, "they wrote meanwhile"
