"""A to-do of iCalendar (VTODO, RFC 5545, 3.6.2), from a task and to a record."""

import base64
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from taskapi.transfer.formats import foreign
from taskapi.transfer.formats.identity import (
    NOBODY,
    Identity,
    can_be_a_source,
    from_pair,
    source_of,
)
from taskapi.transfer.formats.records import Record

PROPERTIES = frozenset(
    {
        "UID",
        "CREATED",
        "STATUS",
        "COMPLETED",
        "PERCENT-COMPLETE",
        "DUE",
        "RECURRENCE-ID",
        "SUMMARY",
        "X-TASKAPI-SUMMARY",
        "DESCRIPTION",
        "X-TASKAPI-DESCRIPTION",
    }
)
"""Those that are read."""

UID = re.compile(r"task-([1-9][0-9]{0,18})-(-?[0-9]{1,18})@taskapi")

DATE_TIME = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:T([0-9]{2})([0-9]{2})([0-9]{2})(Z?))?")
"""A date (RFC 5545, 3.3.4), or a date with a time (3.3.5)."""

NOT_TEXT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
"""The control characters that TEXT cannot have (3.3.11)."""


def plain(text: str) -> str:
    """A text as TEXT can hold it: with one kind of line break, and no other control characters."""
    return NOT_TEXT.sub(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def escaped(text: str) -> str:
    """A plain text as TEXT. `str.translate` takes five times as long."""
    text = text.replace("\\", "\\\\").replace(";", "\\;")
    return text.replace(",", "\\,").replace("\n", "\\n")


# From a task


def lines_of(task: dict[str, Any]) -> Iterator[str]:
    """The content lines of a task, not folded."""
    created, updated = _seconds(task["created_at"]), _seconds(task["updated_at"])
    source = source_of(task["id"], datetime.fromisoformat(task["created_at"]))
    yield "BEGIN:VTODO"
    yield f"UID:task-{source.replace(' ', '-')}@taskapi"
    yield f"DTSTAMP:{updated}"
    yield f"CREATED:{created}"
    yield f"LAST-MODIFIED:{updated}"
    yield from _text_lines("SUMMARY", task["title"])
    if task["description"]:
        yield from _text_lines("DESCRIPTION", task["description"])
    if task["is_completed"]:
        yield from ("STATUS:COMPLETED", "PERCENT-COMPLETE:100", f"COMPLETED:{updated}")
    else:
        yield "STATUS:NEEDS-ACTION"
    yield "END:VTODO"


def _seconds(timestamp: str) -> str:
    """2026-01-31T09:30:00.123456Z as 20260131T093000Z, which has no parts of a second."""
    return timestamp[:19].replace("-", "").replace(":", "") + "Z"


def _text_lines(name: str, text: str) -> Iterator[str]:
    """A property, and beside it the whole text if TEXT cannot hold it."""
    held = plain(text)
    yield f"{name}:{escaped(held)}"
    if held != text:
        yield f"X-TASKAPI-{name}:{base64.b64encode(text.encode()).decode()}"


# To a record


def record_of(line: int, properties: dict[str, str]) -> Record | None:
    """What a to-do says, or None: it is cancelled, one occurrence of a repeated one, or blank.

    Args:
        line: at which it begins.
        properties: content lines by their names.

    Raises:
        ValueError: a content line cannot be read.
    """
    read = {name: _value(name, text) for name, text in properties.items()}
    if "RECURRENCE-ID" in read or read.get("STATUS", "").upper() == "CANCELLED":
        return None
    values = foreign.values_of(
        _text(read, "SUMMARY"), _text(read, "DESCRIPTION"), due=read.get("DUE", "")
    )
    if values is None:
        return None
    identity, created_at = _identity(read)
    values["is_completed"] = _is_completed(read)
    if created_at is not None:
        values["created_at"] = created_at
    return Record(line, values, *identity)


def _value(name: str, text: str) -> str:
    """The value of a content line, and of DUE as a person reads it.

    The parser of whole components takes four times as long, for values that are not read here.
    """
    from icalendar.parser import Contentline  # noqa: PLC0415 - 2 MB, for few workers

    try:
        _, parameters, value = Contentline(text).parts()  # type: ignore[no-untyped-call]  # the library says no types here
    except ValueError:
        raise ValueError(f"the property {name} cannot be read") from None
    return _due(value, parameters.get("TZID")) if name == "DUE" else str(value)


def _due(value: str, zone: object) -> str:
    found = DATE_TIME.fullmatch(value)
    if found is None:
        return value
    year, month, day, hour, minute, _, utc = found.groups()
    date = f"{year}-{month}-{day}"
    if hour is None:
        return date
    zones = ["UTC"] if utc else [zone] if isinstance(zone, str) else []
    return " ".join([date, f"{hour}:{minute}", *zones])


def _text(read: dict[str, str], name: str) -> str:
    """A text, whole if it was not changed since it was written here."""
    text = read.get(name, "")
    if (whole := read.get(f"X-TASKAPI-{name}")) is None:
        return text
    try:
        original = base64.b64decode(whole, validate=True).decode()
    except ValueError:
        raise ValueError(f"the property X-TASKAPI-{name} cannot be read") from None
    return original if plain(original) == text else text


def _is_completed(read: dict[str, str]) -> bool:
    if status := read.get("STATUS"):
        return status.upper() == "COMPLETED"
    return "COMPLETED" in read or read.get("PERCENT-COMPLETE") == "100"


def _identity(read: dict[str, str]) -> tuple[Identity, str | None]:
    """What names the to-do, and when it was created. Our UID has more digits than CREATED."""
    uid = read.get("UID", "")
    if (ours := UID.fullmatch(uid)) is not None:
        return from_pair(*ours.groups())
    identity = Identity(uid, None) if can_be_a_source(uid) else NOBODY
    found = DATE_TIME.fullmatch(read.get("CREATED", ""))
    if found is None or found[4] is None:
        return identity, None
    year, month, day, *clock, _ = found.groups()
    return identity, f"{year}-{month}-{day}T{':'.join(clock)}Z"
