"""Google Tasks, as Takeout exports them."""

import json

import pytest

from support.transfer import read
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import IMPORTS

GOOGLE = IMPORTS["google"]

TAKEOUT = r"""{
  "kind": "tasks#taskLists",
  "items": [
    {
      "kind": "tasks#taskList",
      "id": "MTUyNDY0",
      "title": "My [Tasks] {",
      "updated": "2025-03-15T10:30:00.000Z",
      "items": [
        {
          "kind": "tasks#task",
          "id": "dGFzazox",
          "etag": "\"LTE3NjQ2\"",
          "title": "5\" screws } ] \\",
          "task_type": "PERSONAL_TASK",
          "updated": "2025-03-14T08:00:00.000Z",
          "selfLink": "https://www.googleapis.com/tasks/v1/lists/MTUyNDY0/tasks/dGFzazox",
          "position": "00000000000000000001",
          "notes": "Focus on\nphase B",
          "status": "needsAction",
          "due": "2025-03-16T00:00:00.000Z",
          "links": [{"type": "email", "description": "Plan", "link": "https://mail.google.com"}]
        },
        {
          "kind": "tasks#task",
          "id": "dGFzazoy",
          "parent": "dGFzazox",
          "title": "Call Bob",
          "created": "2025-03-01T08:00:00Z",
          "updated": "2025-03-14T08:00:00.000Z",
          "completed": "2025-03-14T08:00:00.000Z",
          "status": "completed",
          "hidden": true
        },
        {"id": "dGFzazoz", "title": "", "status": "needsAction"},
        {"id": "dGFzazo0", "title": "Gone", "status": "needsAction", "deleted": true}
      ]
    },
    {"kind": "tasks#taskList", "id": "MTUy", "title": "Empty"},
    {"kind": "tasks#taskList", "id": "MTUz", "title": "Empty too", "items": []},
    {"kind": "tasks#tasks", "id": "MTU0", "title": "Notes alone", "items": [
      {"id": "dGFzazo1", "title": " ", "notes": "Stamps\nten of them", "due": "soon"}
    ]}
  ]
}
"""


def file(*tasks: object) -> bytes:
    """A list with these tasks, on one line."""
    return json.dumps({"items": [{"items": tasks}]}).encode()


def test_a_takeout_becomes_the_tasks_of_all_its_lists() -> None:
    outcome = read(GOOGLE, TAKEOUT.encode())
    assert outcome.records == [
        Record(
            10,
            {
                "title": '5" screws } ] \\',
                "description": "Focus on\nphase B\nDue: 2025-03-16",
                "is_completed": False,
                "created_at": "2025-03-14T08:00:00.000Z",
            },
            "dGFzazox",
        ),
        Record(
            24,
            {
                "title": "Call Bob",
                "description": "",
                "is_completed": True,
                "created_at": "2025-03-01T08:00:00Z",
            },
            "dGFzazoy",
        ),
        Record(
            42,
            {"title": "Stamps", "description": "ten of them\nDue: soon", "is_completed": False},
            "dGFzazo1",
        ),
    ]
    assert outcome.ignored == 2, "one without text, and one that was deleted"


def test_a_takeout_that_is_cut_off_anywhere_is_refused() -> None:
    data = TAKEOUT.encode()
    for length in range(len(data) - len("}\n")):
        assert read(GOOGLE, data[:length]).refused, length
    assert read(GOOGLE, data[: -len("\n")]).records


def test_it_makes_no_difference_where_a_takeout_is_cut_into_parts() -> None:
    data = TAKEOUT.encode()
    at_once = read(GOOGLE, data)
    for cut in range(len(data)):
        assert read(GOOGLE, data, [cut, cut + 1]) == at_once, cut


def test_a_takeout_without_tasks_is_whole() -> None:
    assert read(GOOGLE, b'\xef\xbb\xbf{"kind": "tasks#taskLists", "items": []}').records == []


@pytest.mark.parametrize("task_id", ["", "x" * 501, "\ud800"])
def test_an_id_that_names_nothing_is_none(task_id: str) -> None:
    [record] = read(GOOGLE, file({"id": task_id, "title": "a"})).records
    assert record.source is None


@pytest.mark.parametrize(
    ("member", "reason"),
    [
        ({"title": 1}, "title is not a text"),
        ({"notes": ["a"]}, "notes is not a text"),
        ({"id": 7}, "id is not a text"),
        ({"updated": None}, "updated is not a text"),
    ],
)
def test_a_task_with_other_values_is_refused_alone(member: object, reason: str) -> None:
    outcome = read(GOOGLE, file(member, {"title": "b"}))
    assert outcome.refusals == [(1, reason)]
    assert outcome.found[1:] == [
        Record(1, {"title": "b", "description": "", "is_completed": False})
    ]


OTHER = (1, "the file is not Tasks.json of Google Takeout: a list is not of tasks")
NO_LISTS = (1, "the file is not Tasks.json of Google Takeout: it has no lists")


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", (1, "the file is not JSON: Expecting value")),
        (b"title\na\n", (3, "the file is not JSON: Expecting value")),
        (b"[]", NO_LISTS),
        (b"{}", NO_LISTS),
        (b'{"items": {}}', NO_LISTS),
        (b'{"items": [[]]}', NO_LISTS),
        (b'{"items": [1]}', NO_LISTS),
        (b'{"items": [{"items": {}}]}', OTHER),
        (b'{"items": [{"items": 1}]}', OTHER),
        (b'{"items": [{"items": [0]}]}', OTHER),
        (b'{"items": [{"items": [[]]}]}', OTHER),
        (b'{"items": [{"tasks": [{"title": "a"}]}]}', OTHER),
        (b'{"items": [{"items": [{"title": "a"}, null]}]}', OTHER),
        (b'{"items": [{"items": [], "items": []}]}', None),
        (b'{"items": []} {}', (1, "the file is not JSON: Extra data")),
        (b'{"items": [\n}', (2, "the file is not JSON: } closes nothing")),
        (b"\n]", (2, "the file is not JSON: ] closes nothing")),
        (b"[" * 33, (1, "the file is nested too deeply")),
        (b"\n[[", (2, "the file is cut off: not every bracket is closed")),
        (b'{"items": [{"items": [\n{"title" "a"}]}]}', None),
        (b'{"items": [{"items": [{"title": "\xff"}]}]}', None),
        (b'{"items": [{"items": [{"title": "a", "title": "b"}]}]}', None),
        (file({"notes": "x" * 131_073}), (1, "a task is longer than 131072 bytes")),
        (b" " * 1_048_577, (1, "more than 1048576 bytes are no tasks")),
        (TAKEOUT.encode("utf-16"), (1, "the file is in UTF-16: save it as UTF-8")),
        (b"PK\x03\x04{}", (1, "the file is a ZIP archive: unpack it")),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(
    data: bytes, refused: tuple[int, str] | None
) -> None:
    found = read(GOOGLE, data).refused
    assert found == refused if refused else found and "is not JSON: " in found[1]
