"""What clients send and receive about files of tasks."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from taskapi.edge.query import QueryModel
from taskapi.resource.fields import Flag
from taskapi.tasks.schemas import TaskFilters

EXPORT_WEIGHT = 100
"""Of an export in `USER_RATE`: ten lists of 1000, because it may read all tasks of a user."""

IMPORTED_BYTES_PER_WEIGHT = 8 * 1024
"""10,000 tasks of 80 bytes weigh 100, and take a second of both CPUs."""


ExportName = Literal["jsonl", "csv", "ics", "todotxt"]
ImportName = Literal["jsonl", "csv", "ics", "todotxt", "todoist", "google"]


class ExportQuery(TaskFilters):
    """Which tasks are wanted, and in which format."""

    not_filters = frozenset({"format"})

    format: Annotated[
        ExportName,
        Field(
            description="JSON Lines, CSV (RFC 4180), iCalendar (RFC 5545) or todo.txt.",
            examples=["jsonl"],
        ),
    ]

    @property
    def rate_weight(self) -> int:
        """What the request counts for in `USER_RATE`."""
        return EXPORT_WEIGHT


class ImportQuery(QueryModel):
    """In which format the file is, and whether it is only checked."""

    format: Annotated[
        ImportName,
        Field(
            description="As of an export, Todoist's CSV, or Tasks.json of Google Takeout.",
            examples=["jsonl"],
        ),
    ]
    dry_run: Annotated[
        Flag, Field(description="Only tell what the import would do.", examples=[True])
    ] = False


class ImportResult(BaseModel):
    """What became of the records of a file."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"created": 2, "known": 1, "ignored": 0, "dry_run": False}]}
    )

    created: Annotated[int, Field(ge=0, description="Tasks that are new.")]
    known: Annotated[int, Field(ge=0, description="Tasks that you have already, left as they are.")]
    ignored: Annotated[
        int, Field(ge=0, description="Records that are no tasks, such as deleted ones.")
    ]
    dry_run: Annotated[bool, Field(description="Whether nothing was written.")]
