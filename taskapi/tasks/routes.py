"""The operations. A route says what comes in and what happens; the store does it."""

from typing import Annotated
from urllib.parse import quote, urlencode

from fastapi import Depends, Path, Query, Request, Response

from taskapi.auth.claims import User
from taskapi.auth.guard import current_user
from taskapi.config import LARGEST_ID
from taskapi.edge.body import invalid
from taskapi.edge.conditional import list_tag, matches, task_tag
from taskapi.edge.cursor import InvalidCursor
from taskapi.edge.router import Router
from taskapi.openapi.document import answers, errors
from taskapi.tasks.batch import run_batch
from taskapi.tasks.conditions import ExpectedVersions, IfNoneMatch, OnlyOnce, tags
from taskapi.tasks.schemas import (
    Batch,
    BatchResults,
    Completion,
    ListQuery,
    PlainDigits,
    Task,
    TaskCreate,
    TaskList,
    TaskPatch,
    TaskUpdate,
)
from taskapi.tasks.store import Page, Part, TaskBody, TaskStore

router = Router("/api/{user_id}/tasks", tags=["tasks"])


async def own_tasks(request: Request, user: Annotated[User, Depends(current_user)]) -> TaskStore:
    """The store of the user who is asking."""
    state = request.app.state
    store: TaskStore = state.task_stores.of(user.id, state.database)
    return store


OwnTasks = Annotated[TaskStore, Depends(own_tasks)]

MAX_BATCH_BYTES = 1024 * 1024

MERGE_PATCH = {"schema": {"$ref": "#/components/schemas/TaskPatch"}}

REPLAYED = {"Idempotency-Replayed": "true"}

TaskId = Annotated[
    int, Path(ge=1, le=LARGEST_ID, description="A task of yours.", examples=[1]), PlainDigits
]


class Json(Response):
    """JSON that the database has already rendered."""

    media_type = "application/json"


@router.get(
    "",
    response_model=TaskList,
    responses=answers(200, "ETag", "Link")
    | answers(304, "ETag", "Link")
    | errors(401, 403, 404, 422, 503),
)
async def list_tasks(
    request: Request,
    query: Annotated[ListQuery, Query()],
    tasks: OwnTasks,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """List your tasks: filtered, sorted, and in pages that stay put while others write."""
    try:
        part = Part(query.filters(), query.sort, query.limit, query.offset, query.cursor)
        page = await tasks.page(part)
    except InvalidCursor:
        raise invalid(("query", "cursor"), "cursor_invalid", "Not a cursor of this list") from None
    tag = list_tag(page.json)
    headers = {"ETag": tag} | _link(request, page)
    if tags(matches, "If-None-Match", if_none_match, tag):
        return Response(status_code=304, headers=headers)
    return Json(page.json, headers=headers)


@router.post(
    "",
    status_code=201,
    response_model=Task,
    responses=answers(201, "ETag", "Location", "Idempotency-Replayed")
    | errors(401, 403, 404, 413, 415, 422, 503, keyed=True),
)
async def create_task(
    new: TaskCreate, request: Request, tasks: OwnTasks, once: OnlyOnce
) -> Response:
    """Create a task."""
    task = await tasks.create(new.title, new.description, once)
    response = _answer(task, status_code=201)
    response.headers["Location"] = f"{quote(request.scope['path'])}/{task.id}"
    return response


@router.post(
    "/batch",
    response_model=BatchResults,
    responses=answers(200, "Idempotency-Replayed")
    | errors(401, 403, 404, 413, 415, 422, 503, keyed=True),
    max_body_bytes=MAX_BATCH_BYTES,
)
async def do_batch(
    batch: Batch,
    request: Request,
    user: Annotated[User, Depends(current_user)],
    once: OnlyOnce,
) -> Response:
    """Do up to 100 operations, all or nothing."""
    state = request.app.state
    done = await run_batch(state.database, state.task_stores, user.id, batch.operations, once)
    return Json(done.json, headers=REPLAYED if done.replayed else None)


@router.get(
    "/{task_id}",
    response_model=Task,
    responses={
        **answers(200, "ETag"),
        **answers(304, "ETag"),
        **errors(401, 403, 404, 422, 503),
    },
)
async def get_task(task_id: TaskId, tasks: OwnTasks, if_none_match: IfNoneMatch = None) -> Response:
    """Read one task."""
    task = await tasks.get(task_id)
    if tags(matches, "If-None-Match", if_none_match, task_tag(task.version)):
        return Response(status_code=304, headers={"ETag": task_tag(task.version)})
    return _answer(task)


@router.put(
    "/{task_id}",
    response_model=Task,
    responses={**answers(200, "ETag"), **errors(401, 403, 404, 412, 413, 415, 422, 503)},
)
async def update_task(
    task_id: TaskId, new: TaskUpdate, tasks: OwnTasks, versions: ExpectedVersions
) -> Response:
    """Change title, description or both."""
    return _answer(await tasks.update(task_id, new.model_dump(), versions))


@router.patch(
    "/{task_id}",
    response_model=Task,
    responses=answers(200, "ETag", "Idempotency-Replayed")
    | errors(401, 403, 404, 412, 413, 415, 422, 503, keyed=True),
    openapi_extra={"requestBody": {"content": {"application/merge-patch+json": MERGE_PATCH}}},
)
async def patch_task(
    task_id: TaskId,
    patch: TaskPatch,
    tasks: OwnTasks,
    versions: ExpectedVersions,
    once: OnlyOnce,
) -> Response:
    """Apply a merge patch (RFC 7396) to title, description and completion."""
    return _answer(await tasks.update(task_id, patch.changes(), versions, once))


@router.delete(
    "/{task_id}",
    status_code=204,
    responses={**answers(204), **errors(401, 403, 404, 412, 422, 503)},
)
async def delete_task(task_id: TaskId, tasks: OwnTasks, versions: ExpectedVersions) -> Response:
    """Delete a task, for good."""
    await tasks.delete(task_id, versions)
    return Response(status_code=204)


@router.patch(
    "/{task_id}/complete",
    response_model=Task,
    responses=answers(200, "ETag", "Idempotency-Replayed")
    | errors(401, 403, 404, 412, 413, 415, 422, 503, keyed=True),
)
async def complete_task(
    task_id: TaskId,
    tasks: OwnTasks,
    versions: ExpectedVersions,
    once: OnlyOnce,
    wanted: Completion | None = None,
) -> Response:
    """Toggle completion, or set it where the body says which."""
    state = wanted.is_completed if wanted else None
    return _answer(await tasks.complete(task_id, state, versions, once))


def _answer(task: TaskBody, status_code: int = 200) -> Response:
    headers = {"ETag": task_tag(task.version)} | (REPLAYED if task.replayed else {})
    return Json(task.json, status_code=status_code, headers=headers)


def _link(request: Request, page: Page) -> dict[str, str]:
    """The address of the next page (RFC 8288)."""
    if page.next_cursor is None:
        return {}
    asked = dict(request.query_params) | {"cursor": page.next_cursor}
    asked.pop("offset", None)
    return {"Link": f'<{quote(request.scope["path"])}?{urlencode(asked)}>; rel="next"'}
