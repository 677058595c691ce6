"""What clients send and receive, as types that validate and describe themselves."""

import re
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StringConstraints,
    model_validator,
)

from taskapi.config import MAX_ID
from taskapi.openapi.responses import EXAMPLE_CURSOR
from taskapi.resource.definition import SERVER_COLUMNS
from taskapi.resource.fields import UNCHANGED, Flag, Timestamp, without_nul
from taskapi.resource.schemas import Create, Filters, ListPage, ListQuery, Patch, StrictBody
from taskapi.resource.search import search_pattern
from taskapi.tasks.models import MAX_DESCRIPTION_CHARACTERS, MAX_TITLE_CHARACTERS

# Unicode's White_Space. A pattern's \s is something else in every language.
WHITE_SPACE = r"\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"
BLANK = re.compile(rf"[{WHITE_SPACE}]*")

# What is trimmed is Unicode's White_Space, and that is ECMAScript's \s with U+0085 (and without
# U+FEFF). Other languages' \s has less or little more: their clients send what is refused here,
# but refuse nothing that is taken. No \u: hey-api writes the character itself, a line break even.
BLANKS_OF_A_PATTERN = r"\s\x85"
WITHOUT_NUL = r"^[^\x00]*$"
NOT_BLANK = rf"^[{BLANKS_OF_A_PATTERN}]*[^\x00{BLANKS_OF_A_PATTERN}][^\x00]*$"

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARACTERS),
    AfterValidator(without_nul),
    Field(
        description="Trimmed of white space at both ends.",
        json_schema_extra={"pattern": NOT_BLANK},
    ),
]

Description = Annotated[
    str,
    StringConstraints(max_length=MAX_DESCRIPTION_CHARACTERS),
    AfterValidator(without_nul),
    Field(description="Kept as sent.", json_schema_extra={"pattern": WITHOUT_NUL}),
]

DescriptionOrNull = Annotated[Description | None, AfterValidator(lambda text: text or "")]
"""Null means the empty one."""

SEARCH_WEIGHT = 10
"""As a list of 1000, because a search may read all of a user's tasks."""

EXAMPLE_TASK: dict[str, JsonValue] = {
    "id": 1,
    "title": "Buy milk",
    "description": "Two litres, the blue one",
    "is_completed": False,
    "created_at": "2026-01-31T09:30:00.123456Z",
    "updated_at": "2026-01-31T09:30:00.123456Z",
    "user_id": 1,
}


class TaskCreate(Create):
    """A new task. Other members are ignored, so a task that was read can be sent back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Buy milk", "description": "Two litres"}]}
    )

    title: Title
    description: DescriptionOrNull = ""
    is_completed: StrictBool = False


NO_TEXT: JsonValue = {"properties": {name: {"type": "null"} for name in ("title", "description")}}
"""The schema of an object without either: each is left out or null."""

NOTHING: JsonValue = {"not": {}}


class TaskUpdate(BaseModel):
    """New values. Omitted or null leaves a value as it is; at least one must be given."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Buy oat milk"}],
            # No anyOf: generators make a type of each alternative, and none has both members.
            "minProperties": 1,
            "if": NO_TEXT,
            "then": NOTHING,
        }
    )

    title: Title | None = None
    description: Description | None = None

    def changes(self) -> dict[str, object]:
        """The new values, by their names."""
        return self.model_dump(exclude_none=True)

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.title is None and self.description is None:
            raise ValueError("give title, description or both")
        return self


class Completion(StrictBody):
    """The state to set. Without a body, completion is toggled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_completed": True}]})

    ignored = frozenset(SERVER_COLUMNS | TaskCreate.model_fields.keys())

    is_completed: StrictBool


class TaskPatch(Patch):
    """A merge patch (RFC 7396). Omitted members stay as they are; null clears a description."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": None, "is_completed": True}]}
    )

    title: Title = UNCHANGED
    description: DescriptionOrNull = UNCHANGED
    is_completed: StrictBool = UNCHANGED


def _none_if_blank(q: object) -> object:
    """Blanks around a search make no difference, so they alone are none."""
    return None if isinstance(q, str) and BLANK.fullmatch(q) else q


class TaskFilters(Filters):
    """Which tasks are wanted."""

    is_completed: Annotated[
        Flag | None, Field(description="Only those done, or to be done.", examples=[False])
    ] = None
    q: Annotated[
        Annotated[
            str,
            StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARACTERS),
            AfterValidator(without_nul),
        ]
        | None,
        BeforeValidator(_none_if_blank),
        Field(
            description="Text in title or description, in any case and spelling. No wildcards.",
            examples=["milk"],
            json_schema_extra={"pattern": WITHOUT_NUL},
        ),
    ] = None
    created_since: Annotated[Timestamp | None, Field(description="Created then or later.")] = None
    created_before: Annotated[Timestamp | None, Field(description="Created earlier.")] = None
    updated_since: Annotated[Timestamp | None, Field(description="Changed then or later.")] = None
    updated_before: Annotated[Timestamp | None, Field(description="Last changed earlier.")] = None

    def filters(self) -> dict[str, object]:
        """The parameters of the filters that were sent, by their names."""
        given = super().filters()
        if self.q is not None:
            given["q"] = search_pattern(self.q)
        return given

    @model_validator(mode="after")
    def _since_is_not_after_before(self) -> Self:
        for time in ("created", "updated"):
            since, before = getattr(self, f"{time}_since"), getattr(self, f"{time}_before")
            if since is not None and before is not None and since > before:
                raise ValueError(f"{time}_since is later than {time}_before")
        return self


class TaskQuery(TaskFilters, ListQuery):
    """Which tasks are wanted, in which order, and which part of them."""

    sort: Annotated[
        Literal["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"],
        Field(description="The order, with a minus the other way round.", examples=["title"]),
    ] = "-created_at"

    @property
    def rate_weight(self) -> int:
        """What the request counts for in `USER_RATE`."""
        return SEARCH_WEIGHT if self.q is not None else super().rate_weight


class TaskRead(BaseModel):
    """A task. Times are RFC 3339 in UTC; `updated_at` is later after every change."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_TASK]})

    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    title: Annotated[str, Field(min_length=1, max_length=MAX_TITLE_CHARACTERS)]
    description: Annotated[str, Field(max_length=MAX_DESCRIPTION_CHARACTERS)]
    is_completed: bool
    created_at: datetime
    updated_at: datetime
    user_id: int


class TaskList(ListPage):
    """One page of a user's tasks, newest first unless asked otherwise."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tasks": [EXAMPLE_TASK],
                    "total": 2,
                    "limit": 1,
                    "offset": 0,
                    "has_more": True,
                    "next_cursor": EXAMPLE_CURSOR,
                }
            ]
        }
    )

    tasks: list[TaskRead]
