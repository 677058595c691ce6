"""The feed as server-sent events (WHATWG HTML, 9.2).

FastAPI's own support (`fastapi.sse`) takes an endpoint that yields, and runs it in a task group
with a queue; here a stream is one task, and a page stays the bytes that the database has rendered
(docs/decisions/0026).
"""

import asyncio
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing

from fastapi import Response
from starlette.types import Receive, Scope, Send

from taskapi.changes.feed import ChangesPage
from taskapi.changes.notifier import MAX_LISTENERS, MAX_LISTENERS_OF_USER, Listener, Notifier
from taskapi.changes.reader import FeedReader
from taskapi.edge.places import Places
from taskapi.errors import ApiError, TooManyListeners, Unavailable
from taskapi.jitter import jittered
from taskapi.observability import metrics

EVENT_STREAM = "text/event-stream"
"""Always in UTF-8, so without a charset."""

MAX_STREAM_SECONDS = 30 * 60

COMMENT_SECONDS = 15
"""Balancers close a connection on which nothing moves, many after a minute."""

TICK_SECONDS = 1.0
"""Between the moments at which comments are sent: to wake up for one alone costs most of it. With a
thousand idle streams, a process needs 0.9 to 1.1 % of a core, and 1.3 % without."""

RETRY_SECONDS = 2
"""For clients that lost their connection, and for a stream whose database is unavailable."""

BEGIN = b"retry: %d\n\n" % (RETRY_SECONDS * 1000)
COMMENT = b":\n\n"
TAKEN = b""
"""Nothing is sent for this, but the server goes on only when the client has taken what was sent
before. So the next page is not read while this one waits."""

EXPIRED = b"event: expired\ndata: {}\n\n"
"""The token is not accepted any more. With another one, the client goes on where it is."""

places = Places(metrics.EVENT_STREAMS, TooManyListeners, MAX_LISTENERS_OF_USER, MAX_LISTENERS)


class EventStream(Response):
    """Sends pages as they come.

    Args:
        reader: of the feed.
        notifier: wakes this stream.
        is_new: whether the client begins now, and has to be told where that is.
    """

    def __init__(self, reader: FeedReader, notifier: Notifier, *, is_new: bool) -> None:
        # nginx would keep events back until its buffer is full.
        super().__init__(headers={"Content-Type": EVENT_STREAM, "X-Accel-Buffering": "no"})
        del self.headers["Content-Length"]
        self._reader = reader
        self._notifier = notifier
        self._is_new = is_new

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        owner = self._reader.user.id
        with places.taken(owner), self._notifier.listening(owner) as listener:
            first = await self._reader.next_page_for(listener)  # an error is a response of its own
            try:
                await self._send(first, listener, send)
            finally:
                self._reader.share.release()

    async def _send(self, first: ChangesPage, listener: Listener, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
        async with aclosing(self._events(first, listener)) as events:
            async for event in events:
                await send({"type": "http.response.body", "body": event, "more_body": True})
                if event is TAKEN:
                    self._reader.share.release()
        await send({"type": "http.response.body"})

    async def _events(self, page: ChangesPage, listener: Listener) -> AsyncGenerator[bytes, None]:
        expires_in = self._reader.user.expires_at - time.time()
        end = time.monotonic() + min(expires_in, MAX_STREAM_SECONDS)
        yield BEGIN
        if self._is_new:
            yield _event(b"ready", page, b'{"next":"%b"}' % page.token.encode())
        if not page.is_empty:
            yield _event(b"changes", page, page.json)
            yield TAKEN
        while (left := end - time.monotonic()) > 0 and not self._notifier.stopped:
            until_comment = COMMENT_SECONDS - time.monotonic() % TICK_SECONDS
            if not page.has_more and not await listener.woken(min(left, until_comment)):
                yield COMMENT
                continue
            try:
                page = await self._next_page(page, listener)
            except ApiError:
                return  # the client comes back, and gets it as the response
            if not page.is_empty:
                yield _event(b"changes", page, page.json)
                yield TAKEN
        if left <= 0 and expires_in < MAX_STREAM_SECONDS:
            yield EXPIRED

    async def _next_page(self, page: ChangesPage, listener: Listener) -> ChangesPage:
        """The page behind this one. While the database is unavailable, an empty one instead."""
        try:
            return await self._reader.next_page_for(listener)
        except Unavailable:
            await asyncio.sleep(jittered(RETRY_SECONDS))
            listener.wake()
            return page._replace(is_empty=True)


def _event(name: bytes, page: ChangesPage, data: bytes) -> bytes:
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name, page.token.encode(), data)
