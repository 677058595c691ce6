"""What names a task of a file, so that importing it again makes no second task."""

from datetime import datetime
from typing import NamedTuple

from taskapi.config import MAX_ID
from taskapi.edge.conditional import from_microseconds, microseconds

MAX_SOURCE_CHARACTERS = 500
"""Of the id that another program gave a task: a UID is 36, Google's ids are 22."""


class Identity(NamedTuple):
    """`source` and `task_id` of a record."""

    source: str | None
    task_id: int | None


NOBODY = Identity(None, None)


def source_of(task_id: int, created_at: datetime) -> str:
    """What names a task that this service exported, the same in every format.

    An id alone could be that of another task, because every service counts from 1.
    """
    return f"{task_id} {microseconds(created_at)}"


def exported(task_id: int, created_at: datetime) -> Identity:
    """The identity of a task that this service exported."""
    return Identity(source_of(task_id, created_at), task_id)


def from_pair(task_id: str, created: str) -> tuple[Identity, str]:
    """The identity of an exported task, and when it was created, as the API shows it.

    Args:
        task_id: digits.
        created: microseconds since 1970.

    Raises:
        ValueError: that is not within the years 1 to 9999.
    """
    try:
        created_at = from_microseconds(int(created))
    except OverflowError:
        raise ValueError("the time in the name of the task is out of range") from None
    text = created_at.isoformat(timespec="microseconds").replace("+00:00", "Z")
    return exported(int(task_id), created_at), text


def identity_of(given: object, created_at: object) -> Identity:
    """The identity of a task with this id: of this service, if `created_at` is with it.

    Args:
        given: a number or a text, or None.
        created_at: RFC 3339, or anything else.

    Raises:
        ValueError: it cannot be an id.
    """
    if given is None:
        return NOBODY
    task_id, time = _number(given), _time(created_at)
    if task_id is not None and time is not None:
        return exported(task_id, time)
    if type(given) not in {int, str} or not can_be_a_source(str(given)):
        raise ValueError(f"id is not a number or a text of 1 to {MAX_SOURCE_CHARACTERS} characters")
    return Identity(str(given), None)


def can_be_a_source(text: str) -> bool:
    """Whether a text can name a task. Half of a surrogate pair, which JSON can have, cannot."""
    return 1 <= len(text) <= MAX_SOURCE_CHARACTERS and text.isprintable()


def _number(given: object) -> int | None:
    """An id of this service: a number, or in a format of texts its digits."""
    if isinstance(given, str):
        is_id = given.isascii() and given.isdigit() and len(given) <= len(str(MAX_ID))
        given = int(given) if is_id else None
    return given if type(given) is int and 1 <= given <= MAX_ID else None


def _time(text: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(text) if isinstance(text, str) else None
    except ValueError:
        return None
    return time if time is not None and time.tzinfo is not None else None
