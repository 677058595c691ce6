"""The components of iCalendar files (RFC 5545, 3.4 and 3.6), one after the other."""

from collections.abc import Iterator
from typing import NamedTuple

from taskapi.transfer.formats.content_lines import ContentLine, ContentLines
from taskapi.transfer.formats.records import MAX_NAME_CHARACTERS, FileRefused, shown

MAX_LEVELS = 8
"""Of components in each other: an alarm of a to-do in a calendar is in the third."""


class Component(NamedTuple):
    """A component of a calendar, such as a to-do.

    Attributes:
        line: at which it begins.
        name: in upper case.
        properties: content lines by their names, those that are read. Of several with one name the
            first.
        product: the content line of the calendar that says which program wrote it.
    """

    line: int
    name: str
    properties: dict[str, str]
    product: str


class Components:
    """Cuts a file into the components of its calendars, and holds no more than one.

    The library `icalendar` parses a whole calendar, which would block all other requests for
    seconds. Here a component can be used as soon as its last line is there.

    Args:
        names: in upper case, of the properties that are read.

    Attributes:
        number: of the last line that was complete.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._lines = ContentLines(names | {"BEGIN", "END", "PRODID"})
        self._open: list[str] = []
        self._component = Component(0, "", {}, "")
        self._product = ""
        self._has_calendar = False

    @property
    def number(self) -> int:
        return self._lines.number

    def feed(self, chunk: bytes) -> Iterator[Component]:
        """The components that are complete with this part of the file.

        Raises:
            FileRefused: this is not iCalendar.
        """
        for line in self._lines.feed(chunk):
            yield from self._found(line)

    def finish(self) -> Iterator[Component]:
        """The last ones.

        Raises:
            FileRefused: as above, or the file is cut off.
        """
        for line in self._lines.finish():
            yield from self._found(line)
        if self._open:
            reason = f"the file is cut off: END:{self._open[0]} is missing"
            raise FileRefused(self._lines.number, reason)
        if not self._has_calendar:
            raise FileRefused(1, "the file has no calendar")

    def _found(self, line: ContentLine) -> Iterator[Component]:
        if line.name == "BEGIN":
            self._begin(line)
        elif not self._open:
            raise FileRefused(line.number, "BEGIN:VCALENDAR is missing before the line")
        elif line.name == "END":
            yield from self._end(line)
        elif len(self._open) == 1 and line.name == "PRODID":
            self._product = line.text
        elif len(self._open) == 2 and line.text:  # noqa: PLR2004 - a calendar, and a component
            self._component.properties.setdefault(line.name, line.text)

    def _begin(self, line: ContentLine) -> None:
        name = _component_name(line)
        if not self._open and name != "VCALENDAR":
            raise FileRefused(line.number, "BEGIN:VCALENDAR is missing before the line")
        if len(self._open) == MAX_LEVELS:
            raise FileRefused(line.number, "the components are nested too deeply")
        if not self._open:
            self._has_calendar, self._product = True, ""
        if len(self._open) == 1:
            self._component = Component(line.number, name, {}, self._product)
        self._open.append(name)

    def _end(self, line: ContentLine) -> Iterator[Component]:
        name = _component_name(line)
        if (expected := self._open.pop()) != name:
            reason = f"the line ends {shown(name)} where END:{expected} is missing"
            raise FileRefused(line.number, reason)
        if len(self._open) == 1:
            yield self._component


def _component_name(line: ContentLine) -> str:
    name = line.text.partition(":")[2].strip().upper()
    if not name.isprintable() or not 1 <= len(name) <= MAX_NAME_CHARACTERS:
        raise FileRefused(line.number, "the line does not name a component")
    return name
