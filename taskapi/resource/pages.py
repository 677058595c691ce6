"""The statements behind a list: one for each combination of filters and order, compiled once."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    Integer,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    not_,
    or_,
    select,
    true,
    tuple_,
)

from taskapi.clock.statements import shown
from taskapi.database.owner import Users, owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.resource.columns import value_of
from taskapi.resource.definition import Resource

LIMIT = cast(bindparam("limit"), BigInteger)
OFFSET = cast(bindparam("offset"), BigInteger)


class PageRequest(NamedTuple):
    """Which part of which list: filters by name, the order, and where the page begins."""

    filters: Mapping[str, object]
    sort: str
    limit: int
    offset: int
    cursor: str | None


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one list's statement from another's.

    Attributes:
        sort: a column of the resource's sorts, with a minus in front for the reverse order.
        filters: names of the resource's filters.
        after: whether the page begins behind a given row.
    """

    sort: str = "-created_at"
    filters: frozenset[str] = frozenset()
    after: bool = False


@lru_cache(maxsize=1024)
def page_statement(resource: Resource, users: Users, shape: Shape) -> Statement:
    """A statement whose one row describes one page of the owner's rows.

    Columns: `rows`, bytes, the rows as JSON with commas between them, null for none; `total`, over
    all pages; `has_more`; `last_value` and `last_id`, the last row's position; `known`, whether the
    owner is in the users table, looked up only where the page is empty; `started_at` and
    `changed_at`, what their clock shows, null where they have none. This is the page's version, so
    it must be of the same snapshot: otherwise a change in between would stay hidden.

    Args:
        resource: what is listed.
        users: the users table.
        shape: which filters, which order, and whether behind a given row. Not by OFFSET, because
            rows that are added or removed meanwhile would shift the page.
    """
    columns = resource.table.c
    value = columns[shape.sort.removeprefix("-")]
    key = (value, columns.id)
    descending = shape.sort.startswith("-")

    def beyond(*position: ColumnElement[Any]) -> ColumnElement[bool]:
        return tuple_(*key) < tuple_(*position) if descending else tuple_(*key) > tuple_(*position)

    wanted = and_(
        owned(columns.user_id), *(resource.filters[name] for name in sorted(shape.filters))
    )
    start = beyond(value_of(value, "after_value"), bindparam("after_id"))
    # Rendered outside, because in here rows are also read that are only sorted, or skipped.
    page = (
        select(resource.table)
        .where(and_(wanted, start) if shape.after else wanted)
        .order_by(*(part.desc() if descending else part.asc() for part in key))
        .limit(LIMIT)
        .offset(OFFSET)
        .subquery("page")
    )
    # Aggregates take the subquery's rows in its order, so the last element is the last row.
    count_shown = func.count()
    last_value, last_id = (
        func.array_agg(part, type_=ARRAY(part.type))[cast(count_shown, Integer)]
        for part in (page.c[value.key], page.c.id)
    )
    summary = select(
        count_shown.label("shown"),
        as_bytes(func.string_agg(json_object(page.c), Constant(","))).label("rows"),
        last_value.label("last_value"),
        last_id.label("last_id"),
    ).subquery("summary")
    not_empty = summary.c.rows.is_not(None)
    has_more = exists().where(wanted, beyond(summary.c.last_value, summary.c.last_id))
    count = select(func.count()).select_from(resource.table).where(wanted).scalar_subquery()
    # The position of a page that ends the list gives the total without counting.
    ends = and_(not_(has_more), or_(not_empty, Constant(0) == OFFSET))
    total = count if shape.after else case((ends, OFFSET + summary.c.shown), else_=count)
    clock = shown()
    return compiled(
        select(
            summary.c.rows,
            total.label("total"),
            has_more.label("has_more"),
            summary.c.last_value,
            summary.c.last_id,
            or_(not_empty, users.known).label("known"),
            *clock.c,
        ).select_from(summary.outerjoin(clock, true()))
    )
