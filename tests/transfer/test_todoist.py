"""Todoist's CSV, as its help page and the files of its users have it."""

import pytest

from support.transfer import read
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import EXPORTS, IMPORTS

TODOIST = IMPORTS["todoist"]

COLUMNS = (
    "TYPE,CONTENT,DESCRIPTION,PRIORITY,INDENT,AUTHOR,RESPONSIBLE,DATE,DATE_LANG,TIMEZONE,"
    "DURATION,DURATION_UNIT,DEADLINE,DEADLINE_LANG"
)

PROJECT = f"""\
\ufeff{COLUMNS}
meta,view_style=list,,,,,,,,,,,,
task,Repot the basil @garden,"Terracotta pot,
from the shed",1,1,Alice (48151623),,Oct 5 2026,en,Africa/Cairo,30,minute,2026-10-20,en
task,Buy compost,,4,2,Alice (48151623),,,en,Africa/Cairo,,None,,
note,Get the peat-free one,,,,Alice (48151623),,,,,,,,
note,"Ask ""Bob"", too",,,,Bob (4815162),,,,,,,,
,,,,,,,,,,,,,
section,Weekly,,,,,,,,,,,,
note,of the section,,,,,,,,,,,,
task,Water the ferns,,2,1,Alice (48151623),,every monday,en,Africa/Cairo,15,minute,,
task,,,2,1,Alice (48151623),,,en,Africa/Cairo,,,,
""".replace("\n", "\r\n").replace("pot,\r\n", "pot,\n")


def test_a_project_becomes_its_tasks_with_comments_and_dates() -> None:
    outcome = read(TODOIST, PROJECT.encode())
    assert outcome.records == [
        Record(
            3,
            {
                "title": "Repot the basil @garden",
                "description": "Terracotta pot,\nfrom the shed\n"
                "Due: Oct 5 2026\nDeadline: 2026-10-20",
            },
        ),
        Record(
            5,
            {"title": "Buy compost", "description": 'Get the peat-free one\nAsk "Bob", too'},
        ),
        Record(11, {"title": "Water the ferns", "description": "Due: every monday"}),
    ]
    assert outcome.ignored == 4, "how it is shown, a section, its comment, and a task without text"


def test_a_file_written_by_its_help_page_needs_two_columns() -> None:
    assert read(TODOIST, b"type;content\ntask;Buy milk\nTASK;Buy bread").values == [
        {"title": "Buy milk", "description": ""},
        {"title": "Buy bread", "description": ""},
    ]


def test_comments_without_end_are_not_collected() -> None:
    data = b"TYPE,CONTENT\ntask,a\n" + (b"note," + b"x" * 1000 + b"\n") * 1000
    [record] = read(TODOIST, data).records
    assert 131_072 < len(str(record.values["description"])) < 133_000


@pytest.mark.parametrize(
    ("record", "reason"),
    [
        (b"task,a,b", "the record has 3 cells, and the header 2"),
        (b"task", "the record has 1 cells, and the header 2"),
        (b"note", "the record has 1 cells, and the header 2"),
        (b"tasks,a", 'the type "tasks" is unknown'),
        (b"caf\xc3\xa9,a", 'the type "caf\\u00e9" is unknown'),
    ],
)
def test_a_record_of_another_kind_is_refused_alone(record: bytes, reason: str) -> None:
    outcome = read(TODOIST, b"TYPE,CONTENT\ntask,a\n" + record + b"\ntask,b\n")
    assert outcome.refusals == [(3, reason)]
    assert [found for found in outcome.found if isinstance(found, Record)] == [
        Record(line, {"title": title, "description": ""}) for line, title in [(2, "a"), (4, "b")]
    ]


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", (1, "the file has no header")),
        (EXPORTS["csv"].head, (1, "the file is not Todoist's: no column TYPE")),
        (b"TYPE,TYPE,CONTENT\n", (1, "the file is not Todoist's: no column TYPE")),
        (b"\nTYPE,TITLE\n", (2, "the file is not Todoist's: no column CONTENT")),
        (b'TYPE,CONTENT\ntask,"a', (2, "the record is not CSV: unexpected end of data")),
        (b"PK\x03\x04\x14\n\0", (1, "the file is a ZIP archive: unpack it")),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(data: bytes, refused: tuple[int, str]) -> None:
    assert read(TODOIST, data).refused == refused
