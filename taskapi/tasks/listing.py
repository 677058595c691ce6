"""The statements behind a list: one for each shape of question, compiled when first asked."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    tuple_,
)
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from taskapi.database.statement import Constant, Statement, compiled
from taskapi.tasks.models import TITLE_LENGTH, Task
from taskapi.tasks.statements import OWNED, as_bytes, task_json

LIMIT = cast(bindparam("limit"), BigInteger)
OFFSET = cast(bindparam("offset"), BigInteger)

FILTERS: dict[str, ColumnElement[bool]] = {
    "is_completed": col(Task.is_completed) == bindparam("is_completed"),
    "q": or_(col(Task.title).ilike(bindparam("q")), col(Task.description).ilike(bindparam("q"))),
    "created_since": col(Task.created_at) >= bindparam("created_since"),
    "created_before": col(Task.created_at) < bindparam("created_before"),
    "updated_since": col(Task.updated_at) >= bindparam("updated_since"),
    "updated_before": col(Task.updated_at) < bindparam("updated_before"),
}
"""What a list can be narrowed to, each by a parameter of the same name."""

SORTS: dict[str, tuple[Any, TypeEngine[Any]]] = {
    "created_at": (col(Task.created_at), DateTime(timezone=True)),
    "updated_at": (col(Task.updated_at), DateTime(timezone=True)),
    "title": (col(Task.title), Text()),
}

TEXT_SORTS = {"title": TITLE_LENGTH}
"""Those of `SORTS` whose values are text, and its most characters; the others are timestamps."""


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one list's statement from another's.

    Attributes:
        sort: a key of `SORTS`, with a minus in front for the last first.
        filters: keys of `FILTERS`.
        after: whether it goes on behind a given task.
    """

    sort: str = "-created_at"
    filters: frozenset[str] = frozenset()
    after: bool = False


@lru_cache(maxsize=1024)
def page_statement(known: ColumnElement[bool], shape: Shape) -> Statement:
    """A statement whose one row describes one page of tasks.

    Columns: `tasks`, bytes, the tasks as JSON with commas between them, null for none; `total`,
    over all pages; `has_more`; `last_value` and `last_id`, the place of the last task; `known`,
    whether the owner is in the users table, asked only where the page is empty.

    Args:
        known: the question whether the owner is in the users table.
        shape: which filters, which order, and whether behind a given task. Not by OFFSET: rows
            added or removed meanwhile would shift the page under the reader.
    """
    sort = shape.sort.removeprefix("-")
    value, value_type = SORTS[sort]
    key = (value, col(Task.id))
    descending = shape.sort.startswith("-")

    def beyond(*place: ColumnElement[Any]) -> ColumnElement[bool]:
        return tuple_(*key) < tuple_(*place) if descending else tuple_(*key) > tuple_(*place)

    wanted = and_(OWNED, *(FILTERS[name] for name in sorted(shape.filters)))
    start = beyond(cast(bindparam("after_value"), value_type), bindparam("after_id"))
    # Rendered outside: in here also the rows would be that are only sorted, or passed over.
    page = (
        select(Task)
        .where(and_(wanted, start) if shape.after else wanted)
        .order_by(*(part.desc() if descending else part.asc() for part in key))
        .limit(LIMIT)
        .offset(OFFSET)
        .subquery("page")
    )
    # Aggregates take the subquery's rows in its order, so the last element is the last task.
    shown = func.count()
    last_value, last_id = (
        func.array_agg(part, type_=ARRAY(part.type))[cast(shown, Integer)]
        for part in (page.c[sort], page.c.id)
    )
    summary = select(
        shown.label("shown"),
        as_bytes(func.string_agg(task_json(page.c), Constant(","))).label("tasks"),
        last_value.label("last_value"),
        last_id.label("last_id"),
    ).subquery("summary")
    not_empty = summary.c.tasks.is_not(None)
    has_more = exists().where(wanted, beyond(summary.c.last_value, summary.c.last_id))
    count = select(func.count()).select_from(Task).where(wanted).scalar_subquery()
    # A page that ends the list tells the total by its place, without counting.
    ends = and_(not_(has_more), or_(not_empty, Constant(0) == OFFSET))
    total = count if shape.after else case((ends, OFFSET + summary.c.shown), else_=count)
    return compiled(
        select(
            summary.c.tasks,
            total.label("total"),
            has_more.label("has_more"),
            summary.c.last_value,
            summary.c.last_id,
            or_(not_empty, known).label("known"),
        )
    )
