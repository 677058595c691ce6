"""Todoist's CSV: a project exported as a template, or one of a backup.

The columns are those of its help page "Import or export a project as a CSV file". Todoist has added
some over the years: what is not known here is not read.
"""

from collections.abc import Iterator

from taskapi.transfer.formats import foreign
from taskapi.transfer.formats.lines import MAX_LINE_BYTES
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import FileRefused, Format, Found, Record, Refusal, shown
from taskapi.transfer.formats.rows import Row, Rows

NEEDED = ("TYPE", "CONTENT")

NO_TASKS = frozenset({"section", "meta", ""})
"""Types of records: those of the help page, and how a project is shown."""


class TodoistReader(PartReader[Row]):
    """Reads the tasks of a project. A comment is added to the description of the task above it.

    A project as a template has no completed tasks, and no ids.
    """

    def __init__(self) -> None:
        super().__init__(Rows())
        self._columns: list[str] | None = None
        self._task: Record | None = None

    def _rest(self) -> Iterator[Found]:
        yield from self._complete()

    def _check(self, line: int) -> None:
        if self._columns is None:
            raise FileRefused(max(line, 1), "the file has no header")

    def _found(self, row: Row) -> Iterator[Found]:
        if self._columns is None:
            self._columns = _columns(row)
            return
        cells = dict(zip(self._columns, row.cells, strict=False))
        kind = cells.get("TYPE", "").strip().lower()
        if kind == "note" and len(row.cells) == len(self._columns):
            self._comment(cells["CONTENT"])
            return
        yield from self._complete()
        if len(row.cells) != len(self._columns):
            reason = f"the record has {len(row.cells)} cells, and the header {len(self._columns)}"
            yield Refusal(row.line, reason)
        elif kind == "task":
            self._begin(row.line, cells)
        elif kind in NO_TASKS:
            self.ignored += 1
        else:
            yield Refusal(row.line, f"the type {shown(kind)} is unknown")

    def _begin(self, line: int, cells: dict[str, str]) -> None:
        """A task, to which comments may follow."""
        values = foreign.values_of(
            cells["CONTENT"],
            cells.get("DESCRIPTION", ""),
            due=cells.get("DATE", ""),
            deadline=cells.get("DEADLINE", ""),
        )
        if values is None:
            self.ignored += 1
        else:
            self._task = Record(line, values)

    def _comment(self, text: str) -> None:
        if self._task is None:
            self.ignored += 1
            return
        description = self._task.values["description"]
        if len(f"{description}") <= MAX_LINE_BYTES:  # much longer than any description may be
            self._task.values["description"] = f"{description}\n{text}" if description else text

    def _complete(self) -> Iterator[Record]:
        if self._task is not None:
            yield self._task
        self._task = None


def _columns(header: Row) -> list[str]:
    names = [cell.strip().upper() for cell in header.cells]
    for name in NEEDED:
        if names.count(name) != 1:
            raise FileRefused(header.line, f"the file is not Todoist's: no column {name}")
    return names


TODOIST = Format("text/csv", "csv", TodoistReader)
