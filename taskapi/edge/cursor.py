"""Cursors: the position behind a row in a list, as an opaque text that is safe in a URL.

A cursor needs no secret, because every statement names the owner: a forged one leads to another
position in the sender's own list. A digest binds it to its list, and its fields are checked.
"""

import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple

from xxhash import xxh3_64_digest

from taskapi.edge.conditional import from_microseconds, microseconds

DIGEST_BYTES = 8
ROW_ID = TIME = struct.Struct(">q")
TIME_VALUE, TEXT_VALUE = b"t", b"s"


class Keyset(NamedTuple):
    """Where a page begins: behind the row with this sort value and this id."""

    value: datetime | str
    id: int


class InvalidCursor(ValueError):
    """The text is not a cursor that was issued for this list."""


def encode(scope: str, keyset: Keyset) -> str:
    """The cursor of a position in one list.

    Args:
        scope: identifies the list: its owner, its order and its filters.
        keyset: the position.
    """
    if isinstance(keyset.value, datetime):
        value = TIME_VALUE + TIME.pack(microseconds(keyset.value))
    else:
        value = TEXT_VALUE + keyset.value.encode()
    position = ROW_ID.pack(keyset.id) + value
    return _text(_digest(scope, position) + position)


def decode(scope: str, cursor: str) -> Keyset:
    """The position that a cursor names.

    Raises:
        InvalidCursor: it is damaged, or of another list.
    """
    try:
        packed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        digest, position = packed[:DIGEST_BYTES], packed[DIGEST_BYTES:]
        [row_id] = ROW_ID.unpack_from(position)
        value = _value(position[ROW_ID.size :])
    except (ValueError, OverflowError, struct.error):
        raise InvalidCursor from None
    # Python's decoder skips what is not of the alphabet, so the spelling is compared too.
    if _text(packed) != cursor or digest != _digest(scope, position) or row_id < 1:
        raise InvalidCursor
    return Keyset(value, row_id)


def _value(packed: bytes) -> datetime | str:
    kind, value = packed[:1], packed[1:]
    if kind == TIME_VALUE:
        return from_microseconds(TIME.unpack(value)[0])
    text = value.decode()
    if kind != TEXT_VALUE or "\0" in text:
        raise ValueError(kind)
    return text


def _digest(scope: str, position: bytes) -> bytes:
    """Notices damage and another list's cursor. Whoever forges it reaches only their own rows."""
    return xxh3_64_digest(scope.encode() + b"\0" + position)


def _text(packed: bytes) -> str:
    return urlsafe_b64encode(packed).rstrip(b"=").decode()
