"""Conditional requests: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, 8.8 and 13.1).

A row's version is its `updated_at`, which every change moves. So the entity tag needs no column of
its own, and the statement can compare it. A list's version is the hash of its bytes.
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated

from fastapi import Depends, Header
from fastapi.exceptions import RequestValidationError
from xxhash import xxh3_128_hexdigest

from taskapi.edge.body import invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
# Empty list elements are to be accepted too (RFC 9110, 5.6.1.2).
_TAGS = rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*"
TAGS = re.compile(rf"\A{_TAGS}")
TAG = re.compile(_TAG)
OWN_TAG = re.compile(r'"([1-9a-f][0-9a-f]{0,15})"')
"""As `entity_tag` writes it. Tags are compared as text, so no leading zeros."""

ANY = "*"

MAX_HEADER_CHARACTERS = 4096
"""Some 200 versions of a row: no client has so many, and each one costs."""


CONDITION_PATTERN = rf"^({re.escape(ANY)}|{_TAGS})$"


def _condition(name: str, description: str) -> object:
    return Header(
        alias=name,
        description=description,
        examples=['"63f4a1c2b7d40"'],
        max_length=MAX_HEADER_CHARACTERS,
        json_schema_extra={"pattern": CONDITION_PATTERN},
    )


IfMatch = Annotated[
    str | None,
    _condition(
        "If-Match",
        "Only if the row still has this `ETag`, or one of several; otherwise 412. `*` for any.",
    ),
]
IfNoneMatch = Annotated[
    str | None, _condition("If-None-Match", "Only if it has another `ETag` by now; otherwise 304.")
]


class InvalidTags(ValueError):
    """The header is neither `*` nor a list of entity tags."""


def microseconds(when: datetime) -> int:
    """A time as PostgreSQL stores it: microseconds since 1970."""
    return (when - EPOCH) // MICROSECOND


def from_microseconds(count: int) -> datetime:
    """The time that `microseconds` counted.

    Raises:
        OverflowError: it lies beyond the year 9999.
    """
    return EPOCH + count * MICROSECOND


def entity_tag(version: datetime) -> str:
    """The strong entity tag of a row's version."""
    return f'"{microseconds(version):x}"'


def content_tag(content: bytes) -> str:
    """The strong entity tag of a list.

    It need not withstand forgers, who could only mislead themselves. SHA-256 of 1000 tasks takes
    140 microseconds, a quarter of all that the service does to send them; this takes 5.
    """
    return f'"{xxh3_128_hexdigest(content)}"'


def versions_of(if_match: str | None) -> list[datetime] | None:
    """The versions that `If-Match` accepts; None where any version will do.

    Compared strongly: a weak tag, and one that was never issued here, match nothing.

    Raises:
        InvalidTags: the header cannot be read.
    """
    if if_match is None or if_match.strip() == ANY:
        return None
    return [version for tag in _tags(if_match) if (version := _version(tag)) is not None]


def matches(if_none_match: str | None, tag: str) -> bool:
    """Whether the client has this version already. Compared weakly.

    Raises:
        InvalidTags: the header cannot be read.
    """
    if if_none_match is None:
        return False
    if if_none_match.strip() == ANY:
        return True
    return tag in {known.removeprefix("W/") for known in _tags(if_none_match)}


def is_not_modified(if_none_match: str | None, tag: str) -> bool:
    """Whether a request with this `If-None-Match` is to be answered with 304.

    Raises:
        RequestValidationError: the header cannot be read.
    """
    try:
        return matches(if_none_match, tag)
    except InvalidTags:
        raise _invalid_header("If-None-Match") from None


async def expected_versions(if_match: IfMatch = None) -> list[datetime] | None:
    """The versions that the client is willing to change; None for any."""
    try:
        return versions_of(if_match)
    except InvalidTags:
        raise _invalid_header("If-Match") from None


ExpectedVersions = Annotated[list[datetime] | None, Depends(expected_versions)]


def _invalid_header(name: str) -> RequestValidationError:
    return invalid(("header", name), "tags_invalid", 'Should be * or "tag", "tag"')


def _tags(header: str) -> list[str]:
    if not TAGS.fullmatch(header):
        raise InvalidTags
    return TAG.findall(header)


def _version(tag: str) -> datetime | None:
    own = OWN_TAG.fullmatch(tag)
    try:
        return from_microseconds(int(own[1], 16)) if own else None
    except OverflowError:
        return None
