"""Tasks, declared as a resource, and the one statement that only tasks have."""

from sqlalchemy import ColumnElement, bindparam, func, not_, or_
from sqlmodel import col

from taskapi.errors import TaskNotFound
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
)

# The parameter is null for a toggle. Setting what is already set changes nothing, not even the
# version.
_completed: ColumnElement[bool] = func.coalesce(bindparam("wanted"), not_(col(Task.is_completed)))

COMPLETE: Write = composed(
    TASKS,
    updating(TASKS, {"is_completed": _completed}, changes=col(Task.is_completed) != _completed),
)
