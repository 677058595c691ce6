"""Cursors: the place behind a task in a list, sealed so that only this service can make one."""

import hmac
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import datetime
from typing import NamedTuple

from taskapi.edge.conditional import microseconds, moment

SEAL_BYTES = 16


class Place(NamedTuple):
    """Where a list goes on: behind the task with this sort value and this id."""

    value: datetime | str
    id: int


class InvalidCursor(ValueError):
    """The text is not a cursor that was issued here for this user and this list."""


class Cursors:
    """Issues and reads cursors with one key, the same in every replica.

    Args:
        key: secret bytes, of which a key for this purpose alone is derived.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"taskapi cursor", "sha256")

    def issue(self, scope: str, place: Place) -> str:
        """A cursor, safe in an address, for one list: whose it is, its order and its filters."""
        value = place.value if isinstance(place.value, str) else microseconds(place.value)
        packed = json.dumps([value, place.id], ensure_ascii=False).encode()
        return _text(self._seal(scope, packed) + packed)

    def read(self, scope: str, cursor: str) -> Place:
        """The place that a cursor names.

        Raises:
            InvalidCursor: it is damaged, forged, or of another list.
        """
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise InvalidCursor from None
        if _text(sealed) != cursor:  # Python's decoder skips what is not of the alphabet
            raise InvalidCursor
        seal, packed = sealed[:SEAL_BYTES], sealed[SEAL_BYTES:]
        if not hmac.compare_digest(seal, self._seal(scope, packed)):
            raise InvalidCursor
        value, task_id = json.loads(packed)
        return Place(value if isinstance(value, str) else moment(value), task_id)

    def _seal(self, scope: str, packed: bytes) -> bytes:
        return hmac.digest(self._key, scope.encode() + b"\0" + packed, "sha256")[:SEAL_BYTES]


def _text(sealed: bytes) -> str:
    return urlsafe_b64encode(sealed).rstrip(b"=").decode()
