"""What clients send and receive, as types that check themselves and describe themselves."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    JsonValue,
    StrictBool,
    StrictInt,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from taskapi.config import MAX_ID
from taskapi.tasks.models import DESCRIPTION_LENGTH, TITLE_LENGTH


def _without_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not contain the character U+0000, which PostgreSQL cannot store")
    return text


def _plain_digits(value: object) -> object:
    """One spelling for each number: no sign, no spaces, no leading zero, no other digits."""
    if isinstance(value, str) and not (
        value.isascii()
        and value.isdigit()
        and (value == "0" or value[0] != "0")
        and len(value) <= len(str(MAX_ID))
    ):
        raise ValueError("must be a whole number in plain digits")
    return value


RFC_3339 = re.compile(
    r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)", re.ASCII
)


def _rfc_3339(value: object) -> object:
    if isinstance(value, str) and not RFC_3339.fullmatch(value):
        raise ValueError("must be a time like 2026-01-31T09:30:00Z; in an address, + is %2B")
    return value


def _in_utc(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise ValueError("is out of range") from None


# Unicode's White_Space. A pattern's \s is something else in every language.
WHITE_SPACE = r"\t\n\v\f\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000"

Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
    AfterValidator(_without_nul),
    Field(
        description="Trimmed of white space at both ends.",
        json_schema_extra={"pattern": rf"^[^\u0000]*[^\u0000{WHITE_SPACE}][^\u0000]*$"},
    ),
]

Description = Annotated[
    str,
    StringConstraints(max_length=DESCRIPTION_LENGTH),
    AfterValidator(_without_nul),
    Field(description="Kept as sent.", json_schema_extra={"pattern": r"^[^\u0000]*$"}),
]

PlainDigits = BeforeValidator(_plain_digits)
"""Stands behind the bounds of a number: in front of them, OpenAPI would not know their names."""

TaskNumber = Annotated[StrictInt, Field(ge=1, le=MAX_ID)]

Moment = Annotated[
    AwareDatetime,
    BeforeValidator(_rfc_3339),
    AfterValidator(_in_utc),
    Field(examples=["2026-01-31T09:30:00Z"]),
]

LONGEST_PAGE = 1000
LARGEST_BATCH = 100

LIKE_SPECIAL = re.compile(r"([%_\\])")
ESCAPED = r"\\\1"
"""`%`, `_` and the backslash mean themselves in `q`."""

UNCHANGED: Any = None
"""The default of a member that null cannot stand for."""

EXAMPLE_TASK: dict[str, JsonValue] = {
    "id": 1,
    "title": "Buy milk",
    "description": "Two litres, the blue one",
    "is_completed": False,
    "created_at": "2026-01-31T09:30:00.123456Z",
    "updated_at": "2026-01-31T09:30:00.123456Z",
    "user_id": 1,
}

EXAMPLE_CURSOR = "tZHPJ9xbxuvRbXRoCSzKtlsxNzY5ODUxODAwMTIzNDU2LDFd"


class TaskCreate(BaseModel):
    """A new task. Other members are ignored, so a task that was read can be sent back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Buy milk", "description": "Two litres"}]}
    )

    title: Title
    description: Description = ""


def _with_text(name: str) -> JsonValue:
    """The schema of an object that has text under this name."""
    return {"required": [name], "properties": {name: {"type": "string"}}}


class TaskUpdate(BaseModel):
    """New values. Omitted or null leaves a value as it is; at least one must be given."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"title": "Buy oat milk"}],
            "anyOf": [_with_text("title"), _with_text("description")],
        }
    )

    title: Title | None = None
    description: Description | None = None

    @model_validator(mode="after")
    def _something_to_do(self) -> Self:
        if self.title is None and self.description is None:
            raise ValueError("give title, description or both")
        return self


class Completion(BaseModel):
    """The state to set. Without a body, completion is toggled."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"is_completed": True}]})

    is_completed: StrictBool


class TaskPatch(BaseModel):
    """A merge patch (RFC 7396). Omitted members stay as they are; null clears a description."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"description": None, "is_completed": True}]}
    )

    # Without a default of None, null is refused where a member cannot be cleared.
    title: Title = UNCHANGED
    description: Description | None = UNCHANGED
    is_completed: StrictBool = UNCHANGED

    def changes(self) -> dict[str, object]:
        """The new values by name; a description that is cleared is empty."""
        given = {name: getattr(self, name) for name in TaskPatch.model_fields}
        if "description" in self.model_fields_set and self.description is None:
            given["description"] = ""
        return given


class BatchCreate(TaskCreate):
    """Create a task."""

    op: Literal["create"]


class _OfOneTask(BaseModel):
    id: TaskNumber


class BatchUpdate(_OfOneTask, TaskPatch):
    """Change a task, by the rules of a merge patch."""

    op: Literal["update"]


class BatchComplete(_OfOneTask):
    """Set a task's completion, or toggle it where no state is given."""

    op: Literal["complete"]
    is_completed: StrictBool | None = None


class BatchDelete(_OfOneTask):
    """Delete a task."""

    op: Literal["delete"]


BatchOperation = BatchCreate | BatchUpdate | BatchComplete | BatchDelete

OPERATIONS = ("create", "update", "complete", "delete")


def _known_operation(value: object) -> object:
    """Before pydantic chooses by `op`, which would say back what was sent."""
    if isinstance(value, dict) and value.get("op") not in OPERATIONS:
        raise PydanticCustomError(
            "unknown_operation", "op should be create, update, complete or delete"
        )
    return value


class Batch(BaseModel):
    """Operations that are all done, in this order, or none of them."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operations": [
                        {"op": "create", "title": "Buy milk"},
                        {"op": "complete", "id": 1, "is_completed": True},
                    ]
                }
            ]
        }
    )

    operations: Annotated[
        list[
            Annotated[BatchOperation, Field(discriminator="op"), BeforeValidator(_known_operation)]
        ],
        Field(min_length=1, max_length=LARGEST_BATCH),
    ]


class ListQuery(BaseModel):
    """Which tasks are wanted, in which order, and which part of them."""

    model_config = ConfigDict(extra="forbid")

    is_completed: Annotated[
        Literal["true", "false"] | None,
        Field(description="Only those done, or to be done.", examples=["false"]),
    ] = None
    q: Annotated[
        str | None,
        StringConstraints(min_length=1, max_length=TITLE_LENGTH),
        AfterValidator(_without_nul),
        Field(
            description="Text in title or description, in upper or lower case. No wildcards.",
            examples=["milk"],
        ),
    ] = None
    created_since: Annotated[Moment | None, Field(description="Created then or later.")] = None
    created_before: Annotated[Moment | None, Field(description="Created earlier.")] = None
    updated_since: Annotated[Moment | None, Field(description="Changed then or later.")] = None
    updated_before: Annotated[Moment | None, Field(description="Last changed earlier.")] = None
    sort: Annotated[
        Literal["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"],
        Field(description="The order, with a minus the other way round.", examples=["title"]),
    ] = "-created_at"
    limit: Annotated[
        int,
        Field(ge=1, le=LONGEST_PAGE, description="Tasks in a page.", examples=[50]),
        PlainDigits,
    ] = LONGEST_PAGE
    offset: Annotated[
        int,
        Field(ge=0, le=MAX_ID, description="Tasks before the page.", examples=[100]),
        PlainDigits,
    ] = 0
    cursor: Annotated[
        str | None,
        Field(
            description="`next_cursor` of the page before; not together with `offset`.",
            examples=[EXAMPLE_CURSOR],
        ),
    ] = None

    def filters(self) -> dict[str, object]:
        """The values to narrow the list by, under the names of their parameters."""
        where = self.model_fields_set - {"sort", "limit", "offset", "cursor"}
        given = {name: getattr(self, name) for name in where}
        if self.is_completed is not None:
            given["is_completed"] = self.is_completed == "true"
        if self.q is not None:
            given["q"] = f"%{LIKE_SPECIAL.sub(ESCAPED, self.q)}%"
        return given

    @model_validator(mode="after")
    def _one_way_to_say_where(self) -> Self:
        if self.cursor is not None and "offset" in self.model_fields_set:
            raise ValueError("cursor and offset exclude each other")
        return self

    @model_validator(mode="after")
    def _since_is_not_after_before(self) -> Self:
        for time in ("created", "updated"):
            since, before = getattr(self, f"{time}_since"), getattr(self, f"{time}_before")
            if since is not None and before is not None and since > before:
                raise ValueError(f"{time}_since is later than {time}_before")
        return self


class Task(BaseModel):
    """A task. Times are RFC 3339 in UTC; `updated_at` is later after every change."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_TASK]})

    id: Annotated[int, Field(ge=1, le=MAX_ID)]
    title: Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH)]
    description: Annotated[str, Field(max_length=DESCRIPTION_LENGTH)]
    is_completed: bool
    created_at: datetime
    updated_at: datetime
    user_id: int


class BatchResult(BaseModel):
    """What became of one operation: the status that it would have had alone, and the task."""

    status: Literal[200, 201, 204]
    task: Task | None


class BatchResults(BaseModel):
    """A result for each operation, in their order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{"status": 201, "task": EXAMPLE_TASK}]}]}
    )

    results: list[BatchResult]


class TaskList(BaseModel):
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

    tasks: list[Task]
    total: Annotated[int, Field(ge=0, description="All of them, not only this page.")]
    limit: int
    offset: int
    has_more: bool
    next_cursor: str | None
