"""Positions in the feed, as the tokens that clients keep.

A token proves nothing and is no secret: the owner is in the statement. So, like a cursor, it is
bound to its user by a digest without a key, against mix-ups.
"""

import struct
from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

from taskapi.config import MAX_ID
from taskapi.database.owner import UserId
from taskapi.edge.conditional import from_microseconds, microseconds
from taskapi.edge.cursor import InvalidCursor, as_bytes, as_text, digest

VERSION = 1

PACKED = struct.Struct(">B8sqqqq")
"""Version, digest of the user, and the four parts of a position, times as microseconds."""


MAX_KEPT = 1024
"""Tokens, because clients that poll send the same one until something has changed."""


class FeedPosition(NamedTuple):
    """How far a client has come.

    Attributes:
        changed_at: it has every change from before this time of its user's clock,
        task_id: and of this time those of the tasks up to this id.
        deletions_since: when its first page was read. It needs no deletions from before.
        started_at: of its user's clock.
    """

    changed_at: datetime
    task_id: int
    deletions_since: datetime
    started_at: datetime

    @property
    def known_until(self) -> datetime:
        """Deletions from before this time are not told any more."""
        return max(self.changed_at, self.deletions_since)


_AGES_AGO = datetime(1, 1, 1, tzinfo=UTC)
_NEVER = datetime(9999, 1, 1, tzinfo=UTC)

BEGINNING = FeedPosition(_AGES_AGO, 0, _NEVER, _AGES_AGO)
"""Of a client that has nothing."""

END = FeedPosition(_NEVER, MAX_ID, _NEVER, _AGES_AGO)
"""Of a client that wants nothing but what changes from now on."""


@lru_cache(MAX_KEPT)
def issue_token(owner: UserId, position: FeedPosition) -> str:
    """A position in base64url: 55 characters."""
    return as_text(
        PACKED.pack(
            VERSION,
            digest(_scope(owner)),
            microseconds(position.changed_at),
            position.task_id,
            microseconds(position.deletions_since),
            microseconds(position.started_at),
        )
    )


@lru_cache(MAX_KEPT)
def read_token(owner: UserId, token: str) -> FeedPosition:
    """The position in a token, whoever made it.

    Raises:
        InvalidCursor: it is not one that `issue_token` would write for this user.
    """
    packed = as_bytes(token)
    try:
        version, sealed, changed_at, task_id, deletions_since, started_at = PACKED.unpack(packed)
        times = map(from_microseconds, (changed_at, deletions_since, started_at))
        position = FeedPosition(next(times), task_id, *times)
    except (OverflowError, struct.error):
        raise InvalidCursor from None
    if (version, sealed) != (VERSION, digest(_scope(owner))) or task_id < 1:
        raise InvalidCursor
    return position


def _scope(owner: UserId) -> str:
    return repr(("changes", owner))
