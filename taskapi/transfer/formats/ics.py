"""iCalendar (RFC 5545): each task a to-do, as programs for calendars and reminders have them."""

import json
from collections.abc import Iterator

from taskapi.transfer.formats.completeness import Completeness
from taskapi.transfer.formats.components import Component, Components
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import ExportFormat, Found, Refusal
from taskapi.transfer.formats.todo import PROPERTIES, lines_of, record_of

PRODUCT = "PRODID:-//taskapi//taskapi//EN"
END = "X-TASKAPI-END"
TASKS = "X-TASKAPI-TASKS"

EVENTS = frozenset({"VEVENT", "VJOURNAL"})

MAX_LINE_OCTETS = 75
"""RFC 5545, 3.1."""


def folded(line: str) -> bytes:
    """A content line in lines of 75 octets, cut between characters."""
    data, parts, start, room = line.encode(), [], 0, MAX_LINE_OCTETS
    while len(data) - start > room:
        cut = start + room
        while data[cut] & 0xC0 == 0x80:  # noqa: PLR2004 - not the first octet of a character
            cut -= 1
        parts.append(data[start:cut])
        start, room = cut, MAX_LINE_OCTETS - len(" ")
    return b"\r\n ".join([*parts, data[start:]]) + b"\r\n"


HEAD = b"".join(map(folded, ("BEGIN:VCALENDAR", "VERSION:2.0", PRODUCT)))


def write(tasks: bytes) -> bytes:
    """A to-do for each task, by hand: the library takes 160 microseconds for each."""
    todos = (lines_of(task) for task in json.loads(b"[%b]" % tasks))
    return b"".join(folded(line) for todo in todos for line in todo)


def end(tasks: int, token: str) -> bytes:
    """The last component, and the end of the calendar."""
    lines = f"BEGIN:{END}", f"{TASKS}:{tasks}", f"X-TASKAPI-NEXT:{token}", f"END:{END}"
    return b"".join(map(folded, (*lines, "END:VCALENDAR")))


class CalendarReader(PartReader[Component]):
    """Reads the to-dos of an export, or of the calendars of other programs.

    Events are ignored. The last component of an export counts its tasks; of any calendar the last
    line shows that it is whole.
    """

    def __init__(self) -> None:
        super().__init__(Components(PROPERTIES | {TASKS}))
        self._completeness = Completeness()

    def _check(self, line: int) -> None:
        self._completeness.check_end(line)

    def _found(self, component: Component) -> Iterator[Found]:
        if component.name == END:
            self._completeness.end(component.line, _tasks_of(component))
        elif component.name == "VTODO":
            self._completeness.count(component.line, exported=component.product == PRODUCT)
            yield from self._todo(component)
        elif component.name in EVENTS:
            self.ignored += 1

    def _todo(self, component: Component) -> Iterator[Found]:
        try:
            record = record_of(component.line, component.properties)
        except ValueError as error:
            yield Refusal(component.line, str(error))
            return
        if record is None:
            self.ignored += 1
        else:
            yield record


def _tasks_of(end_of_export: Component) -> int | None:
    given = end_of_export.properties.get(TASKS, "").removeprefix(f"{TASKS}:")
    return int(given) if given.isdecimal() and len(given) <= len(str(10**9)) else None


CALENDAR = ExportFormat("text/calendar", "ics", CalendarReader, HEAD, write, end)
