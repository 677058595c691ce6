"""Cursors: the position behind one row of a list, as text that the client sends back.

A cursor proves nothing and is no secret. A client that makes one up gets rows of its own, because
the owner is in the statement. So a cursor is bound to its list by a digest without a key, against
mix-ups, and its fields are checked like those of any other input.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple

from xxhash import xxh3_64_digest

from taskapi.edge.conditional import from_microseconds, microseconds

VERSION = 1

HEAD = struct.Struct(">B8sq")
"""Version, digest of the list, id of the row. The row's sort value follows."""

TIMESTAMP = struct.Struct(">q")
"""A sort value that is a timestamp: microseconds since 1970. Text is UTF-8."""


class Position(NamedTuple):
    """Where a list goes on: behind the row with this sort value and this id."""

    value: datetime | str
    id: int


class InvalidCursor(ValueError):
    """The text is not a cursor of this list."""


def issue_cursor(scope: str, position: Position) -> str:
    """A cursor in base64url.

    Args:
        scope: names the list: whose it is, its order and its filters.
        position: its id from 1 to 2^63-1.
    """
    value = position.value
    packed = value.encode() if isinstance(value, str) else TIMESTAMP.pack(microseconds(value))
    return as_text(HEAD.pack(VERSION, digest(scope), position.id) + packed)


def read_cursor(scope: str, cursor: str, max_length: int | None) -> Position:
    """The position in a cursor, whoever made it.

    Args:
        scope: names the list that the cursor must be of.
        cursor: what the client sent.
        max_length: characters of the sort value where that is text; None for a timestamp.

    Raises:
        InvalidCursor: it is not one that `issue_cursor` would write for this list.
    """
    packed = as_bytes(cursor)
    try:
        version, sealed, row_id = HEAD.unpack_from(packed)
        value = _value(packed[HEAD.size :], max_length)
    except (ValueError, OverflowError, struct.error):
        raise InvalidCursor from None
    if (version, sealed) != (VERSION, digest(scope)) or row_id < 1:
        raise InvalidCursor
    return Position(value, row_id)


def digest(scope: str) -> bytes:
    """What binds a cursor to its list: 8 bytes."""
    return xxh3_64_digest(scope.encode())


def _value(packed: bytes, max_length: int | None) -> datetime | str:
    if max_length is None:
        return from_microseconds(*TIMESTAMP.unpack(packed))
    text = packed.decode()
    if not 0 < len(text) <= max_length or "\0" in text:
        raise InvalidCursor
    return text


def as_text(packed: bytes) -> str:
    """Bytes in base64url without padding, as a client gets them."""
    return urlsafe_b64encode(packed).rstrip(b"=").decode()


def as_bytes(text: str) -> bytes:
    """The bytes in what a client sent.

    Raises:
        InvalidCursor: it is not text that `as_text` would write.
    """
    try:
        packed = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError:
        raise InvalidCursor from None
    if as_text(packed) != text:  # Python's decoder passes over what is not in the alphabet
        raise InvalidCursor
    return packed
