"""JSON Lines: each task on a line, as the API has it (https://jsonlines.org)."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from taskapi import strict_json
from taskapi.config import MAX_ID
from taskapi.transfer.completeness import Completeness
from taskapi.transfer.lines import Line, Lines
from taskapi.transfer.records import (
    MAX_SOURCE_CHARACTERS,
    ExportFormat,
    FileRefused,
    Found,
    Record,
    Refusal,
    can_be_a_source,
    source_of,
)

VALUES = frozenset({"title", "description", "is_completed", "created_at"})
FIELDS = VALUES | {"id", "updated_at", "user_id"}


def write(tasks: bytes) -> bytes:
    """The tasks, one on a line.

    Nothing is parsed. A quotation mark within a text has a backslash before it, so this separator
    stands nowhere else; and a line feed is always escaped.
    """
    return tasks.replace(b'},{"id":', b'}\n{"id":') + b"\n" if tasks else b""


def end(tasks: int, token: str) -> bytes:
    """The last line."""
    return b'{"end":{"tasks":%d,"next":"%s"}}\n' % (tasks, token.encode())


class JsonLinesReader:
    """Reads an export, or lines that others wrote.

    A line needs a title, and nothing else. One with all seven fields is of an export, which must
    end with its last line. Members of other names are refused, because one could be a slip that
    loses data.
    """

    def __init__(self) -> None:
        self.ignored = 0
        self._lines = Lines()
        self._completeness = Completeness()

    def feed(self, chunk: bytes) -> Iterator[Found]:
        """See `Reader`."""
        for line in self._lines.feed(chunk):
            yield from self._found(line)

    def finish(self) -> Iterator[Found]:
        """See `Reader`."""
        for line in self._lines.finish():
            yield from self._found(line)
        self._completeness.check(self._lines.number)

    def _found(self, line: Line) -> Iterator[Found]:
        if not line.text.strip():
            return
        try:
            value = _decoded(line.text)
        except ValueError as error:
            self._completeness.count(line.number)
            yield Refusal(line.number, str(error))
            return
        if isinstance(value, dict) and value.keys() == {"end"}:
            self._completeness.end(line.number, _tasks_of(line, value["end"]))
            return
        exported = isinstance(value, dict) and value.keys() >= FIELDS
        self._completeness.count(line.number, exported=exported)
        yield _record(line.number, value)


def _decoded(text: str) -> Any:
    """The value of a line.

    Raises:
        ValueError: it is not JSON. The message says why, without the line that Python's has.
    """
    try:
        return strict_json.decode(text.encode())
    except json.JSONDecodeError as error:
        raise ValueError(f"the line is not JSON: {error.msg} at column {error.colno}") from None
    except strict_json.NotStrictJson as error:
        raise ValueError(f"the line is not JSON: {error}") from None


def _tasks_of(line: Line, value: object) -> object:
    if not isinstance(value, dict) or type(value.get("tasks")) is not int:
        raise FileRefused(line.number, "the end of the export does not say how many tasks it has")
    return value["tasks"]


def _record(line: int, value: Any) -> Found:
    if not isinstance(value, dict):
        return Refusal(line, "the line is not a JSON object")
    if (unknown := min(value.keys() - FIELDS, default=None)) is not None:
        name = json.dumps(unknown[: strict_json.MAX_NAME_CHARACTERS])
        return Refusal(line, f"a task has no member {name}")
    if "title" not in value:
        return Refusal(line, "the title is missing")
    try:
        source, task_id = _identity(value)
    except ValueError as error:
        return Refusal(line, str(error))
    return Record(line, {name: value[name] for name in value if name in VALUES}, source, task_id)


def _identity(value: dict[str, Any]) -> tuple[str | None, int | None]:
    """Source and task id of a line.

    Raises:
        ValueError: its id can be no id.
    """
    task_id, created_at = value.get("id"), _time(value.get("created_at"))
    if task_id is None:
        return None, None
    if type(task_id) is int and 1 <= task_id <= MAX_ID and created_at is not None:
        return source_of(task_id, created_at), task_id
    if type(task_id) not in {int, str} or not can_be_a_source(str(task_id)):
        raise ValueError(f"id is not a number or a text of 1 to {MAX_SOURCE_CHARACTERS} characters")
    return str(task_id), None


def _time(text: object) -> datetime | None:
    """The time of an export, or None: another text is validated like every value."""
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None


JSON_LINES = ExportFormat("application/jsonl", "jsonl", JsonLinesReader, write=write, end=end)
