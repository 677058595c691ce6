"""Responses made of what the database has rendered."""

from collections.abc import Mapping
from urllib.parse import quote, urlencode

from fastapi import Request, Response
from starlette.types import Receive, Scope, Send

from taskapi import __version__
from taskapi.edge.body import BoundedRequest
from taskapi.edge.conditional import (
    NO_TAGS,
    Tags,
    content_tag,
    entity_tag,
    is_known,
    is_known_version,
    list_tag,
    may_know_list,
    question_hash,
)
from taskapi.edge.cursor import InvalidCursor
from taskapi.edge.invalid import invalid
from taskapi.edge.memory import MEBIBYTE, SHORT_BYTES, ResponseMemory, Share
from taskapi.edge.problem import NO_HEADERS
from taskapi.idempotency.header import REPLAYED
from taskapi.resource.pages import PageRequest
from taskapi.resource.store import Page, RenderedRow, ResourceStore
from taskapi.state import state_of

MAX_PAGE_BYTES = 4 * MEBIBYTE
"""Of JSON in a page. One row always fits: a task has at most 35 kB (`Resource.max_row_bytes`)."""

ENVELOPE_BYTES = 4096
"""Of a page without its rows. A cursor has up to 2.7 kB: a title of 500 characters in base64."""


JSON_TYPE = (b"content-type", b"application/json")


class JsonBytes(Response):
    """JSON that the database has already rendered.

    Args:
        content: the JSON.
        headers: of the response.
        status_code: likewise.
    """

    def __init__(
        self, content: bytes, headers: Mapping[str, str] = NO_HEADERS, status_code: int = 200
    ) -> None:
        # Not Starlette's, which looks for each header whether it is there before it adds it.
        self.status_code = status_code
        self.background = None
        self.body = content
        self.raw_headers = [(b"content-length", b"%d" % len(content)), JSON_TYPE]
        for name, value in headers.items():
            self.raw_headers.append((name.lower().encode(), value.encode()))


class SharedJson(JsonBytes):
    """JSON that may be long, and so has its share of the memory for responses.

    Args:
        content: the JSON.
        share: released when the client has taken the response.
        headers: of the response.
    """

    def __init__(
        self, content: bytes, share: Share, headers: Mapping[str, str] = NO_HEADERS
    ) -> None:
        super().__init__(content, headers)
        share.shrink(len(content))
        self._share = share

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._share.release_when_taken(scope)


def row_response(row: RenderedRow, known: Tags = NO_TAGS) -> Response:
    """A row, or 304 where the client has this version already."""
    headers = _row_headers(row)
    if known and is_known_version(known, row.version):
        return Response(status_code=304, headers=headers)
    return JsonBytes(row.json, headers)


def created_response(
    request: Request, row: RenderedRow, headers: Mapping[str, str] = NO_HEADERS
) -> Response:
    """A row that was created under the URL of the request, with these headers beside its own."""
    location = {"Location": f"{_url(request)}/{row.id}"}
    return JsonBytes(row.json, _row_headers(row) | location | dict(headers), status_code=201)


def _row_headers(row: RenderedRow) -> dict[str, str]:
    return {"ETag": entity_tag(row.version)} | (REPLAYED if row.replayed else {})


async def page_response(
    request: BoundedRequest,
    name: str,
    store: ResourceStore,
    asked: PageRequest,
    known: Tags,
) -> Response:
    """A page of rows, or 304 where the client has it already.

    Args:
        request: its URL leads to the next page (RFC 8288).
        name: the member that holds the rows.
        store: has them.
        asked: which page.
        known: what the client has already.

    Raises:
        RequestValidationError: the cursor cannot be read.
    """
    question = _question(request)
    # The clock is one row. If it shows another time, reading it has cost a tenth of the page.
    clock = await store.clock() if may_know_list(known, question) else None
    if clock and is_known(known, tag := list_tag(clock, question)):
        return Response(status_code=304, headers={"ETag": tag})
    try:
        page, share = await read_page(state_of(request).response_memory, store, asked)
    except InvalidCursor:
        raise invalid(("query", "cursor"), "cursor_invalid", "Not a cursor of this list") from None
    with share:
        content = page_json(name, asked, page)
        # Only users who have never written have no clock.
        tag = list_tag(page.clock, question) if page.clock else content_tag(content)
        if not is_known(known, tag):
            return SharedJson(content, share, {"ETag": tag} | _link(request, page))
    share.release()
    return Response(status_code=304, headers={"ETag": tag})


async def read_page(
    memory: ResponseMemory, store: ResourceStore, asked: PageRequest, copies: int = 1
) -> tuple[Page, Share]:
    """A page, and what it holds of the memory for responses.

    If the memory has no room for the longest page, a short one is tried: nearly all are short, and
    only a page that is not has to wait, and is read again.

    Args:
        memory: has it.
        store: has the rows.
        asked: which page.
        copies: of the rows' bytes in the response.
    """
    rows = int(copies * asked.limit * store.resource.max_row_bytes)
    longest = min(MAX_PAGE_BYTES, rows + ENVELOPE_BYTES)
    share = memory.try_hold(store.owner, longest)
    if share is None:
        share = await memory.hold(store.owner, min(longest, SHORT_BYTES))
    with share:
        page = await store.list_whole(asked, _room(share, copies))
    if page is not None:
        return page, share
    if share.size < longest:
        share.release()
        share = await memory.hold(store.owner, longest)
    with share:
        return await store.list_cut(asked, _room(share, copies)), share


def _room(share: Share, copies: int) -> int:
    """Bytes of rows for which a share is enough."""
    return (share.size - ENVELOPE_BYTES) // copies


def page_json(name: str, asked: PageRequest, page: Page) -> bytes:
    """The JSON of a page."""
    cursor = "null" if page.next_cursor is None else f'"{page.next_cursor}"'
    tail = (
        f'],"total":{page.total},"limit":{asked.limit},"offset":{asked.offset},'
        f'"has_more":{"false" if page.next_cursor is None else "true"},"next_cursor":{cursor}}}'
    )
    return b"".join((b'{"%b":[' % name.encode(), page.rows, tail.encode()))


def _link(request: BoundedRequest, page: Page) -> dict[str, str]:
    if page.next_cursor is None:
        return {}
    query = request.query.values | {"cursor": page.next_cursor}
    query.pop("offset", None)
    return {"Link": f'<{_url(request)}?{urlencode(query)}>; rel="next"'}


def _url(request: Request) -> str:
    """The URL of the request without its query, relative to the host if nobody said which."""
    return (state_of(request).settings.public_url or "") + quote(request.scope["path"])


def _question(request: Request) -> str:
    """What the JSON of a list depends on, except for the rows, hashed: this code, and the URL."""
    query = request.scope["query_string"].decode("latin-1")
    return question_hash(f"{__version__} {request.scope['path']}?{query}")
