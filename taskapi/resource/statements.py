"""The statements of a resource, compiled once. The owner is part of every one of them."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Delete,
    FromClause,
    Insert,
    Select,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
    extract,
    func,
    insert,
    not_,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.dialects.postgresql import aggregate_order_by

from taskapi.clock.statements import CLOCKS, arrive, shown, start, tick
from taskapi.database.owner import Users, owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.idempotency.statements import claim, looking, storing
from taskapi.idempotency.store import Write
from taskapi.resource.columns import value_of
from taskapi.resource.definition import Resource

VERSIONS = cast(cast(bindparam("versions"), ARRAY(Text())), ARRAY(DateTime(timezone=True)))
"""`If-Match`: null for any version, otherwise those that the client is willing to change.

As texts, of which asyncpg knows arrays without asking the server first."""

CHANGED = cast(bindparam("changed"), ARRAY(Text()))
"""The names of the columns that the client changes. A null value can then mean null."""

ROW_IDS = cast(bindparam("row_ids"), ARRAY(Text()))
"""As texts, for the same reason."""

TOMBSTONE = ["user_id", "deleted_at", "task_id"]

Writing = Callable[[Resource, CTE], Insert | Update]
"""Makes a write that takes place only where the clock has moved."""


def rendered(resource: Resource, rows: FromClause) -> tuple[ColumnElement[Any], ...]:
    """What every statement about one row returns: its id, its version, and its JSON as bytes.

    All three are null where there is no row.
    """
    columns = [rows.c[column.key] for column in resource.table.c]
    return (
        rows.c.id.label("id"),
        rows.c.updated_at.label("version"),
        as_bytes(json_object(columns)).label("body"),
    )


def own_row(resource: Resource) -> ColumnElement[bool]:
    """The row of the parameter `row_id`, if it belongs to the owner."""
    columns = resource.table.c
    return and_(columns.id == bindparam("row_id"), owned(columns.user_id))


def expected(resource: Resource) -> ColumnElement[bool]:
    """The owner's row, if it is in a version that the client is willing to change."""
    version = resource.table.c.updated_at
    return and_(own_row(resource), or_(VERSIONS.is_(None), version == func.any(VERSIONS)))


def adding(resource: Resource, clock: CTE) -> Insert:
    """Insert a row of the clock's user."""
    new = {column.key: value_of(column) for column in resource.editable_columns}
    now = clock.c.changed_at
    values = new | {"created_at": now, "updated_at": now, "user_id": clock.c.user_id}
    row = select(*(value.label(name) for name, value in values.items()))
    return insert(resource.table).from_select([*values], row, include_defaults=False)


def updating(
    resource: Resource,
    clock: CTE,
    values: Mapping[str, ColumnElement[Any]],
    changes: ColumnElement[bool],
) -> Update:
    """Update the owner's row.

    Args:
        resource: of what kind it is.
        clock: the owner's, which has just moved.
        values: the new values by column.
        changes: whether they differ from the row's. Only then does its version change.
    """
    version = resource.table.c.updated_at
    return (
        update(resource.table)
        .where(expected(resource), resource.table.c.user_id == clock.c.user_id)
        .values(**values, updated_at=case((changes, clock.c.changed_at), else_=version))
    )


def changing(resource: Resource, clock: CTE) -> Update:
    """Change the columns named in the parameter `changed`."""
    values = {
        column.key: case(
            (Constant(column.key) == func.any(CHANGED), value_of(column)), else_=column
        )
        for column in resource.editable_columns
    }
    return updating(resource, clock, values, func.cardinality(CHANGED) > Constant(0))


def deleting(resource: Resource, clock: CTE) -> Delete:
    """Delete the owner's row."""
    return delete(resource.table).where(
        expected(resource), resource.table.c.user_id == clock.c.user_id
    )


def composed(
    resource: Resource, write: Writing, counter: ColumnElement[Any] | None = None
) -> Write:
    """A write that moves the clock and returns the row, alone and under an idempotency key.

    The row is rendered outside of the write, whose RETURNING may hold plain columns only: Citus
    refuses others there.
    """
    written = _written(resource, write(resource, tick(counter=counter)))
    row = select(*rendered(resource, written))
    stored = once(resource, write, looking(), storing, counter)
    return Write(compiled(row), compiled(stored))


def _written(resource: Resource, write: Insert | Update) -> CTE:
    return write.returning(*resource.table.c).cte("written")


def once(
    resource: Resource,
    write: Writing,
    kept: CTE,
    store: Callable[[CTE], CTE],
    counter: ColumnElement[Any] | None = None,
) -> Select[Any]:
    """A write that takes place unless it did before, and then shows its row as it is now.

    Args:
        resource: of what kind the row is.
        write: the write.
        kept: what an earlier execution has stored: `row_id`, and columns that are returned too,
            null where there was none.
        store: stores this one, with the row that was written, as plain columns.
        counter: as `tick` takes it.
    """
    clock = tick(not_(exists().select_from(kept)), counter=counter)
    written = _written(resource, write(resource, clock))
    current = current_row(resource, kept.c.row_id)
    told = [column for column in kept.c if column.key != "row_id"]
    first = select(written, *(cast(null(), column.type).label(column.key) for column in told))
    again = select(current, *told).select_from(kept.outerjoin(current, true()))
    shown = first.union_all(again).subquery("shown")
    columns = (*rendered(resource, shown), *(shown.c[column.key] for column in told))
    return select(*columns).add_cte(store(written))


def current_row(resource: Resource, row_id: ColumnElement[int]) -> FromClause:
    """The owner's row of this id, to be joined with where the id comes from.

    Because of LIMIT, PostgreSQL looks for it after it knows the id, whichever way it plans.
    """
    own = and_(resource.table.c.id == row_id, owned(resource.table.c.user_id))
    return select(resource.table).where(own).limit(Constant(1)).lateral("current")


def _current_rows(resource: Resource) -> Select[Any]:
    """The rows of the parameter `row_ids`, in its order; null for each that is gone.

    Each as JSON, and its version as microseconds since 1970, as `edge.conditional` counts them.
    """
    unnested = func.unnest(ROW_IDS).table_valued("id", with_ordinality="position", name="wanted")
    wanted = unnested.render_derived()
    current = current_row(resource, cast(wanted.c.id, BigInteger()))
    microseconds = extract("epoch", current.c.updated_at) * Constant(1_000_000)
    parts = {
        "rows": json_object(current.c),
        "versions": cast(cast(microseconds, BigInteger), Text),
    }
    arrays: Iterator[ColumnElement[Any]] = (
        func.array_agg(aggregate_order_by(part, wanted.c.position), type_=ARRAY(Text())).label(name)
        for name, part in parts.items()
    )
    return select(*arrays).select_from(wanted.outerjoin(current, true()))


class ResourceStatements:
    """The statements of one resource with one users table.

    Attributes:
        get: the row.
        current: several rows as they are now.
        clock: what the owner's clock shows.
        create: insert the row.
        update: change the columns named in the parameter `changed`.
        delete: delete the row.
        absence: why a write did nothing: the row, if there is one, whether the owner is known,
            and whether their clock runs.
        count: how many rows the owner has.
        lock: lock the owner's clock until the transaction ends.
        counted: store how many rows the owner has.
        arrive: insert the owner into the users table.
        start: start the owner's clock.
        claim: take an idempotency key in a transaction.
    """

    def __init__(self, resource: Resource, users: Users) -> None:
        columns = resource.table.c
        own = own_row(resource)
        self.get: Statement = compiled(select(*rendered(resource, resource.table)).where(own))
        self.clock: Statement = compiled(select(*shown().c))
        self.current: Statement = compiled(_current_rows(resource))
        self.create: Write = composed(resource, adding, counter=resource.counter)
        self.update: Write = composed(resource, changing)
        self.delete: Write = _delete(resource)
        row = select(*rendered(resource, resource.table)).where(own).subquery("row")
        started = select(CLOCKS.c.changed_at).where(owned(CLOCKS.c.user_id)).exists()
        # In this order, because `owned` gives OWNER its type: that of `users.id` may be INTEGER.
        reasons = select(started.label("started"), users.known.label("known")).subquery("reasons")
        self.absence: Statement = compiled(
            select(reasons, row).outerjoin_from(reasons, row, true())
        )
        self.arrive: Statement = arrive(users)
        self.claim: Statement = claim()
        newest = func.max(columns.updated_at)
        latest = select(newest).where(owned(columns.user_id)).scalar_subquery()
        if resource.counter is None:
            self.start: Statement = start(users, latest)
        else:
            rows = select(func.count()).where(owned(columns.user_id)).scalar_subquery()
            self.start = start(users, latest, **{resource.counter.key: rows})
            self.count: Statement = compiled(select(rows.label("count")))
            own_clock = select(CLOCKS.c.user_id).where(owned(CLOCKS.c.user_id))
            self.lock: Statement = compiled(own_clock.with_for_update(key_share=True))
            self.counted: Statement = _counted(resource.counter, rows)


def _delete(resource: Resource) -> Write:
    clock = tick()
    deleted = deleting(resource, clock).returning(resource.table.c.id).cte("deleted")
    row = select(deleted.c.id)
    if resource.tombstones is not None:
        stone = select(*clock.c, deleted.c.id).select_from(clock, deleted)
        buried = insert(resource.tombstones).from_select(TOMBSTONE, stone, include_defaults=False)
        # Nobody reads this RETURNING. Without it, Citus reports a violated constraint as XX000.
        row = row.add_cte(buried.returning(buried.table.c.task_id).cte("buried"))
    return Write(compiled(row))


def _counted(counter: ColumnElement[Any], rows: ColumnElement[int]) -> Statement:
    counted = update(CLOCKS).where(owned(CLOCKS.c.user_id)).values({counter.key: rows})
    return compiled(counted.returning(CLOCKS.c.user_id))


@cache
def statements_of(resource: Resource, users: Users) -> ResourceStatements:
    """The statements, compiled when they are first needed."""
    return ResourceStatements(resource, users)
