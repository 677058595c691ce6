"""The records of a CSV file (RFC 4180), which may span lines."""

import csv
from collections.abc import Iterator
from typing import NamedTuple

from taskapi.transfer.formats.lines import MAX_LINE_BYTES, Line, Lines
from taskapi.transfer.formats.records import FileRefused

DELIMITERS = ",;\t"
"""Where the comma is the decimal sign, spreadsheets separate cells by semicolons."""


class Row(NamedTuple):
    """The cells of a record, and the line at which it begins."""

    line: int
    cells: list[str]


class Rows:
    """Cuts a file into records, and holds no more than the one that is not complete.

    Python's reader takes lines, and cannot wait in the middle of a record for the next ones. So
    lines are collected until the quotation marks in them are even, as they are in a record. In an
    unquoted cell Python takes a single one as text: then it finds several records in the lines.

    Attributes:
        number: of the last line that was complete.
    """

    def __init__(self) -> None:
        self._lines = Lines(keep_ends=True)
        self._pending: list[Line] = []
        self._characters = 0
        self._quotes = 0
        self._delimiter: str | None = None

    @property
    def number(self) -> int:
        return self._lines.number

    def feed(self, chunk: bytes) -> Iterator[Row]:
        """The records that are complete with this part of the file, without blank ones.

        Raises:
            FileRefused: this is not CSV, or a record is too long.
        """
        for line in self._lines.feed(chunk):
            yield from self._rows(line)

    def finish(self) -> Iterator[Row]:
        """The last record, if no line feed ends it.

        Raises:
            FileRefused: as above, or a quoted cell is not complete.
        """
        for line in self._lines.finish():
            yield from self._rows(line)
        yield from self._parsed()

    def _rows(self, line: Line) -> Iterator[Row]:
        if not self._pending and line.text in {"\n", "\r\n"}:
            return
        self._pending.append(line)
        self._characters += len(line.text)
        self._quotes += line.text.count('"')
        if self._characters > MAX_LINE_BYTES:
            start = self._pending[0].number
            raise FileRefused(start, f"the record is longer than {MAX_LINE_BYTES} characters")
        if self._quotes % 2 == 0:
            yield from self._parsed()

    def _parsed(self) -> Iterator[Row]:
        if not self._pending:
            return
        first, texts = self._pending[0].number, [line.text for line in self._pending]
        self._pending, self._characters, self._quotes = [], 0, 0
        if self._delimiter is None:
            self._delimiter = max(DELIMITERS, key=texts[0].count)
        reader = csv.reader(texts, delimiter=self._delimiter, strict=True)
        start = first
        try:
            for cells in reader:
                if any(cells):
                    yield Row(start, cells)
                start = first + reader.line_num
        except csv.Error as error:
            reason, _, _ = str(error).partition(" - ")  # behind it is advice for programmers
            reason = reason.replace("\t", "TAB")
            raise FileRefused(start, f"the record is not CSV: {reason}") from None
