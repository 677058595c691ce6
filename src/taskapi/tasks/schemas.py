"""What clients send and receive, as types that check themselves and describe themselves."""

from datetime import datetime
from typing import Annotated, Self

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

from taskapi.config import LARGEST_ID
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
        and len(value) <= len(str(LARGEST_ID))
    ):
        raise ValueError("must be a whole number in plain digits")
    return value


Title = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=TITLE_LENGTH),
    AfterValidator(_without_nul),
    Field(
        description="Trimmed of white space at both ends.",
        json_schema_extra={"pattern": r"^[^\u0000]*[^\s\u0000][^\u0000]*$"},
    ),
]

Description = Annotated[
    str,
    StringConstraints(max_length=DESCRIPTION_LENGTH),
    AfterValidator(_without_nul),
    Field(description="Kept as sent.", json_schema_extra={"pattern": r"^[^\u0000]*$"}),
]

PlainInt = Annotated[int, BeforeValidator(_plain_digits)]

EXAMPLE_TASK: dict[str, JsonValue] = {
    "id": 1,
    "title": "Buy milk",
    "description": "Two litres, the blue one",
    "is_completed": False,
    "created_at": "2026-01-31T09:30:00.123456Z",
    "updated_at": "2026-01-31T09:30:00.123456Z",
    "user_id": 1,
}


class TaskCreate(BaseModel):
    """A new task. Other members are ignored, so a task that was read can be sent back."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"title": "Buy milk", "description": "Two litres"}]}
    )

    title: Title
    description: Description = ""


class TaskUpdate(BaseModel):
    """New values. Omitted or null leaves a value as it is; at least one must be given."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"title": "Buy oat milk"}]})

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


class Page(BaseModel):
    """Which part of a list is wanted."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[PlainInt, Field(ge=1, le=1000)] = 1000
    offset: Annotated[PlainInt, Field(ge=0, le=LARGEST_ID)] = 0
    cursor: Annotated[
        str | None,
        Field(description="`next_cursor` of the page before; not together with `offset`."),
    ] = None

    @model_validator(mode="after")
    def _one_way_to_say_where(self) -> Self:
        if self.cursor is not None and "offset" in self.model_fields_set:
            raise ValueError("cursor and offset exclude each other")
        return self


class Task(BaseModel):
    """A task. Times are RFC 3339 in UTC; `updated_at` is later after every change."""

    model_config = ConfigDict(json_schema_extra={"examples": [EXAMPLE_TASK]})

    id: Annotated[int, Field(ge=1, le=LARGEST_ID)]
    title: Annotated[str, Field(min_length=1, max_length=TITLE_LENGTH)]
    description: Annotated[str, Field(max_length=DESCRIPTION_LENGTH)]
    is_completed: bool
    created_at: datetime
    updated_at: datetime
    user_id: int


class TaskList(BaseModel):
    """One page of a user's tasks, newest first."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "tasks": [EXAMPLE_TASK],
                    "total": 2,
                    "limit": 1,
                    "offset": 0,
                    "has_more": True,
                    "next_cursor": "AAZgxgByhN8AAAAAAAAAAhAOPxhYUUKXW9PXISMkXZs",
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
