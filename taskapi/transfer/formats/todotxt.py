"""todo.txt: a task on a line (https://github.com/todotxt/todo.txt)."""

import json
import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

from taskapi.transfer.formats.completeness import Completeness
from taskapi.transfer.formats.identity import NOBODY, from_pair, source_of
from taskapi.transfer.formats.lines import Line, Lines
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import ExportFormat, FileRefused, Found, Record, Refusal

LINE_BREAKS = re.compile(r"\r\n|[\n\v\f\r\x85\u2028\u2029]")
"""What is white space, and the end of a line for some program. The format has none in a title."""

PRIORITY = re.compile(r"\([A-Z]\) ")
DATE = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}) ")

PAIR = re.compile(r" taskapi:([1-9][0-9]{0,18})-(-?[0-9]{1,18})(?![^ ])")
"""What names a task of an export, as the format has additional metadata: `key:value`."""

END = re.compile(r"x taskapi:end tasks:([0-9]{1,18}) next:[A-Za-z0-9_-]*")


def write(tasks: bytes) -> bytes:
    """A line for each task. There is no place for a description."""
    return "".join(_line(task) for task in json.loads(b"[%b]" % tasks)).encode()


def _line(task: dict[str, Any]) -> str:
    created, updated = task["created_at"], task["updated_at"]
    done = f"x {updated[:10]} " if task["is_completed"] else ""
    title = LINE_BREAKS.sub(" ", task["title"])
    name = source_of(task["id"], datetime.fromisoformat(created)).replace(" ", "-")
    return f"{done}{created[:10]} {title} taskapi:{name}\n"


def end(tasks: int, token: str) -> bytes:
    """The last line: done, so that programs that sort tasks keep it at the end."""
    return f"x taskapi:end tasks:{tasks} next:{token}\n".encode()


class TodoTxtReader(PartReader[Line]):
    """Reads the lines of an export, or of other programs.

    Priorities, projects, contexts and metadata stay in the title, because a task has no fields for
    them and they would be lost otherwise. A line that was exported says so at its end, and such
    lines are counted. Programs sort lines and people add some, so the end may be anywhere.
    """

    def __init__(self) -> None:
        super().__init__(Lines())
        self._exported = Completeness()
        self._end: tuple[int, int] | None = None
        self._is_empty = True

    def _check(self, line: int) -> None:
        if self._end is not None:
            self._exported.end(*self._end)
        self._exported.check_end(line)
        if self._is_empty:
            raise FileRefused(max(line, 1), "the file has no tasks")

    def _found(self, line: Line) -> Iterator[Found]:
        if not line.text.strip():
            return
        self._is_empty = False
        if (found := END.fullmatch(line.text)) is None:
            yield self._record(line)
        elif self._end is None:
            self._end = line.number, int(found[1])
        else:
            raise FileRefused(line.number, "the export has two ends")

    def _record(self, line: Line) -> Found:
        is_completed, title, created_at = _parts(line.text)
        identity = NOBODY
        pairs = list(PAIR.finditer(title))
        if pairs:
            self._exported.count(line.number, exported=True)
            try:
                identity, created_at = from_pair(*pairs[-1].groups())
            except ValueError as error:
                return Refusal(line.number, str(error))
            title = title[: pairs[-1].start()] + title[pairs[-1].end() :]
        values: dict[str, object] = {"title": title, "is_completed": is_completed}
        if created_at is not None:
            values["created_at"] = created_at
        return Record(line.number, values, *identity)


def _parts(text: str) -> tuple[bool, str, str | None]:
    """Whether it is done, the title with its priority, and when it was created."""
    is_completed, rest = text.startswith("x "), text.removeprefix("x ")
    priority = found[0] if (found := PRIORITY.match(rest)) else ""
    day, rest = _date_and_rest(rest.removeprefix(priority))
    if is_completed and day is not None:  # the first one says when it was done
        day, rest = _date_and_rest(rest)
    return is_completed, priority + rest, f"{day}T00:00:00Z" if day else None


def _date_and_rest(text: str) -> tuple[str | None, str]:
    """The date with which a text begins, and what follows."""
    found = DATE.match(text)
    if found is None:
        return None, text
    try:
        date.fromisoformat(found[1])
    except ValueError:
        return None, text
    return found[1], text[found.end() :]


TODO_TXT = ExportFormat("text/plain", "txt", TodoTxtReader, b"", write, end)
