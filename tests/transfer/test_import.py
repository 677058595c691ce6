"""What an import makes of a file, and of the same file again."""

import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from support.calls import assert_refused, at_once, moment
from support.feed import everything
from support.files import (
    Json,
    exported,
    import_head,
    imported,
    json_lines,
    rows_of,
    send,
    titles,
    untouched,
)
from support.metrics import figures, value
from support.people import Person
from support.rows import execute
from support.waiting import eventually
from support.wire import connected
from taskapi.database.url import DatabaseUrl
from taskapi.transfer import routes
from taskapi.transfer.formats.table import EXPORTS


def contents(tasks: Sequence[Json]) -> list[object]:
    """What a round trip keeps of tasks."""
    names = ("title", "description", "is_completed", "created_at")
    return [[task[name] for name in names] for task in tasks]


# --- What comes in ---


def test_an_import_has_what_the_export_had(alice: Person, bob: Person) -> None:
    for number in range(5):
        task = alice.create(f"Task {number}", "a\r\nb\u2028c 🎂")
        if number % 2:
            alice.patch(f"/{task['id']}/complete")
    file = alice.get("/export?format=jsonl").content
    assert imported(bob, file) == (5, 0)
    theirs, ours = exported(bob).tasks, exported(alice).tasks
    assert contents(theirs) == contents(ours)
    assert {task["user_id"] for task in theirs} == {int(bob.id)}
    assert [task["id"] for task in theirs] == sorted(task["id"] for task in theirs)
    assert imported(bob, bob.get("/export?format=jsonl").content) == (0, 5)
    assert imported(alice, file) == (0, 5)


@pytest.mark.parametrize("form", EXPORTS)
def test_every_format_brings_its_tasks_to_another_user_and_none_of_them_back(
    alice: Person, bob: Person, form: str
) -> None:
    for number in range(3):
        task = alice.create(f'=Task, "{number}"; \\n +project @home')
        if number % 2:
            alice.patch(f"/{task['id']}/complete")
    files = {name: alice.get(f"/export?format={name}").content for name in EXPORTS}
    assert imported(bob, files[form], format=form) == (3, 0)
    theirs, ours = exported(bob).tasks, exported(alice).tasks
    if form == "todotxt":  # which has days, and no times
        theirs = [
            task | {"created_at": each["created_at"]}
            for task, each in zip(theirs, ours, strict=True)
        ]
    assert contents(theirs) == contents(ours)
    for name, file in files.items():  # the same tasks, in whatever format
        assert imported(bob, file, format=name) == (0, 3)
        assert imported(alice, file, format=name) == (0, 3)


FOREIGN = {
    "todoist": b"TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE\r\n"
    b"section,Home,,,,,,\r\ntask,Buy milk,,4,1,,,\r\ntask,Call Mum,,4,1,,,\r\n",
    "google": b'{"kind": "tasks#taskLists", "items": [{"kind": "tasks#tasks", "id": "l", "title":'
    b' "Home", "items": [{"kind": "tasks#task", "id": "one", "title": "Buy milk", "status":'
    b' "needsAction"}, {"kind": "tasks#task", "id": "two", "title": "Call Mum", "status":'
    b' "completed"}]}]}',
}


@pytest.mark.parametrize("form", FOREIGN)
def test_files_of_other_programs_come_in_once(alice: Person, form: str) -> None:
    for expected in ((2, 0), (0, 2)):
        assert imported(alice, FOREIGN[form], format=form) == expected
    assert [task["title"] for task in exported(alice).tasks] == ["Buy milk", "Call Mum"]


def test_times_of_creation_are_kept_and_never_of_the_future(alice: Person) -> None:
    before = alice.create()
    old, odd = "1999-12-31T23:59:59.000001Z", "2020-02-29T12:00:00+05:30"
    later = (datetime.now(UTC) + timedelta(days=400)).isoformat()
    times = [old, odd, later, None]
    file = json_lines({"title": f"Task {time}", "created_at": time} for time in times)
    assert imported(alice, file) == (4, 0)
    tasks = {task["title"].removeprefix("Task "): task for task in everything(alice).values()}
    assert tasks[old]["created_at"] == old
    assert moment(tasks[odd]["created_at"]) == datetime.fromisoformat(odd)
    now = moment(tasks[later]["updated_at"])
    assert now > moment(before["updated_at"])
    assert moment(tasks[later]["created_at"]) == now == moment(tasks["None"]["created_at"])
    assert now < datetime.now(UTC) + timedelta(days=1)


def test_a_version_is_later_than_all_before_and_the_next_write_is_later_still(
    alice: Person,
) -> None:
    versions = [moment(alice.create()["updated_at"])]
    for number in range(3):
        imported(alice, titles(f"Imported {number}"))
        versions.append(max(moment(task["updated_at"]) for task in everything(alice).values()))
        versions.append(moment(alice.create()["updated_at"]))
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("kind", ["text/csv", "application/x-www-form-urlencoded", ""])
def test_a_file_is_taken_with_any_content_type(alice: Person, kind: str) -> None:
    """Because programs name what they know: curl a form, browsers nothing."""
    headers = {"Content-Type": kind} if kind else {}
    answer = alice.post("/import?format=jsonl", content=titles("One"), headers=headers)
    assert answer.json()["created"] == 1


# --- Again ---


def test_the_same_file_again_makes_nothing_twice(alice: Person) -> None:
    file = titles("One", "Two", "Two", "Three")
    assert imported(alice, file) == (4, 0)
    check = untouched(alice)
    assert imported(alice, file) == (0, 4)
    check()
    assert imported(alice, titles("Two")) == (0, 1)
    assert imported(alice, titles("Two", "Two", "Two")) == (1, 2)


def test_a_task_that_was_changed_is_known(alice: Person) -> None:
    imported(alice, titles("One"))
    (task_id,) = everything(alice)
    alice.put(f"/{task_id}", json={"title": "Another title"})
    alice.patch(f"/{task_id}/complete")
    assert imported(alice, titles("One")) == (0, 1)


def test_a_task_that_was_deleted_is_created_again_and_then_known(alice: Person) -> None:
    file = titles("One", "Two")
    assert imported(alice, file) == (2, 0)
    first, _ = everything(alice)
    for _ in range(2):
        for task_id in list(everything(alice)):
            alice.delete(f"/{task_id}")
        assert imported(alice, file) == (2, 0)
        assert imported(alice, file) == (0, 2)
    assert first not in everything(alice)


def test_ones_own_export_brings_back_what_was_deleted_since_and_nothing_else(
    alice: Person,
) -> None:
    tasks = [alice.create(f"Task {number}") for number in range(4)]
    file = alice.get("/export?format=jsonl").content
    alice.delete(f"/{tasks[1]['id']}")
    alice.put(f"/{tasks[2]['id']}", json={"title": "Changed"})
    assert imported(alice, file) == (1, 3)
    assert imported(alice, file) == (0, 4)
    assert [task["title"] for task in exported(alice).tasks] == [
        "Task 0",
        "Task 1",
        "Changed",
        "Task 3",
    ]


def test_the_same_time_written_otherwise_is_the_same(alice: Person) -> None:
    for time in ("2020-01-01T12:00:00Z", "2020-01-01T13:00:00+01:00", "2020-01-01T12:00:00.000Z"):
        imported(alice, json_lines([{"title": "One", "created_at": time}]))
    assert alice.get().json()["total"] == 1


@pytest.mark.parametrize("is_known", [False, True], ids=["newcomer", "known"])
def test_the_same_file_twice_at_once_makes_nothing_twice(is_known: bool, alice: Person) -> None:
    if is_known:
        alice.create("Before")
    before = everything(alice) if is_known else {}
    file = titles(*(f"Task {number}" for number in range(1200)))
    start = threading.Barrier(2)

    def sent(person: Person) -> httpx.Response:
        start.wait()
        return send(person, file)

    with pytest.MonkeyPatch.context() as patch:
        # As in two processes, of which each knows nothing of the other's places.
        patch.setattr(routes.places, "max_per_user", 2)
        answers = at_once([lambda: sent(alice)] * 2)
    assert [answer.status_code for answer in answers] == [200, 200]
    assert sorted(answer.json()["created"] for answer in answers) == [0, 1200]
    assert alice.get("?limit=1").json()["total"] == 1200 + len(before)


def test_a_second_import_of_a_user_in_a_process_is_429_and_others_go_on(
    alice: Person, bob: Person
) -> None:
    with connected(alice.http) as wire:
        wire.send(import_head(alice, "Content-Length: 100"))
        eventually(lambda: value(figures(alice.http), "taskapi_imports") == 1, "it is under way")
        refused = send(alice, titles("One"))
        assert_refused(refused, 429, "too_many_transfers")
        assert int(refused.headers["Retry-After"]) >= 1
        assert imported(bob, titles("One")) == (1, 0)
        alice.create("Meanwhile")
    eventually(lambda: value(figures(alice.http), "taskapi_imports") == 0, "it has ended")
    assert imported(alice, titles("One")) == (1, 0)


# --- A dry run ---


def test_a_dry_run_says_what_the_import_then_does_and_writes_nothing(
    alice: Person, database: DatabaseUrl
) -> None:
    imported(alice, titles("One", "Two"))
    alice.delete(f"/{alice.get().json()['tasks'][0]['id']}")
    file = titles("One", "Two", "Three", "Three")
    before = rows_of(database, alice)
    dry = send(alice, file, dry_run="true").json()
    assert rows_of(database, alice) == before
    wet = send(alice, file).json()
    assert (dry.pop("dry_run"), wet.pop("dry_run")) == (True, False)
    assert dry == wet == {"created": 3, "known": 1, "ignored": 0}


def test_a_dry_run_of_a_newcomer_does_not_make_them_a_user(
    alice: Person, database: DatabaseUrl
) -> None:
    assert imported(alice, titles("One"), dry_run="true") == (1, 0)
    assert not execute(database, "SELECT id FROM users WHERE id = $1", int(alice.id))
    assert not any(rows_of(database, alice).values())
