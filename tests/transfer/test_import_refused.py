"""Files that are refused: all or nothing of a file is there, and limits are held."""

from collections.abc import Iterator

import httpx
import pytest

from support.batches import batch, create
from support.calls import assert_refused
from support.feed import everything
from support.files import (
    WRONG,
    at,
    exported,
    import_head,
    imported,
    json_lines,
    send,
    titles,
    untouched,
)
from support.oauth import access_token
from support.people import Person
from support.rows import execute
from support.service import client_for, settings_for
from support.wire import connected
from taskapi.database.url import DatabaseUrl
from taskapi.scopes import READ
from taskapi.transfer import checking, routes
from taskapi.transfer.formats.table import EXPORTS

# --- All or nothing ---


def test_a_wrong_last_line_leaves_everything_as_it_was(alice: Person) -> None:
    alice.create()
    check = untouched(alice)
    refused = send(alice, titles(*map(str, range(2500))) + WRONG)
    assert_refused(refused, 422, "validation_failed")
    (item,) = refused.json()["detail"]
    assert item["loc"] == ["body", 2501]
    assert item["msg"].startswith("title: ")
    check()
    assert imported(alice, titles(*map(str, range(2500)))) == (2500, 0)


BROKEN = {
    "empty": (b"", 1),
    "blank": (b"\n\n \n", 3),
    "no JSON": (titles("One") + b"{\n", 2),
    "half a character": (titles("One") + b'{"title": "\xc3"}\n', 2),
    "NUL": (b'{"title": "a\\u0000b"}\n', 1),
    "half a pair": (b'{"title": "\\ud800"}\n', 1),
    "half a pair for a name": (b'{"title": "a", "\\ud800": 1}\n', 1),
    "half a pair twice": (b'{"title": "a", "\\ud800": 1, "\\ud800": 1}\n', 1),
    "half a pair for an id": (b'{"title": "a", "id": "\\ud800"}\n', 1),
    "the first of all days": (b'{"title": "a", "created_at": "0001-01-01T00:00:00+01:00"}\n', 1),
    "the last of all days": (b'{"title": "a", "created_at": "9999-12-31T23:59:59-01:00"}\n', 1),
    "an id and the first of all days": (
        b'{"title": "a", "id": 1, "created_at": "0001-01-01T00:00:00+01:00"}\n',
        1,
    ),
    "a long number": (b'{"title": "a", "id": ' + b"1" * 5000 + b"}\n", 1),
    "a number for a title": (b'{"title": 1}\n', 1),
    "a list for a description": (b'{"title": "a", "description": []}\n', 1),
    "a word for a state": (b'{"title": "a", "is_completed": "yes"}\n', 1),
    "a time of nowhere": (b'{"title": "a", "created_at": "2026-01-31T09:30:00"}\n', 1),
    "a name that no task has": (b'{"title": "a", "due": "2026-01-31"}\n', 1),
    "a title of blanks": (b'{"title": " \\t "}\n', 1),
    "a title that is too long": (titles("x" * 501), 1),
    "a number for a time": (b'{"title": "a", "created_at": 1}\n', 1),
    "an array": (b"[" * 60_000 + b"\n", 1),
    "UTF-16": (titles("One").decode().encode("utf-16"), 1),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_cannot_be_a_file_of_tasks_is_422_with_its_line(alice: Person, name: str) -> None:
    file, line = BROKEN[name]
    refused = send(alice, file)
    assert_refused(refused, 422, "validation_failed")
    assert [item["loc"] for item in refused.json()["detail"]] == [["body", line]]
    assert len(refused.content) < 1000
    assert alice.get().json()["total"] == 0


@pytest.mark.parametrize("form", EXPORTS)
def test_a_cut_export_is_refused_wherever_it_is_cut(alice: Person, bob: Person, form: str) -> None:
    for number in range(3):
        alice.create(f"Task {number}", "with\ntwo lines")
    file = alice.get(f"/export?format={form}").content
    ends = [at + 1 for at, byte in enumerate(file) if byte == ord("\n")]
    first = ends[0] if form == "todotxt" else 0  # half a line of which is a line
    cuts = {first, len(file) // 2, *(end - 1 for end in ends[:-1]), *ends[:-1]}
    cuts.add(file.index(b"END" if form == "ics" else b"end", ends[-2]))  # before its end
    for cut in sorted(cut for cut in cuts if cut >= first):
        assert_refused(send(bob, file[:cut], format=form), 422, "validation_failed")
    assert bob.get().json()["total"] == 0


def test_more_than_a_hundred_refusals_are_cut_to_a_hundred(alice: Person) -> None:
    refused = send(alice, titles("One") + WRONG * 101)
    assert_refused(refused, 422, "validation_failed")
    lines = [item["loc"][1] for item in refused.json()["detail"]]
    assert lines == list(range(2, 102))
    assert alice.get().json()["total"] == 0


# --- Limits ---


def test_a_file_that_announces_too_much_is_413_before_it_is_read(alice: Person) -> None:
    with connected(alice.http) as wire:
        wire.send(import_head(alice, f"Content-Length: {routes.MAX_IMPORT_BYTES + 1}"))
        (answer,) = wire.answers()
    assert (answer.status, answer.json()["code"]) == (413, "body_too_large")


def test_a_file_that_turns_out_too_long_is_413_and_nothing_is_written(alice: Person) -> None:
    line = json_lines([{"title": "x", "description": "y" * 4900}])
    whole = line * (routes.MAX_IMPORT_BYTES // len(line) + 1)

    def parts() -> Iterator[bytes]:
        for start in range(0, len(whole), 65536):
            yield whole[start : start + 65536]

    refused = send(alice, parts())
    assert_refused(refused, 413, "body_too_large")
    assert alice.get().json()["total"] == 0


def test_a_file_of_too_many_tasks_is_413_and_nothing_is_written(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checking, "MAX_TASKS", 1500)
    names = [str(number) for number in range(1501)]
    refused = send(alice, titles(*names))
    assert_refused(refused, 413, "body_too_large")
    assert "1500" in refused.json()["detail"]
    assert alice.get().json()["total"] == 0
    assert imported(alice, titles(*names[1:])) == (1500, 0)


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Encoding": "gzip"},
        {"Content-Encoding": "br, gzip"},
    ],
    ids=str,
)
def test_a_form_or_a_coding_is_415(alice: Person, headers: dict[str, str]) -> None:
    refused = alice.post("/import?format=jsonl", content=titles("One"), headers=headers)
    assert_refused(refused, 415, "unsupported_media_type")
    assert alice.get().json()["total"] == 0


@pytest.mark.parametrize("query", ["", "?format=xml", "?format=jsonl&dry_run=perhaps", "?x=1"])
def test_a_wrong_query_is_422(alice: Person, query: str) -> None:
    refused = alice.post(f"/import{query}", content=titles("One"))
    assert_refused(refused, 422, "validation_failed")
    assert alice.get().json()["total"] == 0


def test_a_body_that_stops_is_408_and_frees_its_place(
    alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    (route,) = [each for each in routes.router.routes if each.path.endswith("/import")]
    monkeypatch.setattr(route, "deadline", 0.5)
    with connected(alice.http) as wire:
        wire.send(import_head(alice, "Content-Length: 1000"), titles("One"))
        (answer,) = wire.answers()
    assert (answer.status, answer.json()["code"]) == (408, "request_timeout")
    monkeypatch.undo()
    assert imported(alice, titles("One")) == (1, 0)


def test_a_file_in_tiny_pieces_is_the_same_file(alice: Person) -> None:
    file = titles("Größe", "🎂🎂", "Three")
    with connected(alice.http) as wire:
        wire.send(import_head(alice, "Transfer-Encoding: chunked", "Connection: close"))
        wire.send(*(b"1\r\n" + file[at : at + 1] + b"\r\n" for at in range(len(file))))
        wire.send(b"0\r\n\r\n")
        (answer,) = wire.answers()
    assert answer.json()["created"] == 3
    assert [task["title"] for task in exported(alice).tasks] == ["Größe", "🎂🎂", "Three"]


def test_a_program_that_may_only_read_is_403(oauth: httpx.Client, alice: Person) -> None:
    program = Person(alice.id, access_token(alice.id, READ), oauth)
    for query in ({}, {"dry_run": "true"}):
        assert_refused(send(program, titles("One"), **query), 403, "insufficient_scope")


# --- The quota ---

KEYS = "SELECT count(*) AS count FROM task_keys WHERE user_id = $1"

QUOTA = 5


@pytest.fixture(scope="module")
def small(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service where a user has few tasks."""
    with client_for(settings_for(database, max_tasks_per_user=QUOTA)) as client:
        yield client


def test_a_file_beyond_the_quota_is_403_and_nothing_of_it_is_there(
    small: httpx.Client, alice: Person
) -> None:
    alice = at(alice, small)
    alice.create()
    check = untouched(alice)
    for names in ("abcde", "abcdefgh"):
        for query in ({}, {"dry_run": "true"}):
            assert_refused(send(alice, titles(*names), **query), 403, "quota_exceeded")
            check()
    assert imported(alice, titles(*"abcd")) == (4, 0)
    assert_refused(alice.post(json={"title": "Sixth"}), 403, "quota_exceeded")
    assert_refused(batch(alice, create()), 403, "quota_exceeded")


def test_the_quota_counts_exactly_after_imports(small: httpx.Client, alice: Person) -> None:
    alice = at(alice, small)
    assert imported(alice, titles(*"abc")) == (3, 0)
    assert imported(alice, titles(*"abcd")) == (1, 3)
    alice.create("Fifth")
    assert_refused(alice.post(json={"title": "Sixth"}), 403, "quota_exceeded")
    assert_refused(send(alice, titles("Sixth")), 403, "quota_exceeded")
    alice.delete(f"/{alice.get().json()['tasks'][0]['id']}")
    assert imported(alice, titles("Sixth")) == (1, 0)
    assert alice.get().json()["total"] == QUOTA


def test_a_file_of_which_everything_is_known_needs_no_room(
    small: httpx.Client, alice: Person
) -> None:
    """Also where the quota was lowered since: it makes nothing."""
    for number in range(QUOTA + 2):
        alice.create(f"Task {number}")
    file = alice.get("/export?format=jsonl").content
    assert imported(at(alice, small), file) == (0, QUOTA + 2)


def test_keys_of_deleted_tasks_have_a_bound(
    small: httpx.Client, alice: Person, database: DatabaseUrl
) -> None:
    """As those of creates: whoever imports and deletes again and again leaves few of them."""
    alice = at(alice, small)
    for turn in range(6):
        assert imported(alice, titles(*(f"{turn} {number}" for number in range(QUOTA)))) == (5, 0)
        for task_id in everything(alice):
            assert alice.delete(f"/{task_id}").status_code == 204
    assert execute(database, KEYS, int(alice.id))[0]["count"] <= 2 * QUOTA + 1
