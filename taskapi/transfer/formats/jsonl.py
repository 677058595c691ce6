"""JSON Lines: each task on a line, as the API has it (https://jsonlines.org)."""

import json
from collections.abc import Iterator
from typing import Any

from taskapi import strict_json
from taskapi.transfer.formats.completeness import Completeness
from taskapi.transfer.formats.identity import identity_of
from taskapi.transfer.formats.lines import Line, Lines
from taskapi.transfer.formats.reading import PartReader
from taskapi.transfer.formats.records import (
    FIELDS,
    VALUES,
    ExportFormat,
    Found,
    Record,
    Refusal,
    shown,
)


def write(tasks: bytes) -> bytes:
    """The tasks, one on a line.

    Nothing is parsed. A quotation mark within a text has a backslash before it, so this separator
    stands nowhere else; and a line feed is always escaped.
    """
    return tasks.replace(b'},{"id":', b'}\n{"id":') + b"\n" if tasks else b""


def end(tasks: int, token: str) -> bytes:
    """The last line."""
    return b'{"end":{"tasks":%d,"next":"%s"}}\n' % (tasks, token.encode())


class JsonLinesReader(PartReader[Line]):
    """Reads an export, or lines that others wrote.

    A line needs a title, and nothing else. One with all seven fields is of an export, which must
    end with its last line. Members of other names are refused, because one could be a slip that
    loses data.
    """

    def __init__(self) -> None:
        super().__init__(Lines())
        self._completeness = Completeness()

    def _check(self, line: int) -> None:
        self._completeness.check(line)

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
            end_members = value["end"] if isinstance(value["end"], dict) else {}
            self._completeness.end(line.number, end_members.get("tasks"))
            return
        exported = isinstance(value, dict) and value.keys() >= {*FIELDS}
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
        raise ValueError(f"the line is not JSON: {error.msg} (column {error.colno})") from None
    except strict_json.NotStrictJson as error:
        raise ValueError(f"the line is not JSON: {error}") from None


def _record(line: int, value: Any) -> Found:
    if not isinstance(value, dict):
        return Refusal(line, "the line is not a JSON object")
    if (unknown := min(value.keys() - {*FIELDS}, default=None)) is not None:
        return Refusal(line, f"a task has no member {shown(unknown)}")
    if "title" not in value:
        return Refusal(line, "the title is missing")
    try:
        identity = identity_of(value.get("id"), value.get("created_at"))
    except ValueError as error:
        return Refusal(line, str(error))
    return Record(line, {name: value[name] for name in VALUES if name in value}, *identity)


JSON_LINES = ExportFormat("application/jsonl", "jsonl", JsonLinesReader, b"", write, end)
