"""What the routes of every resource read and send beside the resource itself."""

import math
from itertools import islice
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from taskapi.config import MAX_ID
from taskapi.edge.invalid import MAX_NAME_CHARACTERS
from taskapi.edge.query import QueryModel
from taskapi.openapi.responses import EXAMPLE_CURSOR
from taskapi.resource.definition import SERVER_COLUMNS
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


class StrictBody(BaseModel):
    """Members with unknown names are refused, because one could be a slip that loses data.

    Attributes:
        ignored: names of members that are known and have no effect, so that a client can send back
            what it has read.
    """

    model_config = ConfigDict(extra="forbid")

    ignored: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _leave_one_unknown(cls, value: Any) -> Any:
        """Leave only the first unknown member, and the beginning of its name, to be refused.

        An error for each would make a response of 10 MB from a body of 1 MB.
        """
        if not isinstance(value, dict):
            return value
        known = {name: value[name] for name in value if name in cls.model_fields}
        unknown = (name for name in value if name not in known and name not in cls.ignored)
        return known | {name[:MAX_NAME_CHARACTERS]: None for name in islice(unknown, 1)}

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        described = handler(schema)
        if cls.ignored:
            model = handler.resolve_ref_schema(described)
            # No properties: generated clients need not offer what has no effect.
            model["propertyNames"] = {"enum": sorted(cls.ignored | model["properties"].keys())}
            del model["additionalProperties"]
        return described


class Patch(StrictBody):
    """A merge patch (RFC 7396). Omitted members stay as they are."""

    ignored = frozenset(SERVER_COLUMNS)

    def changes(self) -> dict[str, object]:
        """The new values of the members that were sent, by their names."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class Filters(QueryModel):
    """Which rows are wanted. Subclasses add a parameter for each filter."""

    not_filters: ClassVar[frozenset[str]] = frozenset()

    def filters(self) -> dict[str, object]:
        """The parameters of the filters that were sent, by their names."""
        where = self.model_fields_set - self.not_filters
        given = {name: getattr(self, name) for name in where}
        return {name: value for name, value in given.items() if value is not None}


class ListQuery(Filters):
    """Which rows, in which order, and which part of them. Subclasses say what `sort` may be."""

    not_filters = frozenset({"sort", "limit", "offset", "cursor"})

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
