"""What the tools do, over the store that the REST routes use, and with the same limits.

A `Caller` has the store of the token's user, and there is no other way to a task.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, NamedTuple, Self
from urllib.parse import quote

from pydantic_core import from_json, to_json

from taskapi.auth.claims import User
from taskapi.edge.body import BoundedRequest
from taskapi.edge.cursor import InvalidCursor
from taskapi.edge.invalid import invalid
from taskapi.edge.memory import Share
from taskapi.errors import ApiError, IdempotencyKeyReused, TaskNotFound
from taskapi.idempotency.header import fingerprint_of
from taskapi.idempotency.store import IdempotencyKey
from taskapi.mcp.arguments import (
    USUAL_FOUND,
    AddTasks,
    CompleteTasks,
    Fetch,
    FindTasks,
    OfIds,
    Search,
    UpdateTasks,
)
from taskapi.mcp.outputs import CUT, MAX_SHOWN_CHARACTERS
from taskapi.mcp.results import COPIES, ToolResult, not_found, written
from taskapi.resource.responses import ENVELOPE_BYTES, read_page
from taskapi.resource.store import Page
from taskapi.state import ServiceState, state_of
from taskapi.tasks.batch import run_batch
from taskapi.tasks.batch_results import Result
from taskapi.tasks.batch_schemas import Batch
from taskapi.tasks.schemas import TaskQuery
from taskapi.tasks.store import TaskStore

METADATA = ("is_completed", "created_at", "updated_at")


class Caller(NamedTuple):
    """Whoever calls a tool: the user of the token, their tasks, and the state of the service."""

    user: User
    tasks: TaskStore
    state: ServiceState

    @classmethod
    def of(cls, request: BoundedRequest) -> Self:
        """The caller of a request that `AuthMiddleware` has admitted."""
        user: User = request.scope["state"]["user"]
        state = state_of(request)
        return cls(user, TaskStore(user.id, state.executor, state.users), state)

    async def memory_for(self, count: int) -> Share:
        """A share of the memory for responses, for so many tasks."""
        size = int(COPIES * count * self.tasks.resource.max_row_bytes) + ENVELOPE_BYTES
        return await self.state.response_memory.hold(self.tasks.owner, size)

    async def page(self, query: TaskQuery) -> tuple[Page, Share]:
        """A page of the list, and its share of the memory for responses."""
        try:
            memory = self.state.response_memory
            return await read_page(memory, self.tasks, query.page_request(), COPIES)
        except InvalidCursor:
            raise invalid(("cursor",), "cursor_invalid", "Not a cursor of this list") from None

    async def done(
        self,
        operations: Iterable[dict[str, object]],
        *,
        atomic: bool = False,
        key: IdempotencyKey | None = None,
    ) -> Sequence[Result]:
        """What became of operations: each by itself, or of all or none of them."""
        batch = Batch.model_validate({"operations": list(operations), "atomic": atomic})
        return (await run_batch(self.state.executor, self.tasks, batch, key)).results

    def url_of(self, task_id: int) -> str:
        """The URL of a task in the API, relative to the host if nobody said which."""
        path = quote(f"/api/{self.user.subject}/tasks/{task_id}")
        return (self.state.settings.public_url or "") + path


async def find_tasks(caller: Caller, wanted: FindTasks) -> ToolResult:
    """A page of the list, with the beginnings of long descriptions."""
    page, share = await caller.page(wanted)
    with share:
        tasks = from_json(b"[%b]" % page.rows)
        for task in tasks:
            _shorten(task)
        parts = to_json(tasks), page.total, to_json(page.next_cursor)
        return ToolResult(b'{"tasks":%b,"total":%d,"next_cursor":%b}' % parts, share=share)


def _shorten(task: dict[str, Any]) -> None:
    if len(task["description"]) > MAX_SHOWN_CHARACTERS:
        task["description"] = task["description"][:MAX_SHOWN_CHARACTERS] + CUT
        task["description_is_cut"] = True


async def get_tasks(caller: Caller, wanted: OfIds) -> ToolResult:
    """Tasks, whole."""
    with await caller.memory_for(wanted.count) as share:
        rows = await caller.tasks.current(wanted.ids)
        if not any(rows):
            with suppress(TaskNotFound):  # unless the user is not known either
                await caller.tasks.get(wanted.ids[0])
        pairs = zip(wanted.ids, rows, strict=True)
        missing = b",".join(not_found(task_id) for task_id, row in pairs if row is None)
        tasks = b",".join(row.json for row in rows if row is not None)
        return ToolResult(_tasks_json(tasks, missing), is_error=not tasks, share=share)


async def add_tasks(caller: Caller, wanted: AddTasks) -> ToolResult:
    """New tasks, all or none of them; with a key, once."""
    new = ({"op": "create", **task.values()} for task in wanted.tasks)
    with await caller.memory_for(wanted.count) as share:
        try:
            results = await caller.done(new, atomic=True, key=_key_of(wanted))
        except IdempotencyKeyReused:
            raise IdempotencyKeyReused("This request_key was used for another call.") from None
        except ApiError as error:
            error.detail = error.detail.replace("operations[", "tasks[", 1)
            raise
        tasks, deleted = written(results)
        content = _tasks_json(tasks, deleted) if deleted else b'{"tasks":[%b]}' % tasks
        return ToolResult(content, is_error=not tasks, share=share)


def _key_of(wanted: AddTasks) -> IdempotencyKey | None:
    if wanted.request_key is None:
        return None
    parts = ["add_tasks", [task.values() for task in wanted.tasks]]
    return IdempotencyKey(wanted.request_key, fingerprint_of(parts))


async def update_tasks(caller: Caller, wanted: UpdateTasks) -> ToolResult:
    """New titles and descriptions."""
    return await _change(caller, [task.operation() for task in wanted.tasks])


async def complete_tasks(caller: Caller, wanted: CompleteTasks) -> ToolResult:
    """The state of tasks, set and never toggled."""
    state = {"op": "complete", "is_completed": wanted.is_completed}
    return await _change(caller, [state | {"id": task_id} for task_id in wanted.ids])


async def _change(caller: Caller, operations: list[dict[str, object]]) -> ToolResult:
    with await caller.memory_for(len(operations)) as share:
        tasks, failures = written(await caller.done(operations))
        return ToolResult(_tasks_json(tasks, failures), is_error=not tasks, share=share)


async def delete_tasks(caller: Caller, wanted: OfIds) -> ToolResult:
    """Tasks, deleted for good."""
    results = await caller.done({"op": "delete", "id": task_id} for task_id in wanted.ids)
    pairs = zip(wanted.ids, results, strict=True)
    deleted = [task_id for task_id, result in pairs if result.failure is None]
    _, failures = written(results)
    content = b'{"deleted":%b,"failures":[%b]}' % (to_json(deleted), failures)
    return ToolResult(content, is_error=not deleted)


async def search(caller: Caller, wanted: Search) -> ToolResult:
    """What chat products look for: ids, titles and URLs of what a text finds."""
    page, share = await caller.page(TaskQuery(q=wanted.query, limit=USUAL_FOUND))
    with share:
        found = [
            {"id": str(task["id"]), "title": task["title"], "url": caller.url_of(task["id"])}
            for task in from_json(b"[%b]" % page.rows)
        ]
        return ToolResult(to_json({"results": found}), share=share)


async def fetch(caller: Caller, wanted: Fetch) -> ToolResult:
    """The same for one of them, whole."""
    task = from_json((await caller.tasks.get(wanted.id)).json)
    document = {
        "id": str(task["id"]),
        "title": task["title"],
        "text": "\n\n".join(filter(None, (task["title"], task["description"]))),
        "url": caller.url_of(task["id"]),
        "metadata": {name: task[name] for name in METADATA},
    }
    return ToolResult(to_json(document))


def _tasks_json(tasks: bytes, failures: bytes) -> bytes:
    return b'{"tasks":[%b],"failures":[%b]}' % (tasks, failures)
