"""The content lines of an iCalendar file (RFC 5545, 3.1), unfolded."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from taskapi.transfer.formats.lines import MAX_LINE_BYTES, Line, Lines
from taskapi.transfer.formats.records import FileRefused

NAME = re.compile(r"\A([A-Za-z0-9-]+)[;:]")

MAX_CHARACTERS = MAX_LINE_BYTES
"""Of a content line, unfolded."""


class ContentLine(NamedTuple):
    """A name in upper case, a colon and a value, with parameters between them or not.

    Attributes:
        number: of the line at which it begins.
        name: in upper case.
        text: the whole content line; empty if nobody reads it.
    """

    number: int
    name: str
    text: str


class ContentLines:
    """Cuts a file into content lines, and holds no more than the one that is not complete.

    What nobody reads, such as a picture in a property, is not kept and may have any length.

    Args:
        names: in upper case, of the properties that somebody reads.

    Attributes:
        number: of the last line that was complete.
    """

    def __init__(self, names: frozenset[str]) -> None:
        self._names = names
        self._lines = Lines()
        self._current: ContentLine | None = None
        self._parts: list[str] = []
        self._characters = 0

    @property
    def number(self) -> int:
        return self._lines.number

    def feed(self, chunk: bytes) -> Iterator[ContentLine]:
        """The content lines that are complete: that another begins shows it.

        Raises:
            FileRefused: a line is none, or too long.
        """
        for line in self._lines.feed(chunk):
            yield from self._unfolded(line)

    def finish(self) -> Iterator[ContentLine]:
        """The last ones.

        Raises:
            FileRefused: as above.
        """
        for line in self._lines.finish():
            yield from self._unfolded(line)
        yield from self._complete()

    def _unfolded(self, line: Line) -> Iterator[ContentLine]:
        """A blank line stands nowhere in the format, and is passed over."""
        if not line.text:
            return
        if self._current is not None and line.text[0] in " \t":
            self._keep(line.text[1:])
            return
        yield from self._complete()
        found = NAME.match(line.text)
        if found is None:
            raise FileRefused(line.number, "the line is not a property of iCalendar")
        self._current = ContentLine(line.number, found[1].upper(), "")
        self._keep(line.text)

    def _keep(self, text: str) -> None:
        if self._current is None or self._current.name not in self._names:
            return
        self._parts.append(text)
        self._characters += len(text)
        if self._characters > MAX_CHARACTERS:
            reason = f"the property is longer than {MAX_CHARACTERS} characters"
            raise FileRefused(self._current.number, reason)

    def _complete(self) -> Iterator[ContentLine]:
        if self._current is not None:
            yield self._current._replace(text="".join(self._parts))
        self._current, self._parts, self._characters = None, [], 0
