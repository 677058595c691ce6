"""What clients send to the feed, and what they receive from it."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from taskapi.edge.query import QueryModel
from taskapi.resource.fields import PlainDigits
from taskapi.tasks.schemas import EXAMPLE_TASK, TaskRead

MAX_CHANGES = 1000
USUAL_CHANGES = 500

EXAMPLE_TOKEN = "AXf8GWRrmPpDAAZmvCGg0YB__________wAGZryGBQjAAAZmvDiC8oA"  # noqa: S105 - no secret


class EventsQuery(QueryModel):
    """Where a stream begins."""

    since: Annotated[
        str | None,
        Field(
            description="`next` of the page before. Without it: from the beginning.",
            examples=[EXAMPLE_TOKEN],
        ),
    ] = None


class ChangesQuery(EventsQuery):
    """Which part of the feed."""

    limit: Annotated[
        int,
        Field(ge=1, le=MAX_CHANGES, description="At most so many in a page.", examples=[50]),
        PlainDigits,
    ] = USUAL_CHANGES


class Change(BaseModel):
    """A task that was changed, in its present state, or one that was deleted."""

    id: int
    key: Annotated[str | None, Field(description="The client's own name of the task.")]
    etag: Annotated[str | None, Field(examples=['"63f4a1c2b7d40"'])]
    task: Annotated[TaskRead | None, Field(description="null: it was deleted.")]


EXAMPLE_CHANGES: dict[str, JsonValue] = {
    # Without a null, which FastAPI would leave out.
    "changes": [{"id": 1, "key": "c-1", "etag": '"63f4a1c2b7d40"', "task": EXAMPLE_TASK}],
    "next": EXAMPLE_TOKEN,
    "has_more": False,
}


class ChangeList(BaseModel):
    """A page of the feed, in the order of the changes."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_CHANGES]})

    changes: list[Change]
    next: Annotated[str, Field(description="`since` of the next page.", examples=[EXAMPLE_TOKEN])]
    has_more: bool


EXAMPLE_PAGE = (
    '{"changes":[{"id":9,"key":null,"etag":null,"task":null}],"next":"…","has_more":false}'
)

EXAMPLE_STREAM = f"""retry: 2000

event: ready
id: {EXAMPLE_TOKEN}
data: {{"next":"{EXAMPLE_TOKEN}"}}

event: changes
id: {EXAMPLE_TOKEN}
data: {EXAMPLE_PAGE}

"""
