"""The statements behind an import, each for a part of a file: a JSON array of its tasks."""

from typing import Any

from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Integer,
    Table,
    Text,
    bindparam,
    cast,
    column,
    exists,
    func,
    insert,
    not_,
    select,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.clock.statements import tick
from taskapi.database.owner import owned
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.tasks.models import Task, TaskKey

TASKS: Table = Task.__table__  # type: ignore[attr-defined]  # SQLModel makes it
KEYS: Table = TaskKey.__table__  # type: ignore[attr-defined]  # SQLModel makes it


def _given() -> FromClause:
    """The tasks of the parameter `rows`: bytes, whose type asyncpg need not look up."""
    parsed = cast(func.convert_from(bindparam("rows"), Constant("UTF8")), JSON)
    columns: list[ColumnElement[Any]] = [
        column("position", Integer),
        column("title", Text),
        column("description", Text),
        column("is_completed", Boolean),
        column("created_at", DateTime(timezone=True)),
        column("key", Text),
        column("task_id", BigInteger),
    ]
    rows = func.json_to_recordset(parsed).table_valued(*columns, name="given")
    return rows.render_derived(with_types=True)


def _is_known(given: FromClause) -> ColumnElement[bool]:
    """Whether the owner has the task: by an earlier import, or because the file is their export."""
    key, task = given.c.key, TASKS.alias("task_of_key")
    imported = exists(KEYS.c.task_id).where(
        owned(KEYS.c.user_id), KEYS.c.key == key, task.c.id == KEYS.c.task_id, owned(task.c.user_id)
    )
    exported = exists(TASKS.c.id).where(
        owned(TASKS.c.user_id),
        TASKS.c.id == given.c.task_id,
        TASKS.c.created_at == given.c.created_at,
    )
    return imported | exported


def _look() -> Statement:
    given = _given()
    return compiled(select(func.count().label("known")).select_from(given).where(_is_known(given)))


def _add() -> Statement:
    given = _given()
    new = select(given).where(not_(_is_known(given))).cte("new")
    clock = tick(exists().select_from(new))
    written = _written(new, clock)
    kept = _keeping(new, written)
    return compiled(select(func.count().label("created")).select_from(written).add_cte(kept))


def _written(new: CTE, clock: CTE) -> CTE:
    """In the order of the file, in which PostgreSQL then numbers them (`id`)."""
    now = clock.c.changed_at
    created_at = func.least(new.c.created_at, now)  # without the null of a task that has none
    values = {
        "title": new.c.title,
        "description": new.c.description,
        "is_completed": new.c.is_completed,
        "created_at": created_at,
        "updated_at": now,
        "user_id": clock.c.user_id,
    }
    rows = select(*(value.label(name) for name, value in values.items())).select_from(new, clock)
    ordered = rows.order_by(new.c.position)
    write = insert(TASKS).from_select([*values], ordered, include_defaults=False)
    return write.returning(TASKS.c.id, TASKS.c.user_id).cte("written")


def _keeping(new: CTE, written: CTE) -> CTE:
    """Keep the key of each, or give it the new task where the one before has been deleted."""
    ids = select(written.c.user_id, written.c.id, _number(written.c.id)).subquery("ids")
    keys = select(new.c.key, _number(new.c.position)).subquery("keys")
    pairs = select(ids.c.user_id, keys.c.key, ids.c.id).join_from(
        ids, keys, ids.c.number == keys.c.number
    )
    keep = upsert(KEYS).from_select([*KEYS.c.keys()], pairs, include_defaults=False)
    again = keep.on_conflict_do_update(
        index_elements=[KEYS.c.user_id, KEYS.c.key], set_={"task_id": keep.excluded.task_id}
    )
    return again.returning(KEYS.c.key).cte("kept")


def _number(order: ColumnElement[Any]) -> ColumnElement[int]:
    return func.row_number().over(order_by=order).label("number")


PLAN_ANEW: Statement = compiled(
    select(
        func.set_config(
            Constant("plan_cache_mode"),
            Constant("force_custom_plan"),
            cast(Constant("true"), Boolean),
        )
    )
)
"""Until the transaction ends, plan each statement for the tables as they are now.

A plan that was made while they were empty looks for a task among all of its owner, and would stay
until they are analyzed: 10,000 tasks that were known took 6 seconds, and take 0.5."""

LOOK: Statement = _look()
"""How many of the parameter `rows` are `known`."""

ADD: Statement = _add()
"""Add those that are not; says how many it has `created`. The owner's clock is locked before, so
that no other write of theirs comes between a look and this."""
