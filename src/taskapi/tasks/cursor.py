"""Cursors: the place behind a task in a list, sealed so that only this service can make one."""

import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

PLACE = struct.Struct(">qq")
SEAL_BYTES = 16
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


class Place(NamedTuple):
    """Where a list goes on: behind the task with this age."""

    created_at: datetime
    id: int


class InvalidCursor(ValueError):
    """The text is not a cursor that was issued here for this user."""


class Cursors:
    """Issues and reads cursors with one key, the same in every replica.

    Args:
        key: secret bytes, of which a key for this purpose alone is derived.
    """

    def __init__(self, key: bytes) -> None:
        self._key = hmac.digest(key, b"taskapi cursor", "sha256")

    def issue(self, owner: object, place: Place) -> str:
        """A cursor for this owner: 43 characters that are safe in an address."""
        microseconds = (place.created_at - EPOCH) // MICROSECOND
        packed = PLACE.pack(microseconds, place.id)
        return urlsafe_b64encode(packed + self._seal(owner, packed)).rstrip(b"=").decode()

    def read(self, owner: object, cursor: str) -> Place:
        """The place that a cursor names.

        Raises:
            InvalidCursor: it is damaged, forged or somebody else's.
        """
        try:
            sealed = urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        except ValueError:
            raise InvalidCursor from None
        packed, seal = sealed[: PLACE.size], sealed[PLACE.size :]
        if not hmac.compare_digest(seal, self._seal(owner, packed)):
            raise InvalidCursor
        microseconds, task_id = PLACE.unpack(packed)
        return Place(EPOCH + microseconds * MICROSECOND, task_id)

    def _seal(self, owner: object, packed: bytes) -> bytes:
        return hmac.digest(self._key, packed + str(owner).encode(), "sha256")[:SEAL_BYTES]
