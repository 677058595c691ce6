"""What clients send and receive in a batch."""

import math
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool
from pydantic_core import PydanticCustomError

from taskapi.resource.fields import RowId
from taskapi.tasks.schemas import EXAMPLE_TASK, TaskCreate, TaskPatch, TaskRead

MAX_BATCH_OPERATIONS = 100

OPERATIONS_PER_WEIGHT = 5


class BatchCreate(TaskCreate):
    """Create a task."""

    op: Literal["create"]


class _OfOneTask(BaseModel):
    id: RowId


class BatchUpdate(_OfOneTask, TaskPatch):
    """Change a task, by the rules of a merge patch."""

    op: Literal["update"]

    def changes(self) -> dict[str, object]:
        """The new values of the members that were sent, without those that say which task."""
        changes = super().changes()
        return {name: changes[name] for name in changes if name in TaskPatch.model_fields}


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
        Field(min_length=1, max_length=MAX_BATCH_OPERATIONS),
    ]

    @property
    def rate_weight(self) -> int:
        """What the request counts for in `USER_RATE`: 1 for each five operations."""
        return math.ceil(len(self.operations) / OPERATIONS_PER_WEIGHT)


class BatchResult(BaseModel):
    """What became of one operation: the status that it would have had alone, and the task.

    410 only in a repetition with the same `Idempotency-Key`: the task has been deleted since.
    """

    status: Literal[200, 201, 204, 410]
    task: TaskRead | None


class BatchResults(BaseModel):
    """A result for each operation, in their order."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"results": [{"status": 201, "task": EXAMPLE_TASK}]}]}
    )

    results: list[BatchResult]
