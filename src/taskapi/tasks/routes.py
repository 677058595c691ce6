"""The six operations. A route says what comes in and what happens; the store does it."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from taskapi.auth.claims import User
from taskapi.auth.guard import current_user
from taskapi.config import LARGEST_ID
from taskapi.documentation import errors, headers
from taskapi.edge.body import JsonRoute, invalid
from taskapi.tasks.cursor import InvalidCursor
from taskapi.tasks.schemas import (
    Completion,
    Page,
    PlainInt,
    Task,
    TaskCreate,
    TaskList,
    TaskUpdate,
)
from taskapi.tasks.store import TaskBody, TaskStore

router = APIRouter(prefix="/api/{user_id}/tasks", tags=["tasks"], route_class=JsonRoute)


def own_tasks(request: Request, user: Annotated[User, Depends(current_user)]) -> TaskStore:
    """The store of the user who is asking."""
    store: TaskStore = request.app.state.task_stores.of(user.id)
    return store


OwnTasks = Annotated[TaskStore, Depends(own_tasks)]
TaskId = Annotated[PlainInt, Path(ge=1, le=LARGEST_ID)]


class Json(Response):
    """JSON that the database has already rendered."""

    media_type = "application/json"


@router.get("", response_model=TaskList, responses=errors(401, 403, 404, 422, 503))
async def list_tasks(page: Annotated[Page, Query()], tasks: OwnTasks) -> Response:
    """List your tasks, newest first."""
    try:
        return Json(await tasks.page(page.limit, page.offset, page.cursor))
    except InvalidCursor:
        raise invalid(("query", "cursor"), "cursor_invalid", "Not a cursor of this list") from None


@router.post(
    "",
    status_code=201,
    response_model=Task,
    responses={201: {"headers": headers(201)}, **errors(401, 403, 404, 413, 415, 422, 503)},
)
async def create_task(new: TaskCreate, request: Request, tasks: OwnTasks) -> Response:
    """Create a task."""
    task = await tasks.create(new.title, new.description)
    location = f"{request.scope['path']}/{task.id}"
    return Json(task.json, status_code=201, headers={"Location": location})


@router.get("/{task_id}", response_model=Task, responses=errors(401, 403, 404, 422, 503))
async def get_task(task_id: TaskId, tasks: OwnTasks) -> Response:
    """Read one task."""
    return _answer(await tasks.get(task_id))


@router.put(
    "/{task_id}",
    response_model=Task,
    responses=errors(401, 403, 404, 413, 415, 422, 503),
)
async def update_task(task_id: TaskId, new: TaskUpdate, tasks: OwnTasks) -> Response:
    """Change title, description or both."""
    return _answer(await tasks.update(task_id, new.title, new.description))


@router.delete("/{task_id}", status_code=204, responses=errors(401, 403, 404, 422, 503))
async def delete_task(task_id: TaskId, tasks: OwnTasks) -> Response:
    """Delete a task, for good."""
    await tasks.delete(task_id)
    return Response(status_code=204)


@router.patch(
    "/{task_id}/complete",
    response_model=Task,
    responses=errors(401, 403, 404, 413, 415, 422, 503),
)
async def complete_task(
    task_id: TaskId, tasks: OwnTasks, wanted: Completion | None = None
) -> Response:
    """Toggle completion, or set it where the body says which."""
    return _answer(await tasks.complete(task_id, wanted.is_completed if wanted else None))


def _answer(task: TaskBody) -> Response:
    return Json(task.json)
