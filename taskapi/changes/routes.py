"""The routes of the feed."""

from typing import Annotated

from fastapi import Header, Query, Request, Response

from taskapi.changes.events import EVENT_STREAM, EventStream
from taskapi.changes.position import BEGINNING, END
from taskapi.changes.reader import FeedReader, OwnReader
from taskapi.changes.schemas import (
    EXAMPLE_STREAM,
    EXAMPLE_TOKEN,
    USUAL_CHANGES,
    ChangeList,
    ChangesQuery,
    EventsQuery,
)
from taskapi.changes.waiting import Prefer, wait_for_changes, wait_seconds
from taskapi.edge.fairness import turn_of
from taskapi.edge.router import Router
from taskapi.openapi.responses import Responses, errors, returns
from taskapi.resource.responses import SharedJson
from taskapi.scopes import READ
from taskapi.state import state_of

router = Router("/api/{user_id}/tasks", tags=["changes"])

LastEventId = Annotated[
    str | None,
    Header(
        alias="Last-Event-ID",
        description="The id of the last event that has arrived. It wins over `since`.",
        examples=[EXAMPLE_TOKEN],
    ),
]


def _described(example: str) -> Responses:
    """A response that is an event stream, with an example of one.

    Its schema names no type: some generators take it for the whole text, some for an event's data.
    """
    schema = {"description": "Server-sent events (WHATWG HTML). The data of `changes` is a page."}
    content = {EVENT_STREAM: {"schema": schema, "example": example}}
    return {200: returns(200)[200] | {"content": content}}


@router.get(
    "/changes",
    requires=READ,
    response_model=ChangeList,
    responses=returns(200, "Preference-Applied") | errors(401, 403, 404, 410, 422, 429, 503),
    takes_turn=False,
)
async def list_changes(
    request: Request,
    query: Annotated[ChangesQuery, Query()],
    reader: OwnReader,
    prefer: Prefer = None,
) -> Response:
    """Read what has changed since your last call: tasks in their latest state, and deletions."""
    _begin(reader, query.since, query.limit, ("query", "since"))
    seconds = wait_seconds(prefer)
    if seconds is None:
        async with turn_of(request.scope):
            page = await reader.next_page()
        return SharedJson(page.json, reader.share)
    page = await wait_for_changes(request, reader, seconds)
    return SharedJson(page.json, reader.share, {"Preference-Applied": f"wait={seconds}"})


@router.get(
    "/events",
    requires=READ,
    response_class=Response,  # without a media type, which errors would have too
    responses=_described(EXAMPLE_STREAM) | errors(401, 403, 404, 410, 422, 429, 503),
    streams=True,
)
async def stream_events(
    request: Request,
    query: Annotated[EventsQuery, Query()],
    reader: OwnReader,
    last_event_id: LastEventId = None,
) -> Response:
    """Receive the same as server-sent events, as soon as it happens."""
    if last_event_id:
        _begin(reader, last_event_id, USUAL_CHANGES, ("header", "Last-Event-ID"))
    elif query.since is not None:
        _begin(reader, query.since, USUAL_CHANGES, ("query", "since"))
    else:
        reader.begin(END, USUAL_CHANGES)
    is_new = not last_event_id and query.since is None
    return EventStream(reader, state_of(request).notifier, is_new=is_new)


def _begin(reader: FeedReader, token: str | None, limit: int, loc: tuple[str, str]) -> None:
    if token is None:
        reader.begin(BEGINNING, limit)
    else:
        reader.begin_behind(token, limit, loc)
