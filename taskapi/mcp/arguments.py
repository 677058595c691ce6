"""What the tools take. A model reads the schemas that follow from these types, and calls by them.

A name that a tool does not have is refused, because it could be a slip that loses data. Null is
the same as nothing, because models write it for what they leave out. An empty text is, too, where a
list is asked for.
"""

import math
from abc import abstractmethod
from datetime import datetime
from typing import Annotated, Any, ClassVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from taskapi.idempotency.models import MAX_KEY_CHARACTERS
from taskapi.resource.fields import PlainDigits, RowId, Timestamp, without_nul
from taskapi.resource.schemas import StrictBody
from taskapi.tasks.batch_schemas import OPERATIONS_PER_WEIGHT
from taskapi.tasks.models import MAX_TITLE_CHARACTERS
from taskapi.tasks.schemas import NOT_BLANK, SEARCH_WEIGHT, TaskCreate, TaskQuery, TaskUpdate

MAX_FOUND = 100
MAX_IDS = 50
MAX_WRITTEN = 25
"""To-dos of one call. A model that gets more of them loses sight of some."""

USUAL_FOUND = 20

MAX_CURSOR_CHARACTERS = 8192
"""In a URL, the limit of a request's head bounds it."""


def without_nulls(arguments: dict[str, Any]) -> dict[str, Any]:
    """Arguments, and the to-dos in them, without members that are null."""
    given = {name: value for name, value in arguments.items() if value is not None}
    if isinstance(tasks := given.get("tasks"), list):
        given["tasks"] = [without_nulls(it) if isinstance(it, dict) else it for it in tasks]
    return given


def _as_number(value: object) -> object:
    return int(value) if isinstance(value, str) else value


TaskId = Annotated[RowId, BeforeValidator(_as_number), PlainDigits]
"""A number, or its digits: `search` and `fetch` have ids that are texts."""

TaskIds = Annotated[
    list[TaskId],
    Field(min_length=1, max_length=MAX_IDS, description="Ids of to-dos, as find_tasks has them."),
    AfterValidator(lambda ids: list(dict.fromkeys(ids))),
]
"""Each once, because a second deletion would fail."""


class _Weighed(StrictBody):
    """Arguments about several to-dos, each of which counts as an operation of a batch."""

    @property
    @abstractmethod
    def count(self) -> int:
        """How many they are."""

    @property
    def rate_weight(self) -> int:
        """What the call counts for in `USER_RATE`."""
        return math.ceil(self.count / OPERATIONS_PER_WEIGHT)


class OfIds(_Weighed):
    """Some to-dos."""

    ids: TaskIds

    @property
    def count(self) -> int:
        return len(self.ids)


class FindTasks(StrictBody, TaskQuery):
    """A list is asked for as over REST, in shorter pages and without `offset`."""

    offset: ClassVar[int] = 0  # type: ignore[misc]  # a page is found by its cursor alone
    limit: Annotated[
        int, Field(ge=1, le=MAX_FOUND, description="At most so many in a page."), PlainDigits
    ] = USUAL_FOUND
    cursor: Annotated[
        Annotated[str, StringConstraints(max_length=MAX_CURSOR_CHARACTERS)] | None,
        Field(description="next_cursor of the page before, with the same other arguments."),
    ] = None

    @model_validator(mode="before")
    @classmethod
    def _empty_is_absent(cls, sent: dict[str, object]) -> dict[str, object]:
        return {name: value for name, value in sent.items() if value != ""}


class AddTask(StrictBody, TaskCreate):
    """A new to-do."""


class AddTasks(_Weighed):
    """New to-dos."""

    tasks: Annotated[list[AddTask], Field(min_length=1, max_length=MAX_WRITTEN)]
    request_key: Annotated[
        Annotated[str, StringConstraints(pattern=rf"^[!-~]{{1,{MAX_KEY_CHARACTERS}}}$")] | None,
        Field(
            description="A new random text for each call. If you get no answer, call again with "
            "the same arguments and the same request_key: nothing is added twice."
        ),
    ] = None

    @property
    def count(self) -> int:
        return len(self.tasks)


def _only_text(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("should be a string: updated_at of the to-do")
    return value


Version = Annotated[Timestamp, BeforeValidator(_only_text)]
"""A number would be read as seconds since 1970."""


class UpdateTask(StrictBody, TaskUpdate):
    """Give title, description or both. What is left out stays as it is; "" clears a description."""

    model_config = ConfigDict(json_schema_extra={})  # the parent's rule is in the sentence above

    id: TaskId
    version: Annotated[
        Version | None,
        Field(
            description="updated_at of the to-do as you have read it. If it has changed since, it "
            "stays as it is, and you get it with the failure."
        ),
    ] = None

    def operation(self) -> dict[str, object]:
        """The same, as an operation of a batch."""
        texts = self.model_dump(include=set(TaskUpdate.model_fields), exclude_none=True)
        version = {} if self.version is None else {"version": _tag(self.version)}
        return {"op": "update", "id": self.id, **version, **texts}


def _tag(version: datetime) -> str:
    """A version as `If-Match` has it."""
    return '"' + version.isoformat(timespec="microseconds").replace("+00:00", "Z") + '"'


class UpdateTasks(_Weighed):
    """New texts of several to-dos."""

    tasks: Annotated[list[UpdateTask], Field(min_length=1, max_length=MAX_WRITTEN)]

    @property
    def count(self) -> int:
        return len(self.tasks)


class CompleteTasks(OfIds):
    """To-dos, and the state that they are to have."""

    is_completed: Annotated[StrictBool, Field(description="false: to be done again.")] = True


class Search(StrictBody):
    """What to look for."""

    rate_weight: ClassVar[int] = SEARCH_WEIGHT

    query: Annotated[
        str,
        StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_TITLE_CHARACTERS),
        AfterValidator(without_nul),
        Field(
            description="Text in a title or a description: one word finds more than three.",
            json_schema_extra={"pattern": NOT_BLANK},
        ),
    ]


class Fetch(StrictBody):
    """Which to-do."""

    rate_weight: ClassVar[int] = 1

    id: Annotated[
        TaskId,
        WithJsonSchema(
            {
                "type": "string",
                "pattern": "^[1-9][0-9]*$",
                "description": "An id that search has found.",
            }
        ),
    ]
