"""The statements behind a list: one for each combination of filters and order, compiled once."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache, reduce
from operator import add
from typing import Any, NamedTuple

from sqlalchemy import (
    ARRAY,
    BigInteger,
    ColumnElement,
    FromClause,
    Integer,
    Select,
    Subquery,
    Table,
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
from sqlmodel import AutoString

from taskapi.clock.statements import shown
from taskapi.database.owner import OWNER, Users, owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.resource.collation import sort_key
from taskapi.resource.columns import value_of
from taskapi.resource.definition import Resource

LIMIT = cast(bindparam("limit"), BigInteger)
OFFSET = cast(bindparam("offset"), BigInteger)
MAX_BYTES = cast(bindparam("max_bytes"), BigInteger)


class PageRequest(NamedTuple):
    """Which part of which list: filters by name, the order, and where the page begins.

    Attributes:
        counted: whether the page tells how many rows there are in all.
    """

    filters: Mapping[str, object]
    sort: str
    limit: int
    offset: int
    cursor: str | None
    counted: bool = True


class Bound(Enum):
    """What becomes of a page that is too long.

    Nearly none is, and to cut one takes a window function: a fifth of PostgreSQL's time for a list
    of 1000 rows. So a page is refused first, and asked for again.
    """

    NONE = "no page can be"
    REFUSED = "there is none"
    CUT = "it ends early, with one row at least"


@dataclass(frozen=True, slots=True)
class Shape:
    """What distinguishes one list's statement from another's.

    Attributes:
        sort: a column of the resource's sorts, with a minus in front for the reverse order.
        filters: names of the resource's filters.
        after: whether the page begins behind a given row.
        counted: whether all rows are counted, as `total`; otherwise those of the page are.
        bound: what becomes of a page of more than `max_bytes` of JSON.
    """

    sort: str = "-created_at"
    filters: frozenset[str] = frozenset()
    after: bool = False
    counted: bool = True
    bound: Bound = Bound.NONE


class Order:
    """The order of a list: by one column, text as people sort it, and by id where that is equal.

    Args:
        table: what is listed.
        sort: as in `Shape`.

    Attributes:
        value: the column.
    """

    def __init__(self, table: Table, sort: str) -> None:
        self.value = table.c[sort.removeprefix("-")]
        self._id = table.c.id
        self._descending = sort.startswith("-")

    def clauses(self) -> list[ColumnElement[Any]]:
        """For `ORDER BY`."""
        parts = self._key(self.value, self._id)
        return [part.desc() if self._descending else part.asc() for part in parts]

    def beyond(self, value: ColumnElement[Any], row_id: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a row comes behind this position."""
        here, there = tuple_(*self._key(self.value, self._id)), tuple_(*self._key(value, row_id))
        return here < there if self._descending else here > there

    def beyond_given(self) -> ColumnElement[bool]:
        """Whether a row comes behind the parameters `after_value` and `after_id`."""
        return self.beyond(value_of(self.value, "after_value"), bindparam("after_id"))

    def _key(
        self, value: ColumnElement[Any], row_id: ColumnElement[Any]
    ) -> tuple[ColumnElement[Any], ...]:
        if not isinstance(self.value.type, AutoString):
            return value, row_id
        key = sort_key(value)
        if value is not self.value:
            # A query of its own, so that PostgreSQL makes it once and not for each row.
            key = select(key).correlate_except(self.value.table).scalar_subquery()
        return key, value.collate("C"), row_id


@lru_cache(maxsize=1024)
def page_statement(resource: Resource, users: Users, shape: Shape) -> Statement:
    """A statement whose one row describes one page of the owner's rows.

    There is no row if they are more than `max_bytes` of JSON, and such a page is refused. Columns:
    `rows`, bytes, the rows as JSON with commas between them, null for none; `shown`, their number;
    `total`, over all pages; `has_more`; `last_value` and `last_id`, the last row's position;
    `known`, whether the owner is in the users table, looked up only where the page is empty;
    `started_at` and `changed_at`, what their clock shows, null where they have none. This is the
    page's version, so it must be of the same snapshot: otherwise a change in between would stay
    hidden.

    Args:
        resource: what is listed.
        users: the users table.
        shape: which filters, which order, and whether behind a given row. Not by OFFSET, because
            rows that are added or removed meanwhile would shift the page.
    """
    order = Order(resource.table, shape.sort)
    filters = (resource.filters[name] for name in sorted(shape.filters))
    wanted = and_(owned(resource.table.c.user_id), *filters)
    behind = and_(wanted, order.beyond_given()) if shape.after else wanted
    found = select(resource.table).where(behind).order_by(*order.clauses())
    found = found.limit(LIMIT).offset(OFFSET)
    # A common table expression where two look at it: rows that a search finds are found once.
    rows = found.cte("found") if shape.bound is Bound.REFUSED else found.subquery("found")
    rendered = _rendered(rows, order)
    summary = _summary(
        _fitting(rendered) if shape.bound is Bound.CUT else rendered.subquery("rendered")
    )
    beyond = order.beyond(summary.c.last_value, summary.c.last_id)
    has_more: ColumnElement[bool] = exists().where(wanted, beyond)
    if shape.bound is not Bound.CUT:  # a page with room for more rows ends the list
        has_more = and_(summary.c.shown >= LIMIT, has_more)
    # OFFSET keeps PostgreSQL from evaluating a column wherever it is used.
    page = select(*summary.c, has_more.label("has_more")).offset(Constant(0)).subquery("page")
    not_empty = page.c.rows.is_not(None)
    count = select(func.count()).select_from(resource.table).where(wanted).scalar_subquery()
    # The position of a page that ends the list gives the total without counting.
    ends = and_(not_(page.c.has_more), or_(not_empty, Constant(0) == OFFSET))
    total: ColumnElement[Any] = page.c.shown
    if shape.counted:
        total = count if shape.after else case((ends, OFFSET + page.c.shown), else_=count)
    clock = shown()
    known = or_(not_empty, users.known)
    statement = select(*page.c, total.label("total"), known.label("known"), *clock.c).select_from(
        page.outerjoin(clock, true())
    )
    if shape.bound is Bound.REFUSED:
        length = func.coalesce(func.octet_length(page.c.rows), Constant(0))
        statement = statement.where(_stored_bytes(rows) <= MAX_BYTES, length <= MAX_BYTES)
    return compiled(statement, max_seconds=resource.max_seconds(shape.filters))


def _rendered(rows: FromClause, order: Order) -> Select[Any]:
    """The rows of the page as `json`, in their order, each with its position."""
    json = json_object(rows.c, once={"user_id": OWNER})
    value = rows.c[order.value.key]
    return select(value.label("value"), rows.c.id, json.label("json"))


def _stored_bytes(rows: FromClause) -> ColumnElement[int]:
    """How long the texts of the page are, which are at least as long in JSON.

    Asked before the page is rendered, so that PostgreSQL renders none that is far too long. It
    reads no text for this: the length of each stands in front of it.
    """
    texts = (column for column in rows.c if isinstance(column.type, AutoString))
    length = reduce(add, map(func.octet_length, texts))
    return select(func.coalesce(func.sum(length), Constant(0))).scalar_subquery()


def _fitting(rendered: Select[Any]) -> FromClause:
    """The first rows, as many as fit in `max_bytes` with a comma behind each; one in any case.

    A window function passes one row after the other, so PostgreSQL keeps none that does not fit.
    """
    # OFFSET keeps PostgreSQL from merging the two queries, which would render each row twice.
    row = rendered.offset(Constant(0)).subquery("rendered").c
    size = func.octet_length(row.json) + Constant(1)
    upto = func.sum(size).over(rows=(None, 0))
    measured = select(row.value, row.id, row.json, size.label("size"), upto.label("upto"))
    row = measured.subquery("measured").c
    is_first = row.upto == row.size
    fits = or_(row.upto <= MAX_BYTES, is_first)
    return select(row.value, row.id, row.json).where(fits).subquery("fitting")


def _summary(rows: FromClause) -> Subquery:
    """One row: all rows as one text, their number, and the position of the last."""
    # Aggregates take the subquery's rows in its order, so the last element is the last row.
    count = func.count()
    last_value, last_id = (
        func.array_agg(part, type_=ARRAY(part.type))[cast(count, Integer)]
        for part in (rows.c.value, rows.c.id)
    )
    return select(
        count.label("shown"),
        as_bytes(func.string_agg(rows.c.json, Constant(","))).label("rows"),
        last_value.label("last_value"),
        last_id.label("last_id"),
    ).subquery("summary")
