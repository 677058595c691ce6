"""Waiting for a change: `Prefer: wait` (RFC 7240, 4.3)."""

import time
from typing import Annotated

from fastapi import Header, Request

from taskapi.changes.feed import ChangesPage
from taskapi.changes.notifier import MAX_LISTENERS, MAX_LISTENERS_OF_USER
from taskapi.changes.reader import FeedReader
from taskapi.edge.deadline import extend_deadline
from taskapi.edge.places import Places
from taskapi.edge.preferences import preference
from taskapi.errors import TooManyListeners
from taskapi.observability import metrics
from taskapi.state import state_of

MAX_WAIT_SECONDS = 30

Prefer = Annotated[
    str | None,
    Header(
        alias="Prefer",
        description="`wait=5`: wait so many seconds for a change if there is none; 30 at most.",
        examples=["wait=5"],
    ),
]

places = Places(metrics.WAITING_READS, TooManyListeners, MAX_LISTENERS_OF_USER, MAX_LISTENERS)


def wait_seconds(prefer: str | None) -> int | None:
    """For how long a client would like to wait; None if it does not say so, or not readably."""
    digits = preference("wait", prefer) or ""
    return min(int(digits.lstrip("0")[:3] or 0), MAX_WAIT_SECONDS) if digits.isdecimal() else None


async def wait_for_changes(request: Request, reader: FeedReader, seconds: int) -> ChangesPage:
    """The next page that has changes, or the last empty one after so many seconds.

    It is empty too when the token expires, and when the process is about to stop. Meanwhile no
    connection to the database is held.
    """
    state, user = state_of(request), reader.user
    with places.taken(user.id), state.notifier.listening(user.id) as listener:
        page = await reader.next_page_for(listener)
        extend_deadline(request, seconds + state.settings.request_timeout)
        end = time.monotonic() + min(seconds, user.expires_at - time.time())
        while page.is_empty and not state.notifier.stopped:
            if not await listener.woken(end - time.monotonic()):
                break
            if not state.notifier.stopped:
                page = await reader.next_page_for(listener)
    return page
