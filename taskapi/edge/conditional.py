"""Conditional requests: `ETag`, `If-Match` and `If-None-Match` (RFC 9110, 8.8 and 13.1).

A row's version is its `updated_at`, which every change moves, so the entity tag needs no column of
its own, and the statement can compare it. A list's version is the time of its user's clock.

A version is the state of a row, whatever coding its bytes had on the way. So a tag is also accepted
as a proxy that compresses rewrites it, in `If-Match` too, where RFC 9110 compares strongly
(docs/decisions/0027).
"""

import re
from datetime import UTC, datetime, timedelta
from typing import Annotated, NamedTuple

from fastapi import Depends, Header
from fastapi.exceptions import RequestValidationError
from xxhash import xxh3_64_hexdigest, xxh3_128_hexdigest

from taskapi.edge.invalid import invalid

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

_TAG = r'(?:W/)?"[!#-~\x80-\xff]*"'
# Empty list elements are to be accepted too (RFC 9110, 5.6.1.2).
_TAGS = rf"[ \t,]*{_TAG}(?:[ \t]*,[ \t,]*{_TAG})*[ \t,]*"
TAGS = re.compile(rf"\A{_TAGS}")
OPAQUE_TAG = re.compile(r'"[^"]*"')
"""A tag without the `W/` that nginx, HAProxy, Varnish and Cloudflare add when they compress."""

CODING = re.compile(r'(?:--?|;)(?:gzip|gz|br|zstd|zs|deflate)"\Z')
"""What others add: Apache `-gzip` and `-br`, Caddy `-zstd`, Jetty `--gzip`, Roxen `;gzip`,
LiteSpeed `;gz`. No tag that is made here ends like this."""

ROW_TAG = re.compile(r'"([1-9a-f][0-9a-f]{0,15})"')
"""As `entity_tag` writes it. Tags are compared as text, so no leading zeros."""

TIME_TAG = re.compile(r'"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)"', re.ASCII)
"""`updated_at` as it is in every response, so that each row of a list has its version."""

ANY = "*"

Tags = frozenset[str]
"""The tags of a header in their quotes, without what proxies add; or `ANY`, which has no quotes."""

NO_TAGS: Tags = frozenset()

MAX_HEADER_CHARACTERS = 4096
"""Some 200 versions of a row: no client has so many, and each one costs."""


CONDITION_PATTERN = rf"^({re.escape(ANY)}|{_TAGS})$"


class ClockTime(NamedTuple):
    """What a user's clock shows: the version of all their lists (`clock.models.UserClock`)."""

    started_at: datetime
    changed_at: datetime


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
        "Only if the row still has this `ETag`, or one of several; otherwise 412. `*` for any. "
        "`updated_at` in quotes is a version too.",
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


def question_hash(question: str) -> str:
    """The part of a list's tag that says what was asked for."""
    return xxh3_64_hexdigest(question.encode())


def list_tag(clock: ClockTime, asked: str) -> str:
    """The strong entity tag of a list: of what the clock shows, and of what was asked for.

    A tag belongs to one URL. Its hash is in it because clients mix up the tags of several lists.

    Args:
        clock: the user's.
        asked: the `question_hash`.
    """
    started, changed = map(microseconds, clock)
    return f'"{started:x}-{changed:x}-{asked}"'


def content_tag(content: bytes) -> str:
    """The strong entity tag of these bytes.

    It need not withstand forgers, who could only mislead themselves. SHA-256 of 1000 tasks takes
    140 microseconds, a quarter of all that the service does to send them; this takes 5.
    """
    return f'"{xxh3_128_hexdigest(content)}"'


def tags_in(header: str | None) -> Tags:
    """The tags of a condition.

    Raises:
        InvalidTags: the header cannot be read.
    """
    if header is None:
        return NO_TAGS
    if header.strip() == ANY:
        return frozenset({ANY})
    if not TAGS.fullmatch(header):
        raise InvalidTags
    return frozenset(CODING.sub('"', tag) for tag in OPAQUE_TAG.findall(header))


def versions_of(tags: Tags) -> list[datetime]:
    """The versions of a row that these tags name. One that was never issued here names none."""
    return [version for tag in tags if (version := _version(tag)) is not None]


def may_know_list(known: Tags, asked: str) -> bool:
    """Whether the client has some version of the list with this `question_hash`."""
    return any(tag.endswith(f'-{asked}"') for tag in known)


def is_known(known: Tags, tag: str) -> bool:
    """Whether the client has already what has this tag, so that the response is 304."""
    return not known.isdisjoint((ANY, tag))


def is_known_version(known: Tags, version: datetime) -> bool:
    """Whether the client has this version of a row already, so that the response is 304."""
    return ANY in known or version in versions_of(known)


async def known_tags(if_none_match: IfNoneMatch = None) -> Tags:
    """What the client has already."""
    try:
        return tags_in(if_none_match)
    except InvalidTags:
        raise _invalid_header("If-None-Match") from None


def accepted_versions(if_match: str | None) -> list[datetime] | None:
    """The versions that the client is willing to change; None for any.

    Raises:
        InvalidTags: the text cannot be read.
    """
    tags = tags_in(if_match)
    return None if if_match is None or ANY in tags else versions_of(tags)


async def expected_versions(if_match: IfMatch = None) -> list[datetime] | None:
    """The versions that the client is willing to change; None for any."""
    try:
        return accepted_versions(if_match)
    except InvalidTags:
        raise _invalid_header("If-Match") from None


# Dependencies, because these run before the endpoint asks the database.
KnownTags = Annotated[Tags, Depends(known_tags)]
ExpectedVersions = Annotated[list[datetime] | None, Depends(expected_versions)]


def _invalid_header(name: str) -> RequestValidationError:
    return invalid(("header", name), "tags_invalid", 'Should be * or "tag", "tag"')


def _version(tag: str) -> datetime | None:
    try:
        if counted := ROW_TAG.fullmatch(tag):
            return from_microseconds(int(counted[1], 16))
        if written := TIME_TAG.fullmatch(tag):
            return datetime.fromisoformat(written[1])
    except (OverflowError, ValueError):  # beyond the year 9999; a 13th month
        return None
    return None
