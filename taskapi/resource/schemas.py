"""What the routes of every resource read and send beside the resource itself."""

import math
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from taskapi.config import MAX_ID
from taskapi.openapi.responses import EXAMPLE_CURSOR
from taskapi.resource.fields import PlainDigits
from taskapi.resource.pages import PageRequest

MAX_PAGE_ROWS = 1000

ROWS_PER_WEIGHT = 100
"""So a list of 1000 weighs 10."""


class Create(BaseModel):
    """A new row. Members that no client can set are ignored."""

    def values(self) -> dict[str, object]:
        """The values of all editable columns, by their names."""
        return self.model_dump()


class Patch(BaseModel):
    """A merge patch (RFC 7396). Omitted members stay as they are."""

    def changes(self) -> dict[str, object]:
        """The new values of the members that were sent, by their names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class ListQuery(BaseModel):
    """Which part of a list is asked for. Subclasses add filters, and `sort`."""

    model_config = ConfigDict(extra="forbid")

    sort: str
    limit: Annotated[
        int,
        Field(ge=1, le=MAX_PAGE_ROWS, description="At most so many in a page.", examples=[50]),
        PlainDigits,
    ] = MAX_PAGE_ROWS
    offset: Annotated[
        int,
        Field(ge=0, le=MAX_ID, description="So many are skipped.", examples=[100]),
        PlainDigits,
    ] = 0
    cursor: Annotated[
        str | None,
        Field(
            description="`next_cursor` of the page before; not together with `offset`.",
            examples=[EXAMPLE_CURSOR],
        ),
    ] = None

    @property
    def rate_weight(self) -> int:
        """What the request counts for in `USER_RATE`: 1 for each hundred of `limit`."""
        return math.ceil(self.limit / ROWS_PER_WEIGHT)

    def filters(self) -> dict[str, object]:
        """The parameters of the filters that were sent, by their names."""
        where = self.model_fields_set - set(ListQuery.model_fields)
        return {name: getattr(self, name) for name in where}

    def page_request(self) -> PageRequest:
        """The same, as a store takes it."""
        return PageRequest(self.filters(), self.sort, self.limit, self.offset, self.cursor)

    @model_validator(mode="after")
    def _one_way_to_say_where(self) -> Self:
        if self.cursor is not None and "offset" in self.model_fields_set:
            raise ValueError("cursor and offset exclude each other")
        return self


class ListPage(BaseModel):
    """One page of a list. Subclasses add the member with the rows."""

    total: Annotated[int, Field(ge=0, description="All of them, not only this page.")]
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None
