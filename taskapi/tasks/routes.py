"""The operations. A route declares what comes in and what goes out; the store does the work."""

from typing import Annotated

from fastapi import Depends, Path, Query, Request, Response

from taskapi.config import MAX_ID
from taskapi.edge.body import BoundedRequest
from taskapi.edge.conditional import ExpectedVersions, KnownTags
from taskapi.edge.preferences import handling
from taskapi.edge.problem import NO_HEADERS
from taskapi.edge.router import Router
from taskapi.idempotency.header import REPLAYED, OptionalIdempotencyKey
from taskapi.openapi.responses import errors, returns
from taskapi.resource.dependency import own
from taskapi.resource.fields import PlainDigits
from taskapi.resource.responses import SharedJson, created_response, page_response, row_response
from taskapi.scopes import READ, WRITE
from taskapi.state import state_of
from taskapi.tasks.batch import run_batch
from taskapi.tasks.batch_schemas import Batch, BatchResults
from taskapi.tasks.schemas import (
    Completion,
    TaskCreate,
    TaskList,
    TaskPatch,
    TaskQuery,
    TaskRead,
    TaskUpdate,
)
from taskapi.tasks.store import TaskStore

router = Router("/api/{user_id}/tasks", tags=["tasks"])

MAX_BATCH_BYTES = 1024 * 1024

MERGE_PATCH = {"schema": {"$ref": "#/components/schemas/TaskPatch"}}

OwnTasks = Annotated[TaskStore, Depends(own(TaskStore))]

Applied = Annotated[dict[str, str], Depends(handling(TaskRead.model_fields.keys()))]
"""The headers for `Prefer: handling=strict`."""

TaskId = Annotated[
    int, Path(ge=1, le=MAX_ID, description="A task of yours.", examples=[1]), PlainDigits
]


@router.get(
    "",
    requires=READ,
    response_model=TaskList,
    responses=returns(200, "ETag", "Link")
    | returns(304, "ETag")
    | errors(401, 403, 404, 422, 429, 503),
)
async def list_tasks(
    request: BoundedRequest,
    query: Annotated[TaskQuery, Query()],
    tasks: OwnTasks,
    known: KnownTags,
) -> Response:
    """List your tasks: filtered, sorted, and in pages that stay put while others write."""
    return await page_response(request, "tasks", tasks, query.page_request(), known)


@router.post(
    "",
    requires=WRITE,
    status_code=201,
    response_model=TaskRead,
    responses=returns(201, "ETag", "Location", "Idempotency-Replayed", "Preference-Applied")
    | errors(401, 403, 404, 408, 410, 413, 415, 422, 429, 503, keyed=True),
)
async def create_task(
    new: TaskCreate,
    request: Request,
    tasks: OwnTasks,
    key: OptionalIdempotencyKey,
    applied: Applied,
) -> Response:
    """Create a task."""
    return created_response(request, await tasks.create(new.values(), key), applied)


@router.post(
    "/batch",
    requires=WRITE,
    response_model=BatchResults,
    responses=returns(200, "Idempotency-Replayed")
    | errors(401, 403, 404, 408, 410, 412, 413, 415, 422, 429, 503, keyed=True, current=TaskRead),
    max_body_bytes=MAX_BATCH_BYTES,
)
async def batch_tasks(
    batch: Batch, request: Request, tasks: OwnTasks, key: OptionalIdempotencyKey
) -> Response:
    """Do up to 100 operations, all or nothing, or with `"atomic": false` each by itself.

    A repetition with the same `Idempotency-Key` has the results of the first request: each with its
    status, and its task as it is now. Where the task has been deleted since, the status is 410 and
    the task null; a deletion keeps its 204. If `atomic` is false and the first request was cut off,
    the repetition does the operations that are left.
    """
    state = state_of(request)
    size = int(len(batch.operations) * tasks.resource.max_row_bytes)
    with await state.response_memory.hold(tasks.owner, size) as share:
        done = await run_batch(state.executor, tasks, batch, key)
    return SharedJson(done.json, share, REPLAYED if done.replayed else NO_HEADERS)


@router.get(
    "/{task_id}",
    requires=READ,
    response_model=TaskRead,
    responses={
        **returns(200, "ETag"),
        **returns(304, "ETag"),
        **errors(401, 403, 404, 422, 429, 503),
    },
)
async def get_task(task_id: TaskId, tasks: OwnTasks, known: KnownTags) -> Response:
    """Read one task."""
    return row_response(await tasks.get(task_id), known)


@router.put(
    "/{task_id}",
    requires=WRITE,
    response_model=TaskRead,
    responses={
        **returns(200, "ETag", "Preference-Applied"),
        **errors(401, 403, 404, 408, 412, 413, 415, 422, 429, 503, current=TaskRead),
    },
)
async def update_task(
    task_id: TaskId,
    new: TaskUpdate,
    tasks: OwnTasks,
    versions: ExpectedVersions,
    applied: Applied,
) -> Response:
    """Change title, description or both."""
    response = row_response(await tasks.update(task_id, new.changes(), versions))
    response.headers.update(applied)
    return response


@router.patch(
    "/{task_id}",
    requires=WRITE,
    response_model=TaskRead,
    responses=returns(200, "ETag", "Idempotency-Replayed")
    | errors(401, 403, 404, 408, 410, 412, 413, 415, 422, 429, 503, keyed=True, current=TaskRead),
    openapi_extra={"requestBody": {"content": {"application/merge-patch+json": MERGE_PATCH}}},
)
async def patch_task(
    task_id: TaskId,
    patch: TaskPatch,
    tasks: OwnTasks,
    versions: ExpectedVersions,
    key: OptionalIdempotencyKey,
) -> Response:
    """Apply a merge patch (RFC 7396) to title, description and completion."""
    return row_response(await tasks.update(task_id, patch.changes(), versions, key))


@router.delete(
    "/{task_id}",
    requires=WRITE,
    status_code=204,
    responses={**returns(204), **errors(401, 403, 404, 412, 422, 429, 503, current=TaskRead)},
)
async def delete_task(task_id: TaskId, tasks: OwnTasks, versions: ExpectedVersions) -> Response:
    """Delete a task, for good."""
    await tasks.delete(task_id, versions)
    return Response(status_code=204)


@router.patch(
    "/{task_id}/complete",
    requires=WRITE,
    response_model=TaskRead,
    responses=returns(200, "ETag", "Idempotency-Replayed")
    | errors(401, 403, 404, 408, 410, 412, 413, 415, 422, 429, 503, keyed=True, current=TaskRead),
)
async def complete_task(
    task_id: TaskId,
    tasks: OwnTasks,
    versions: ExpectedVersions,
    key: OptionalIdempotencyKey,
    wanted: Completion | None = None,
) -> Response:
    """Toggle completion, or set it where the body says which."""
    state = wanted.is_completed if wanted else None
    return row_response(await tasks.complete(task_id, state, versions, key))
