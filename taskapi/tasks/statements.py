"""Tasks, declared as a resource, and the one statement that only tasks have."""

from sqlalchemy import CTE, ColumnElement, Update, bindparam, func, not_, or_
from sqlmodel import col

from taskapi.clock.models import Tombstone, UserClock
from taskapi.errors import TaskDeleted, TaskNotFound
from taskapi.idempotency.store import Write
from taskapi.resource.definition import Resource
from taskapi.resource.statements import composed, updating
from taskapi.tasks.models import Task
from taskapi.tasks.schemas import TaskCreate, TaskPatch, TaskRead

TASKS = Resource(
    model=Task,
    editable=(Task.title, Task.description, Task.is_completed),
    read=TaskRead,
    create=TaskCreate,
    patch=TaskPatch,
    not_found=TaskNotFound,
    deleted=TaskDeleted,
    filters={
        "is_completed": col(Task.is_completed) == bindparam("is_completed"),
        "q": or_(
            col(Task.title).ilike(bindparam("q")), col(Task.description).ilike(bindparam("q"))
        ),
        "created_since": col(Task.created_at) >= bindparam("created_since"),
        "created_before": col(Task.created_at) < bindparam("created_before"),
        "updated_since": col(Task.updated_at) >= bindparam("updated_since"),
        "updated_before": col(Task.updated_at) < bindparam("updated_before"),
    },
    sorts=(Task.created_at, Task.updated_at, Task.title),
    searches=frozenset({"q"}),
    counter=UserClock.max_task_count,
    tombstones=Tombstone,
)

# The parameter is null for a toggle. Setting what is already set changes nothing, not even the
# version.
_completed: ColumnElement[bool] = func.coalesce(bindparam("wanted"), not_(col(Task.is_completed)))


def _completing(resource: Resource, clock: CTE) -> Update:
    changes = col(Task.is_completed) != _completed
    return updating(resource, clock, {"is_completed": _completed}, changes)


COMPLETE: Write = composed(TASKS, _completing)
