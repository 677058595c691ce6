"""The response that is an export."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from fastapi import Response
from starlette.types import Receive, Scope, Send

from taskapi.changes.feed import ChangeFeed
from taskapi.edge.fairness import turn_of
from taskapi.edge.invalid import invalid
from taskapi.edge.places import Places
from taskapi.errors import TimedOut, TooManyTransfers
from taskapi.observability import metrics
from taskapi.state import ServiceState
from taskapi.transfer.exporting import export_tasks
from taskapi.transfer.formats.table import EXPORTS
from taskapi.transfer.schemas import ExportQuery
from taskapi.transfer.spool import Spool, SpoolFull

READ_SECONDS = 60.0
"""For which an export may wait and read: 100,000 tasks take a sixth of it."""

CHUNK_BYTES = 64 * 1024

places = Places(metrics.EXPORTS, TooManyTransfers, max_per_user=2, max_per_process=8)
"""Each holds up to `MAX_EXPORT_BYTES` on disk until its client has taken them."""


class Download(Response):
    """A file of the user's tasks. It is read whole before its first byte is sent.

    So an error is a response of its own, and `Content-Length` tells where the file ends.

    Args:
        state: of the service.
        feed: of the user.
        query: what is wanted.
    """

    def __init__(self, state: ServiceState, feed: ChangeFeed, query: ExportQuery) -> None:
        form = EXPORTS[query.format]
        name = f"tasks-{datetime.now(UTC):%Y-%m-%d}.{form.extension}"
        text = form.media_type.startswith("text/")
        super().__init__(
            headers={
                "Content-Type": form.media_type + ("; charset=utf-8" if text else ""),
                "Content-Disposition": f'attachment; filename="{name}"',
            }
        )
        del self.headers["Content-Length"]
        self._state = state
        self._feed = feed
        self._query = query

    async def __call__(self, scope: Scope, _receive: Receive, send: Send) -> None:
        with places.taken(self._feed.owner):
            async with self._spooled(scope) as spool:
                self.headers["Content-Length"] = str(spool.size)
                head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
                await send(head)
                while part := await spool.read(CHUNK_BYTES):
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body"})

    @asynccontextmanager
    async def _spooled(self, scope: Scope) -> AsyncIterator[Spool]:
        try:
            async with turn_of(scope), asyncio.timeout(READ_SECONDS), self._state.bulk:
                spool = await self._export()
        except SpoolFull:
            message = "The file would be too long: narrow it by created_since and created_before"
            raise invalid(("query",), "export_too_long", message) from None
        except TimeoutError:
            raise TimedOut from None
        with spool:
            yield spool

    async def _export(self) -> Spool:
        form = EXPORTS[self._query.format]
        return await export_tasks(self._state.executor, self._feed, self._query, form)
