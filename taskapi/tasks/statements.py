"""Tasks, declared as a resource, and the statements that only tasks have."""

from sqlalchemy import (
    CTE,
    ColumnElement,
    Table,
    Text,
    Update,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    not_,
    or_,
    select,
    true,
)
from sqlalchemy.orm import Mapped
from sqlmodel import col

from taskapi.clock.models import Tombstone, UserClock
from taskapi.clock.statements import QUOTA, tick
from taskapi.database.owner import owned
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.errors import TaskDeleted, TaskNotFound
from taskapi.idempotency.store import Write
from taskapi.resource.definition import Resource
from taskapi.resource.statements import adding, composed, once, updating
from taskapi.tasks.models import Task, TaskKey
from taskapi.tasks.schemas import TaskCreate, TaskPatch, TaskRead


def _matches(text: Mapped[str]) -> ColumnElement[bool]:
    # In any other collation, PostgreSQL asks the server's locale about every character.
    return text.collate("C").regexp_match(bindparam("q"))


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
        "q": or_(_matches(col(Task.title)), _matches(col(Task.description))),
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

_keys: Table = TaskKey.__table__  # type: ignore[attr-defined]  # SQLModel makes it

_key = cast(bindparam("task_key"), Text())
_own_key = and_(owned(_keys.c.user_id), _keys.c.key == _key)


def _keeping(written: CTE) -> CTE:
    """Keep the key of the task that was created.

    Where another request has taken the key at the same instant, unseen by this statement, this
    violates the primary key, which undoes the whole statement, the task too.
    """
    kept = select(written.c.user_id, _key, written.c.id)
    keep = insert(_keys).from_select([*_keys.c.keys()], kept, include_defaults=False)
    return keep.returning(_keys.c.key).cte("stored")


def _create_once() -> Write:
    earlier = select(_keys.c.task_id.label("row_id"), true().label("replayed")).where(_own_key)
    create = once(TASKS, adding, earlier.cte("kept"), _keeping, TASKS.counter)
    return Write(compiled(create), idempotent=True)


def _forget() -> Statement:
    clock = tick()
    own = owned(_keys.c.user_id)
    newest = select(_keys.c.task_id).where(own).order_by(_keys.c.task_id.desc())
    limit = newest.offset(QUOTA).limit(Constant(1)).scalar_subquery()
    tasks = TASKS.table.c
    task = select(tasks.id).where(owned(tasks.user_id), tasks.id == _keys.c.task_id)
    forgotten = (
        delete(_keys)
        .where(own, _keys.c.user_id == clock.c.user_id, _keys.c.task_id <= limit, ~task.exists())
        .returning(_keys.c.task_id)
        .cte("forgotten")
    )
    return compiled(select(func.count().label("forgotten")).select_from(forgotten))


CREATE_ONCE: Write = _create_once()
"""Create a task under the parameter `task_key`, or find the one that was; then `replayed` is true,
and the task null if it has been deleted."""

TASK_OF_KEY: Statement = compiled(select(_keys.c.task_id).where(_own_key))

FORGET_KEYS: Statement = _forget()
"""Forget the keys of deleted tasks, except among the newest `quota` keys."""
