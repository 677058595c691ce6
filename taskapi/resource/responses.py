"""Responses made of what the database has rendered."""

from urllib.parse import quote, urlencode

from fastapi import Request, Response

from taskapi import __version__
from taskapi.edge.body import invalid
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
from taskapi.idempotency.header import REPLAYED
from taskapi.resource.pages import PageRequest
from taskapi.resource.store import Page, RenderedRow, ResourceStore


class JsonBytes(Response):
    """JSON that the database has already rendered."""

    media_type = "application/json"


def row_response(row: RenderedRow, known: Tags = NO_TAGS) -> Response:
    """A row, or 304 where the client has this version already."""
    headers = {"ETag": entity_tag(row.version)} | (REPLAYED if row.replayed else {})
    if is_known_version(known, row.version):
        return Response(status_code=304, headers=headers)
    return JsonBytes(row.json, headers=headers)


def created_response(request: Request, row: RenderedRow) -> Response:
    """A row that was created under the URL of the request."""
    response = row_response(row)
    response.status_code = 201
    response.headers["Location"] = f"{quote(request.scope['path'])}/{row.id}"
    return response


async def page_response(
    request: Request,
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
        page = await store.list(asked)
    except InvalidCursor:
        raise invalid(("query", "cursor"), "cursor_invalid", "Not a cursor of this list") from None
    content = page_json(name, asked, page)
    # Only users who have never written have no clock.
    tag = list_tag(page.clock, question) if page.clock else content_tag(content)
    if is_known(known, tag):
        return Response(status_code=304, headers={"ETag": tag})
    return JsonBytes(content, headers={"ETag": tag} | _link(request, page))


def page_json(name: str, asked: PageRequest, page: Page) -> bytes:
    """The JSON of a page."""
    cursor = "null" if page.next_cursor is None else f'"{page.next_cursor}"'
    tail = (
        f'],"total":{page.total},"limit":{asked.limit},"offset":{asked.offset},'
        f'"has_more":{"false" if page.next_cursor is None else "true"},"next_cursor":{cursor}}}'
    )
    return b"".join((b'{"%b":[' % name.encode(), page.rows, tail.encode()))


def _link(request: Request, page: Page) -> dict[str, str]:
    if page.next_cursor is None:
        return {}
    query = dict(request.query_params) | {"cursor": page.next_cursor}
    query.pop("offset", None)
    return {"Link": f'<{quote(request.scope["path"])}?{urlencode(query)}>; rel="next"'}


def _question(request: Request) -> str:
    """What the JSON of a list depends on, except for the rows, hashed: this code, and the URL."""
    query = request.scope["query_string"].decode("latin-1")
    return question_hash(f"{__version__} {request.scope['path']}?{query}")
