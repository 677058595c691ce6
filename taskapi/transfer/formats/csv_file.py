"""CSV (RFC 4180), also for spreadsheets."""

import csv
import io
import json
import re
from collections.abc import Iterator

from taskapi.transfer.formats.completeness import Completeness
from taskapi.transfer.formats.identity import identity_of
from taskapi.transfer.formats.lines import UTF_8_MARK
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import (
    FIELDS,
    VALUES,
    ExportFormat,
    FileRefused,
    Found,
    Record,
    Refusal,
    shown,
)
from taskapi.transfer.formats.rows import Row, Rows

OPTIONAL = frozenset({"is_completed", "created_at"})
"""An empty cell of these is no value."""

RUN = re.compile(r"\A'*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001 - the full-width forms are meant
"""A cell that a spreadsheet would run as a formula, or may (OWASP, CSV Injection).

One apostrophe in front makes it harmless. Cells that begin with apostrophes before such a character
get one more, so that taking one away from exactly these gives every cell back.
"""

END_ID = "end"
TASKS = re.compile(r"([0-9]{1,18}) tasks")


def harmless(cell: object) -> object:
    """The cell as no spreadsheet runs it."""
    return f"'{cell}" if isinstance(cell, str) and RUN.match(cell) else cell


def original(cell: str) -> str:
    """The cell that `harmless` was given."""
    return cell[1:] if cell.startswith("'") and RUN.match(cell) else cell


def _records(rows: list[list[object]]) -> bytes:
    """Text in quotation marks always, because some programs separate cells by semicolons."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\r\n")
    writer.writerows([harmless(cell) for cell in row] for row in rows)
    return text.getvalue().encode()


def write(tasks: bytes) -> bytes:
    """A record for each task."""
    rows = [[_cell(task[name]) for name in FIELDS] for task in json.loads(b"[%b]" % tasks)]
    return _records(rows)


def _cell(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else value


def end(tasks: int, token: str) -> bytes:
    """The last record."""
    return _records([[END_ID, f"{tasks} tasks", token, "", "", "", ""]])


class CsvReader(PartReader[Row]):
    """Reads an export, or a table that others wrote.

    Its first record names the columns, of which only `title` is needed. With all seven it is an
    export, which must end with its last record. Columns of other names are refused, because one
    could be a slip that loses data.
    """

    def __init__(self) -> None:
        super().__init__(Rows())
        self._completeness = Completeness()
        self._columns: list[str] | None = None

    def _check(self, line: int) -> None:
        self._completeness.check(line)

    def _found(self, row: Row) -> Iterator[Found]:
        if self._columns is None:
            self._columns = _columns(row)
            return
        cells = dict(zip(self._columns, map(original, row.cells), strict=False))
        exported = set(FIELDS) <= set(self._columns)
        if exported and cells.get("id") == END_ID:
            self._completeness.end(row.line, _tasks_of(cells))
            return
        self._completeness.count(row.line, exported=exported)
        if len(row.cells) != len(self._columns):
            reason = f"the record has {len(row.cells)} cells, and the header {len(self._columns)}"
            yield Refusal(row.line, reason)
            return
        yield _record(row.line, cells)


def _columns(header: Row) -> list[str]:
    """The names of a file's columns, in lower case.

    Raises:
        FileRefused: they are not these.
    """
    names = [cell.strip().lower() for cell in header.cells]
    for name in names:
        if name not in FIELDS or names.count(name) > 1:
            reason = "unknown" if name not in FIELDS else "there twice"
            raise FileRefused(header.line, f"the column {shown(name)} is {reason}")
    if "title" not in names:
        raise FileRefused(header.line, "the column title is missing")
    return names


def _tasks_of(cells: dict[str, str]) -> int | None:
    found = TASKS.fullmatch(cells["title"])
    return int(found[1]) if found else None


def _record(line: int, cells: dict[str, str]) -> Found:
    try:
        identity = identity_of(cells.get("id") or None, cells.get("created_at"))
    except ValueError as error:
        return Refusal(line, str(error))
    values: dict[str, object] = {
        name: cells[name]
        for name in VALUES
        if name in cells and (cells[name] or name not in OPTIONAL)
    }
    return Record(line, values, *identity)


HEAD = UTF_8_MARK.encode() + _records([list(FIELDS)])
"""With the mark, without which some spreadsheets take UTF-8 for something else."""

CSV = ExportFormat("text/csv", "csv", CsvReader, HEAD, write, end)
