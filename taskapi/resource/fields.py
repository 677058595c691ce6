"""Types of single values that a client sends, shared by the schemas of all resources."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, StrictInt

from taskapi.config import MAX_ID


def without_nul(text: str) -> str:
    """Refuse the one character that PostgreSQL cannot store.

    Raises:
        ValueError: the text contains it.
    """
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000, which PostgreSQL cannot store")
    return text


def _plain_digits(value: object) -> object:
    """One spelling for each number: no sign, no spaces, no leading zero, no other digits."""
    if isinstance(value, str) and not (
        value.isascii()
        and value.isdigit()
        and (value == "0" or value[0] != "0")
        and len(value) <= len(str(MAX_ID))
    ):
        raise ValueError("must be a whole number in plain digits")
    return value


BOOLEANS = {"true": True, "1": True, "false": False, "0": False}


def _boolean(value: object) -> object:
    """In a URL, as HTTP libraries write it: Python's `True`, PHP's `1`, JavaScript's `true`."""
    if isinstance(value, bool):
        return value
    try:
        return BOOLEANS[str(value).lower()]
    except KeyError:
        raise ValueError("must be true or false") from None


RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d(:[0-5]\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)
"""Seconds may be missing, as a time that a person has chosen has none."""


def _rfc_3339(value: object) -> object:
    if isinstance(value, str) and RFC_3339.fullmatch(value):
        return value
    if isinstance(value, datetime):
        return value
    # What else there is, pydantic would take in part: a number, as seconds since 1970.
    lost_plus = isinstance(value, str) and RFC_3339.fullmatch(value.replace(" ", "+", 1))
    hint = "; in a URL, + is %2B" if lost_plus else ""
    raise ValueError(f"must be a time like 2026-01-31T09:30:00Z{hint}")


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


PlainDigits = BeforeValidator(_plain_digits)
"""Placed behind the bounds of a number, because OpenAPI would not know their names otherwise."""

Flag = Annotated[bool, BeforeValidator(_boolean)]
"""Of a query."""

RowId = Annotated[StrictInt, Field(ge=1, le=MAX_ID)]

Timestamp = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc_3339),
    AfterValidator(_in_utc),
    Field(examples=["2026-01-31T09:30:00Z"]),
]

UNCHANGED: Any = None
"""The default of a member of a patch for which null is not allowed: omitted, it stays as it is."""
