"""What clients send and receive in a batch: here it says what an operation is."""

import math
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal, Self

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
from pydantic_core import PydanticCustomError

from taskapi.edge.conditional import (
    CONDITION_PATTERN,
    MAX_HEADER_CHARACTERS,
    InvalidTags,
    accepted_versions,
)
from taskapi.openapi.components import SCHEMA_NAME
from taskapi.openapi.error_bodies import ErrorCode
from taskapi.resource.fields import UNCHANGED, RowId
from taskapi.resource.schemas import StrictBody
from taskapi.tasks.models import MAX_TASK_KEY_CHARACTERS
from taskapi.tasks.schemas import EXAMPLE_TASK, TaskCreate, TaskPatch, TaskRead

MAX_BATCH_OPERATIONS = 100

OPERATIONS_PER_WEIGHT = 5

EXAMPLE_TAG = '"63f4a1c2b7d40"'

TaskKeyText = Annotated[
    str,
    StringConstraints(pattern=rf"^[A-Za-z0-9_-]{{1,{MAX_TASK_KEY_CHARACTERS}}}$"),
    Field(examples=["c-1"]),
]


def _checked(version: str) -> str:
    try:
        accepted_versions(version)
    except InvalidTags:
        raise ValueError('should be * or "tag", "tag"') from None
    return version


Version = Annotated[
    str,
    StringConstraints(max_length=MAX_HEADER_CHARACTERS),
    AfterValidator(_checked),
    Field(
        description="What `If-Match` is to a single request: an `etag`, several, or `*`.",
        examples=[EXAMPLE_TAG],
        json_schema_extra={"pattern": CONDITION_PATTERN},
    ),
]


class _Operation(StrictBody):
    """Any member of a task may be there, as a client can send back a task that it has read."""

    ignored = frozenset(TaskRead.model_fields)


class BatchCreate(_Operation, TaskCreate):
    """Create a task.

    With a `key`, the same create again, however much later, gives this task and makes no second
    one: 200 where it made one before, and 410 where that has been deleted since.
    """

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"op": "create", "key": "c-1", "title": "Buy milk"}]}
    )

    id: ClassVar[None] = None
    op: Literal["create"]
    key: Annotated[TaskKeyText, Field(description="A name of yours for it.")] = UNCHANGED

    def values(self) -> dict[str, object]:
        """The values of all editable columns, by their names."""
        return self.model_dump(include=set(TaskCreate.model_fields))


def _having(name: str) -> JsonValue:
    """The schema of an object with a member of this name.

    Only `required` counts. Redocly wants to see the member, and to be told that there are others.
    """
    return {"required": [name], "properties": {name: {}}, "additionalProperties": True}


def _naming(**example: JsonValue) -> ConfigDict:
    """The rule of `_OfOneTask` for the document, and an example.

    No oneOf: generators make a type of each alternative, which has no member but the id or the key.
    """
    rule: dict[str, JsonValue] = {
        "if": _having("id"),
        "then": {"not": _having("key")},
        "else": _having("key"),
    }
    return ConfigDict(json_schema_extra=rule | {"examples": [example]})


class _OfOneTask(_Operation):
    id: RowId = UNCHANGED
    key: Annotated[
        TaskKeyText, Field(description="That it was created with, perhaps in this batch.")
    ] = UNCHANGED
    version: Version = UNCHANGED

    @property
    def versions(self) -> list[datetime] | None:
        """The versions that the operation may change; None for any."""
        return accepted_versions(self.version)

    @model_validator(mode="after")
    def _one_name(self) -> Self:
        if (self.id is None) is (self.key is None):
            raise ValueError("give id or key, and not both")
        return self


class BatchUpdate(_OfOneTask, TaskPatch):
    """Change the task with this id, or this key, by the rules of a merge patch."""

    model_config = _naming(op="update", key="c-1", description="Two litres")

    op: Literal["update"]

    def changes(self) -> dict[str, object]:
        """The new values of the members that were sent, without those that say which task."""
        changes = super().changes()
        return {name: changes[name] for name in changes if name in TaskPatch.model_fields}


class BatchComplete(_OfOneTask):
    """Set the completion of the task with this id, or this key; toggle it if no state is given."""

    model_config = _naming(op="complete", id=1, version=EXAMPLE_TAG, is_completed=True)

    op: Literal["complete"]
    is_completed: StrictBool = UNCHANGED


class BatchDelete(_OfOneTask):
    """Delete the task with this id, or this key."""

    model_config = _naming(op="delete", id=1)

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


class Batch(StrictBody):
    """Operations that are done in this order: all or none of them, or each by itself."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operations": [
                        {"op": "create", "key": "c-1", "title": "Buy milk"},
                        {"op": "complete", "key": "c-1", "is_completed": True},
                    ]
                }
            ]
        }
    )

    atomic: Annotated[
        StrictBool,
        Field(
            description="Whether all operations are one transaction. If not, each is one of its "
            "own, and its result has its status."
        ),
    ] = True
    operations: Annotated[
        list[
            Annotated[
                BatchOperation,
                Field(discriminator="op", json_schema_extra={SCHEMA_NAME: "BatchOperation"}),
                BeforeValidator(_known_operation),
            ]
        ],
        Field(min_length=1, max_length=MAX_BATCH_OPERATIONS),
    ]

    @property
    def rate_weight(self) -> int:
        """What the request counts for in `USER_RATE`: 1 for each five operations."""
        return math.ceil(len(self.operations) / OPERATIONS_PER_WEIGHT)


LEFT_OUT: Any = None
"""The default of a member that is there at times, and then never null."""


class BatchResult(BaseModel):
    """What became of an operation: the status that it would have had alone, and the task.

    A create with a `key` that made the task before is 200, and a deletion has no task. Where
    `atomic` is false, an operation that was not done has its error instead of the task; 410 also in
    a repetition with the same `Idempotency-Key`, if the task has been deleted since.
    """

    # One object, because Kotlin makes one class of a union, which then needs all members of all.
    # Each of the three brings the next: FastAPI makes a set of such a list, which has no order.
    model_config = ConfigDict(
        json_schema_extra={
            "dependentRequired": {"code": ["detail"], "detail": ["current"], "current": ["code"]}
        }
    )

    status: Literal[200, 201, 204, 403, 404, 410, 412]
    task: TaskRead | None
    etag: Annotated[
        str | None,
        Field(description="The `ETag` of the task, or of `current`.", examples=[EXAMPLE_TAG]),
    ]
    code: ErrorCode = LEFT_OUT
    detail: str = LEFT_OUT
    current: Annotated[
        TaskRead | None, Field(description="Of an error: for 412, the task as it is now.")
    ] = LEFT_OUT


class BatchResults(BaseModel):
    """A result for each operation, in their order."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [{"results": [{"status": 201, "task": EXAMPLE_TASK, "etag": EXAMPLE_TAG}]}]
        }
    )

    results: list[BatchResult]
