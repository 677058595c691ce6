"""iCalendar: exports, and the to-dos of other programs."""

import subprocess
import sys
from datetime import UTC, datetime
from typing import Any

import icalendar
import pytest
from hypothesis import given

from support.effort import effort
from support.machine import ROOT
from support.transfer import MILK, TOKEN, VALUES, Task, any_text, file_of, lists_of_tasks, read
from taskapi.transfer.formats.ics import folded
from taskapi.transfer.formats.records import Record
from taskapi.transfer.formats.table import EXPORTS
from taskapi.transfer.formats.todo import plain

ICS = EXPORTS["ics"]
EXPORT = file_of(ICS, [MILK, MILK | {"id": 8, "is_completed": False, "description": ""}])


def calendar(*lines: str) -> bytes:
    """A calendar of another program, with these lines in it."""
    whole = ("BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Other//EN", *lines, "END:VCALENDAR", "")
    return "\r\n".join(whole).encode()


def todo(*lines: str) -> bytes:
    """Likewise, with one to-do that has these properties."""
    return calendar("BEGIN:VTODO", *lines, "END:VTODO")


# Exports


def test_icalendar_reads_in_an_export_what_the_tasks_had() -> None:
    exported: Any = icalendar.Calendar.from_ical(EXPORT)
    done, open_ = exported.walk("VTODO")
    time = datetime(2026, 1, 31, 9, 30, tzinfo=UTC)
    assert exported["PRODID"] == "-//taskapi//taskapi//EN"
    assert done["UID"] == "task-7-1769851800123456@taskapi"
    assert done["SUMMARY"] == MILK["title"]
    assert done["DESCRIPTION"] == MILK["description"]
    assert done["CREATED"].dt == time
    assert done["LAST-MODIFIED"].dt == done["COMPLETED"].dt == datetime(2026, 2, 1, tzinfo=UTC)
    assert (done["STATUS"], done["PERCENT-COMPLETE"]) == ("COMPLETED", 100)
    assert open_["STATUS"] == "NEEDS-ACTION"
    assert not {"DESCRIPTION", "COMPLETED", "PERCENT-COMPLETE"} & open_.keys()
    [end] = exported.walk("X-TASKAPI-END")
    assert (end["X-TASKAPI-TASKS"], end["X-TASKAPI-NEXT"]) == ("2", TOKEN)


@given(tasks=lists_of_tasks)
@effort(examples=50)
def test_icalendar_reads_the_texts_of_any_task_as_far_as_the_format_has_them(
    tasks: list[Task],
) -> None:
    todos = icalendar.Calendar.from_ical(file_of(ICS, tasks)).walk("VTODO")
    assert [str(each["SUMMARY"]) for each in todos] == [plain(task["title"]) for task in tasks]
    assert [str(each.get("DESCRIPTION", "")) for each in todos] == [
        plain(task["description"]) for task in tasks
    ]


@given(text=any_text.map(lambda text: text * 9))
@effort(examples=100)
def test_no_line_is_longer_than_75_octets_or_cut_within_a_character(text: str) -> None:
    lines = folded(plain(text).replace("\n", "")).split(b"\r\n")
    assert max(map(len, lines)) <= 75
    assert [line.decode() for line in lines]


def test_an_export_has_what_its_tasks_had_and_their_ids() -> None:
    assert read(ICS, EXPORT).records == [
        Record(4, VALUES, "7 1769851800123456", 7),
        Record(15, VALUES | {"description": "", "is_completed": False}, "8 1769851800123456", 8),
    ]


def test_what_the_format_cannot_hold_is_forgotten_when_the_text_was_changed_elsewhere() -> None:
    data = file_of(ICS, [MILK | {"title": "one\r\ntwo"}])
    assert b"SUMMARY:one\\ntwo\r\nX-TASKAPI-SUMMARY:" in data
    changed = data.replace(b"SUMMARY:one\\ntwo", b"SUMMARY:three", 1)
    assert [values["title"] for values in read(ICS, data).values] == ["one\r\ntwo"]
    assert [values["title"] for values in read(ICS, changed).values] == ["three"]


def test_an_export_that_another_program_saved_needs_no_end() -> None:
    saved = EXPORT.replace(b"-//taskapi//taskapi//EN", b"-//Mozilla.org//NONSGML//EN")
    start, stop = saved.index(b"BEGIN:X-TASKAPI-END"), saved.index(b"END:VCALENDAR")
    outcome = read(ICS, saved[:start] + saved[stop:])
    assert [record.task_id for record in outcome.records] == [7, 8]


def test_an_export_that_is_cut_off_anywhere_is_refused() -> None:
    for length in range(len(EXPORT) - len("\r\n")):
        assert read(ICS, EXPORT[:length]).refused, length


def test_the_library_is_loaded_when_a_calendar_is_read_and_not_before() -> None:
    """It takes 2 MB, which few workers need."""
    program = f"""
import sys
from taskapi.transfer.formats.table import IMPORTS
print("icalendar" in sys.modules)
list(IMPORTS["ics"].reader().feed({EXPORT!r}))
print("icalendar" in sys.modules)
"""
    ran = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert ran.stdout.split() == ["False", "True"], ran.stderr


# Other programs

NEXTCLOUD = """\
BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//Nextcloud Tasks v0.16.1
BEGIN:VTODO
CREATED:20260105T184500
DTSTAMP:20260106T101010
LAST-MODIFIED:20260106T101010
UID:5f1c5a57-6f0b-4ec0-9c5a-2f4d1d7a3b10
SUMMARY:Pay rent\\, deposit
DESCRIPTION:by transfer\\nto the landlord: 50% \\; rest later \\\\o/
DUE;TZID=Europe/Berlin:20260201T090000
PERCENT-COMPLETE:100
STATUS:COMPLETED
COMPLETED:20260106T101010
RELATED-TO:0b7e9d30-0000-4000-8000-000000000000
X-APPLE-SORT-ORDER:12
END:VTODO
END:VCALENDAR
"""

THUNDERBIRD = """\
BEGIN:VCALENDAR
PRODID:-//Mozilla.org/NONSGML Mozilla Calendar V1.1//EN
VERSION:2.0
BEGIN:VTIMEZONE
TZID:Europe/Berlin
BEGIN:STANDARD
DTSTART:19701025T030000
TZOFFSETFROM:+0200
TZOFFSETTO:+0100
SUMMARY:not this one
END:STANDARD
END:VTIMEZONE
BEGIN:VEVENT
UID:event
SUMMARY:Dentist
END:VEVENT
BEGIN:VTODO
CREATED:20260105T184500Z
LAST-MODIFIED:20260106T101010Z
DTSTAMP:20260106T101010Z
UID:a4d1a0be-0000-4000-8000-000000000001
SUMMARY;LANGUAGE=de:Reifen wechseln bei der Werkstatt in der Hauptstra
 \u00dfe
RRULE:FREQ=YEARLY
DUE;VALUE=DATE:20261015
BEGIN:VALARM
ACTION:DISPLAY
DESCRIPTION:Mozilla Standardbeschreibung
TRIGGER;VALUE=DURATION:-PT30M
END:VALARM
END:VTODO
BEGIN:VTODO
UID:a4d1a0be-0000-4000-8000-000000000001
RECURRENCE-ID;VALUE=DATE:20251015
SUMMARY:Reifen wechseln
STATUS:COMPLETED
END:VTODO
BEGIN:VTODO
UID:a4d1a0be-0000-4000-8000-000000000002
SUMMARY:Neighbour's cat
STATUS:CANCELLED
END:VTODO
END:VCALENDAR
"""

APPLE = """\
BEGIN:VCALENDAR
METHOD:PUBLISH
VERSION:2.0
X-WR-CALNAME:Reminders
PRODID:-//Apple Inc.//macOS 15.0//EN
CALSCALE:GREGORIAN
BEGIN:VTODO
CREATED:20260110T080000Z
UID:6E0F0A6C-1111-4222-8333-444455556666
SUMMARY:Buy stamps
COMPLETED:20260111T080000Z
DTSTAMP:20260111T080000Z
SEQUENCE:0
PRIORITY:5
END:VTODO
END:VCALENDAR
"""


def test_nextclouds_tasks_are_read() -> None:
    assert read(ICS, NEXTCLOUD.encode()).records == [
        Record(
            4,
            {
                "title": "Pay rent, deposit",
                "description": "by transfer\nto the landlord: 50% ; rest later \\o/\n"
                "Due: 2026-02-01 09:00 Europe/Berlin",
                "is_completed": True,
                "created_at": "2026-01-05T18:45:00Z",
            },
            "5f1c5a57-6f0b-4ec0-9c5a-2f4d1d7a3b10",
        )
    ]


def test_thunderbirds_tasks_are_read_without_events_alarms_and_single_occurrences() -> None:
    outcome = read(ICS, THUNDERBIRD.replace("\n", "\r\n").encode())
    assert outcome.records == [
        Record(
            17,
            {
                "title": "Reifen wechseln bei der Werkstatt in der Hauptstra\u00dfe",
                "description": "Due: 2026-10-15",
                "is_completed": False,
                "created_at": "2026-01-05T18:45:00Z",
            },
            "a4d1a0be-0000-4000-8000-000000000001",
        )
    ]
    assert outcome.ignored == 3


def test_apples_reminders_are_read() -> None:
    [record] = read(ICS, APPLE.encode()).records
    assert record.source == "6E0F0A6C-1111-4222-8333-444455556666"
    assert record.values == {
        "title": "Buy stamps",
        "description": "",
        "is_completed": True,
        "created_at": "2026-01-10T08:00:00Z",
    }


@pytest.mark.parametrize(
    ("lines", "values"),
    [
        (["summary:a"], {"title": "a"}),
        (["DESCRIPTION:a\\nb"], {"title": "a", "description": "b"}),
        (["SUMMARY:a", "SUMMARY:b"], {"title": "a"}),
        (['SUMMARY;ALTREP="http://a:b/;c":d'], {"title": "d"}),
        (["SUMMARY:a", "PERCENT-COMPLETE:100"], {"title": "a", "is_completed": True}),
        (["SUMMARY:a", "PERCENT-COMPLETE:99"], {"title": "a"}),
        (["SUMMARY:a", "STATUS:IN-PROCESS"], {"title": "a"}),
        (["SUMMARY:a", "DUE:20261224T100000Z"], {"description": "Due: 2026-12-24 10:00 UTC"}),
        (["SUMMARY:a", "DUE:20261224T100000"], {"description": "Due: 2026-12-24 10:00"}),
        (["SUMMARY:a", "DUE:at some time"], {"description": "Due: at some time"}),
        (["SUMMARY:a", "CREATED:20260131"], {"title": "a"}),
        (["SUMMARY:a", "CREATED:"], {"title": "a"}),
        (["SUMMARY:a", "ATTACH;ENCODING=BASE64;VALUE=BINARY:" + "A" * 9], {"title": "a"}),
        (["SUMMARY:a", "", "", "\tb"], {"title": "ab"}),
    ],
)
def test_a_to_do_says_what_it_says(lines: list[str], values: dict[str, object]) -> None:
    rest = {"title": "a", "description": "", "is_completed": False}
    assert read(ICS, todo(*lines)).values == [rest | values]


@pytest.mark.parametrize("uid", ["", "x" * 501, "a\tb"])
def test_a_uid_that_names_nothing_is_none(uid: str) -> None:
    [record] = read(ICS, todo(f"UID:{uid}", "SUMMARY:a")).records
    assert record.source is None


def test_a_picture_in_a_to_do_may_be_longer_than_a_task() -> None:
    picture = ["ATTACH;ENCODING=BASE64;VALUE=BINARY:", *[" " + "A" * 74] * 4000]
    assert read(ICS, todo(*picture, "SUMMARY:a")).values[0]["title"] == "a"


def test_a_to_do_without_text_is_ignored() -> None:
    outcome = read(ICS, todo("UID:1", "STATUS:NEEDS-ACTION"))
    assert (outcome.records, outcome.ignored) == ([], 1)


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("SUMMARY;=:a", "the property SUMMARY cannot be read"),
        ("DESCRIPTION;X:a", "the property DESCRIPTION cannot be read"),
        ("X-TASKAPI-SUMMARY:a", "the property X-TASKAPI-SUMMARY cannot be read"),
        ("X-TASKAPI-SUMMARY:/w==", "the property X-TASKAPI-SUMMARY cannot be read"),
        (
            f"UID:task-1-{'9' * 18}@taskapi",
            "the time in the name of the task is out of range",
        ),
    ],
)
def test_a_to_do_that_cannot_be_a_task_is_refused_alone(line: str, reason: str) -> None:
    whole = todo("SUMMARY:a", line).replace(
        b"END:VCALENDAR", b"BEGIN:VTODO\nSUMMARY:b\nEND:VTODO\nEND:VCALENDAR"
    )
    if line.startswith("SUMMARY"):
        whole = whole.replace(b"SUMMARY:a\r\n", b"")
    outcome = read(ICS, whole)
    assert outcome.refusals == [(4, reason)]
    assert len(outcome.found) == 2


@pytest.mark.parametrize(
    ("data", "refused"),
    [
        (b"", (1, "the file has no calendar")),
        (b"\r\n\r\n", (1, "the file has no calendar")),
        (b"title,description\n", (1, "the line is not a property of iCalendar")),
        (b" a:b\n", (1, "the line is not a property of iCalendar")),
        (b"BEGIN:VCARD\n", (1, "BEGIN:VCALENDAR is missing before the line")),
        (b"BEGIN:VTODO\n", (1, "BEGIN:VCALENDAR is missing before the line")),
        (b"END:VCALENDAR\n", (1, "BEGIN:VCALENDAR is missing before the line")),
        (b"BEGIN:\n", (1, "the line does not name a component")),
        (calendar("BEGIN:" + "x" * 65), (4, "the line does not name a component")),
        (calendar("END:VTODO"), (4, 'the line ends "VTODO" where END:VCALENDAR is missing')),
        (calendar("BEGIN:VTODO"), (5, 'the line ends "VCALENDAR" where END:VTODO is missing')),
        (calendar(*["BEGIN:A"] * 8), (11, "the components are nested too deeply")),
        (calendar()[:-15], (3, "the file is cut off: END:VCALENDAR is missing")),
        (calendar() + b"X:y", (5, "BEGIN:VCALENDAR is missing before the line")),
        (calendar() + b"nonsense", (5, "the line is not a property of iCalendar")),
        (
            todo("SUMMARY:a", *[" " + "x" * 70] * 2000),
            (5, "the property is longer than 131072 characters"),
        ),
        (
            EXPORT.replace(b"TASKS:2", b"TASKS:3"),
            (23, "the export had 3 tasks, and this file has 2"),
        ),
        (
            EXPORT.replace(b"TASKS:2", b"TASKS:two"),
            (23, "the end of the export does not say how many tasks it has"),
        ),
        (EXPORT + EXPORT, (31, "something follows the end of the export")),
        (
            EXPORT.replace(b"X-TASKAPI-END", b"X-OTHER"),
            (27, "the export is cut off: its end is missing"),
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_refused(data: bytes, refused: tuple[int, str]) -> None:
    assert read(ICS, data).refused == refused
