"""What the tools return, as the types that their schemas follow from."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from taskapi.tasks.batch_schemas import LEFT_OUT
from taskapi.tasks.schemas import TaskRead

MAX_SHOWN_CHARACTERS = 200
"""Of a description in a list."""

CUT = "…"


class ToDo(TaskRead):  # with the members that a task has everywhere
    """Times are in UTC. updated_at moves with every change; update_tasks takes it as version."""


class FoundTask(ToDo):
    """A to-do in a list."""

    description: Annotated[str, Field(max_length=MAX_SHOWN_CHARACTERS + len(CUT))]
    description_is_cut: Annotated[
        Literal[True], Field(description="There is more of it: get_tasks has all.")
    ] = LEFT_OUT


class FoundTasks(BaseModel):
    """A page of to-dos."""

    tasks: list[FoundTask]
    total: Annotated[int, Field(ge=0, description="On all pages.")]
    next_cursor: Annotated[str | None, Field(description="null: this is the last page.")]


class Failure(BaseModel):
    """A to-do with which nothing was done, and why."""

    id: int
    code: Literal["task_deleted", "task_not_found", "version_mismatch"]
    message: str


class NotUpdated(Failure):
    """A to-do that was not changed, and why."""

    task: Annotated[ToDo, Field(description="As it is now, if its version was another.")] = LEFT_OUT


class Tasks(BaseModel):
    """To-dos as they are now, and those with which nothing was done."""

    tasks: list[ToDo]
    failures: list[Failure]


class UpdatedTasks(Tasks):
    """To-dos as they are now, and those that were not changed."""

    failures: list[NotUpdated]  # type: ignore[assignment]  # nobody adds to it


class AddedTasks(BaseModel):
    """The new to-dos, in the order of the call."""

    tasks: list[ToDo]
    failures: Annotated[
        list[Failure],
        Field(description="Of a call that was repeated: those that were deleted since."),
    ] = LEFT_OUT


class DeletedTasks(BaseModel):
    """Ids."""

    deleted: list[int]
    failures: list[Failure]


class SearchResult(BaseModel):
    """A to-do that was found."""

    id: str
    title: str
    url: str


class SearchResults(BaseModel):
    """To-dos that were found, the newest first."""

    results: list[SearchResult]


class Document(BaseModel):
    """A to-do as a document."""

    id: str
    title: str
    text: str
    url: str
    metadata: dict[str, Any]
