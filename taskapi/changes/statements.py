"""The statement behind the feed."""

from functools import cache, reduce
from operator import add
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    CompoundSelect,
    DateTime,
    FromClause,
    Integer,
    Interval,
    Subquery,
    Text,
    and_,
    bindparam,
    case,
    cast,
    exists,
    func,
    null,
    or_,
    select,
    tuple_,
    union_all,
)

from taskapi.clock.models import Tombstone
from taskapi.clock.statements import CLOCKS
from taskapi.config import MAX_ID
from taskapi.database.owner import owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.resource.definition import Resource
from taskapi.tasks.models import TaskKey

TIME = DateTime(timezone=True)
CHANGED_AT = cast(bindparam("changed_at"), TIME)
TASK_ID = cast(bindparam("task_id"), BigInteger)
DELETIONS_SINCE = cast(bindparam("deletions_since"), TIME)
RETENTION = cast(bindparam("retention"), Interval())
LIMIT = cast(bindparam("limit"), BigInteger)
MAX_BYTES = cast(bindparam("max_bytes"), BigInteger)

STONES = Tombstone.__table__  # type: ignore[attr-defined]  # SQLModel makes it
KEYS = TaskKey.__table__  # type: ignore[attr-defined]  # SQLModel makes it

MICROSECONDS = Constant(1_000_000)


CLOCK = compiled(
    select(CLOCKS.c.changed_at.label("clock"), CLOCKS.c.started_at).where(owned(CLOCKS.c.user_id))
)
"""The owner's clock alone: if it has not moved since a position, there is nothing new. The whole
statement of a page would tell the same, but starting its plan takes PostgreSQL 60 microseconds
longer, and most polls find nothing new."""


@cache
def changes_statement(resource: Resource) -> Statement:
    """A statement whose one row describes a page of the owner's feed; no row without a clock.

    Parameters: those of a `FeedPosition`, `retention`, `limit` and `max_bytes`. Columns: `clock`
    and `started_at` of the owner's clock; `rows`, bytes, the changes as JSON with commas between
    them, null for none; `has_more`; `last_time` and `last_id`, the position of the last change;
    `is_forgotten`, whether a deletion behind the position may not be told any more.

    Everything but the clock is read only if the clock has moved since the position.
    """
    clock = select(CLOCKS.c.started_at, CLOCKS.c.changed_at, CLOCKS.c.swept_at)
    clock_now = clock.where(owned(CLOCKS.c.user_id)).cte("clock")
    has_moved = tuple_(_time_of(clock_now), Constant(MAX_ID)) > tuple_(CHANGED_AT, TASK_ID)
    summary = _summary(_measured(_changes(resource, clock_now, has_moved)))
    return compiled(
        select(
            clock_now.c.changed_at.label("clock"),
            clock_now.c.started_at,
            summary.c.rows,
            (summary.c.shown < summary.c.found).label("has_more"),
            summary.c.last_time,
            summary.c.last_id,
            and_(has_moved, _is_forgotten(clock_now)).label("is_forgotten"),
        ).select_from(clock_now, summary)
    )


def _time_of(clock: CTE) -> ColumnElement[Any]:
    # As a subquery, so that conditions with it alone are evaluated before the first row is read.
    return select(clock.c.changed_at).scalar_subquery()


def _changes(resource: Resource, clock: CTE, has_moved: ColumnElement[bool]) -> CompoundSelect[Any]:
    """The rows that have changed, and the ids of those that were deleted, in the order of change.

    One more than `limit`, which tells whether there are more.
    """
    columns = resource.table.c
    # The clock is earlier only where somebody writes rows without it. They are then told again,
    # until it has passed them.
    time = func.least(columns.updated_at, _time_of(clock))
    position = tuple_(CHANGED_AT, TASK_ID)
    kept = select(*columns, time.label("time")).where(
        owned(columns.user_id), has_moved, tuple_(time, columns.id) > position
    )
    no_values = [null().label(column.key) for column in columns if column.key != "id"]
    deleted = select(STONES.c.task_id.label("id"), *no_values, STONES.c.deleted_at).where(
        owned(STONES.c.user_id),
        has_moved,
        STONES.c.deleted_at > DELETIONS_SINCE,
        tuple_(STONES.c.deleted_at, STONES.c.task_id) > position,
    )
    both = union_all(kept, deleted)
    names = both.selected_columns
    return both.order_by(names.time, names.id).limit(LIMIT + Constant(1))


def _measured(changes: CompoundSelect[Any]) -> FromClause:
    """Each change as JSON, and whether it still fits on the page; the first one does."""
    row = changes.subquery("changes").c
    # OFFSET keeps PostgreSQL from merging the two queries, which would render each row twice.
    rendered = select(row.time, row.id, _json(row).label("json")).offset(Constant(0))
    row = rendered.subquery("rendered").c
    number = func.row_number().over(rows=(None, 0))
    size = func.sum(func.octet_length(row.json) + Constant(1)).over(rows=(None, 0))
    fits = and_(number <= LIMIT, or_(number == Constant(1), size <= MAX_BYTES))
    return select(row.time, row.id, row.json, fits.label("fits")).subquery("measured")


def _json(row: Any) -> ColumnElement[str]:
    """A change; a task without values was deleted."""
    is_deleted = row.updated_at.is_(None)
    tag = Constant('"') + func.to_hex(_microseconds(row.updated_at)) + Constant('"')
    etag = cast(func.to_json(tag), Text)
    task = json_object(column for column in row if column.key != "time")
    parts: list[ColumnElement[str]] = [
        Constant('{"id":'),
        cast(row.id, Text),
        Constant(',"key":'),
        func.coalesce(_quoted_key(row.id), Constant("null")),
        Constant(',"etag":'),
        case((is_deleted, Constant("null")), else_=etag),
        Constant(',"task":'),
        case((is_deleted, Constant("null")), else_=task),
        Constant("}"),
    ]
    return reduce(add, parts)


def _quoted_key(row_id: ColumnElement[int]) -> ColumnElement[str]:
    """The key that the client gave the row, whose characters JSON has as they are; null for none.

    A subquery and not a join, because a join may change the order of the rows.
    """
    own = owned(KEYS.c.user_id), KEYS.c.task_id == row_id
    key = select(Constant('"') + KEYS.c.key + Constant('"')).where(*own)
    return key.scalar_subquery()


def _microseconds(time: ColumnElement[Any]) -> ColumnElement[int]:
    """As `edge.conditional.microseconds`: exact, because EXTRACT gives a NUMERIC."""
    return cast(func.extract("epoch", time) * MICROSECONDS, BigInteger)


def _summary(rows: FromClause) -> Subquery:
    """One row: what fits as one text, how many those are and how many were found, and the last."""
    fits = rows.c.fits
    shown = func.count().filter(fits)
    # Aggregates take the subquery's rows in its order, so the last element is the last row.
    last_time, last_id = (
        func.array_agg(part, type_=ARRAY(part.type)).filter(fits)[cast(shown, Integer)]
        for part in (rows.c.time, rows.c.id)
    )
    return select(
        shown.label("shown"),
        func.count().label("found"),
        as_bytes(func.string_agg(rows.c.json, Constant(",")).filter(fits)).label("rows"),
        last_time.label("last_time"),
        last_id.label("last_id"),
    ).subquery("summary")


def _is_forgotten(clock: CTE) -> ColumnElement[bool]:
    """Whether a deletion behind the position was swept, or may be at any moment."""
    known_until = func.greatest(CHANGED_AT, DELETIONS_SINCE)
    expired = exists().where(
        owned(STONES.c.user_id),
        STONES.c.deleted_at > known_until,
        STONES.c.deleted_at < func.now() - RETENTION,
    )
    return or_(clock.c.swept_at > known_until, expired)
