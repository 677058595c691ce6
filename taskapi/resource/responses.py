"""Responses made of what the database has rendered."""

from urllib.parse import quote, urlencode

from fastapi import Request, Response

from taskapi.edge.body import invalid
from taskapi.edge.conditional import content_tag, entity_tag, is_not_modified
from taskapi.edge.cursor import InvalidCursor
from taskapi.idempotency.header import REPLAYED
from taskapi.resource.pages import PageRequest
from taskapi.resource.store import Page, RenderedRow, ResourceStore


class JsonBytes(Response):
    """JSON that the database has already rendered."""

    media_type = "application/json"


def row_response(row: RenderedRow, if_none_match: str | None = None) -> Response:
    """A row, or 304 where the client has this version already.

    Raises:
        RequestValidationError: `If-None-Match` cannot be read.
    """
    headers = {"ETag": entity_tag(row.version)} | (REPLAYED if row.replayed else {})
    if is_not_modified(if_none_match, headers["ETag"]):
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
    if_none_match: str | None,
) -> Response:
    """A page of rows, or 304 where the client has it already.

    Args:
        request: its URL leads to the next page (RFC 8288).
        name: the member that holds the rows.
        store: has them.
        asked: which page.
        if_none_match: the header.

    Raises:
        RequestValidationError: the cursor or `If-None-Match` cannot be read.
    """
    try:
        page = await store.list(asked)
    except InvalidCursor:
        raise invalid(("query", "cursor"), "cursor_invalid", "Not a cursor of this list") from None
    content = page_json(name, asked, page)
    headers = {"ETag": content_tag(content)} | _link(request, page)
    if is_not_modified(if_none_match, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return JsonBytes(content, headers=headers)


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
