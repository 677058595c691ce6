"""The statements of a resource, compiled once. The owner is part of every one of them."""

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    ColumnElement,
    DateTime,
    FromClause,
    Insert,
    Interval,
    LargeBinary,
    Select,
    String,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    exists,
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

from taskapi.database.owner import Users, insert_owned, owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.idempotency.statements import claim, looking, storing
from taskapi.idempotency.store import Write
from taskapi.resource.definition import Resource

VERSIONS = cast(bindparam("versions"), ARRAY(DateTime(timezone=True)))
"""`If-Match`: null for any version, otherwise those that the client is willing to change."""

CHANGED = cast(bindparam("changed"), ARRAY(Text()))
"""The names of the columns that the client changes. A null value can then mean null."""

ROW_IDS = cast(bindparam("row_ids"), ARRAY(Text()))
"""As texts, of which asyncpg knows arrays without asking the server first."""


Writing = Callable[[ColumnElement[bool]], Insert | Update]
"""Makes a write that takes place only where a condition holds."""


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
    return and_(columns.id == bindparam("row_id"), owned(resource.table))


def expected(resource: Resource) -> ColumnElement[bool]:
    """Whether the row is in a version that the client is willing to change."""
    return or_(VERSIONS.is_(None), resource.table.c.updated_at == func.any(VERSIONS))


def updating(
    resource: Resource, values: Mapping[str, ColumnElement[Any]], changes: ColumnElement[bool]
) -> Update:
    """Update the owner's row.

    Args:
        resource: of what kind it is.
        values: the new values by column.
        changes: whether they differ from the row's. Only then does its version change.
    """
    version = resource.table.c.updated_at
    # Strictly later than before, also for two changes within one tick of the clock.
    later = func.greatest(
        func.clock_timestamp(), version + cast(Constant("1 microsecond"), Interval())
    )
    return (
        update(resource.table)
        .where(own_row(resource), expected(resource))
        .values(**values, updated_at=case((changes, later), else_=version))
    )


def composed(resource: Resource, write: Writing) -> Write:
    """A write that returns the row, alone and under an idempotency key.

    The row is rendered outside of the write, whose RETURNING may hold plain columns only: Citus
    refuses others there.
    """
    written = write(true()).returning(*resource.table.c).cte("written")
    return Write(compiled(select(*rendered(resource, written))), compiled(_once(resource, write)))


def _once(resource: Resource, write: Writing) -> Select[Any]:
    """A write that takes place unless its key is in use, and then shows the row as it is now."""
    kept = looking()
    written = write(not_(exists().select_from(kept))).returning(*resource.table.c).cte("written")
    current = current_row(resource, kept.c.row_id)
    first = select(
        written,
        cast(null(), LargeBinary()).label("fingerprint"),
        cast(null(), Boolean()).label("expired"),
    )
    again = select(current, kept.c.fingerprint, kept.c.expired)
    shown = first.union_all(again.select_from(kept.outerjoin(current, true()))).subquery("shown")
    columns = (*rendered(resource, shown), shown.c.fingerprint, shown.c.expired)
    return select(*columns).add_cte(storing(written))


def current_row(resource: Resource, row_id: ColumnElement[int]) -> FromClause:
    """The owner's row of this id, to be joined with where the id comes from.

    Because of LIMIT, PostgreSQL looks for it after it knows the id, whichever way it plans.
    """
    own = and_(resource.table.c.id == row_id, owned(resource.table))
    return select(resource.table).where(own).limit(Constant(1)).lateral("current")


def _current_rows(resource: Resource) -> Select[Any]:
    """The JSON of the rows of the parameter `row_ids`, in its order; null for each that is gone."""
    unnested = func.unnest(ROW_IDS).table_valued("id", with_ordinality="position", name="wanted")
    wanted = unnested.render_derived()
    current = current_row(resource, cast(wanted.c.id, BigInteger()))
    body = aggregate_order_by(json_object(current.c), wanted.c.position)
    joined = wanted.outerjoin(current, true())
    return select(func.array_agg(body, type_=ARRAY(Text())).label("rows")).select_from(joined)


def _given(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The parameter of a column. As text without a length, because a cast to one would cut it."""
    return cast(bindparam(column.key), Text() if isinstance(column.type, String) else column.type)


class ResourceStatements:
    """The statements of one resource with one users table.

    Attributes:
        get: the row.
        current: several rows as they are now.
        create: insert the row, and its owner where unknown users are created.
        update: change the columns named in the parameter `changed`.
        delete: delete the row.
        absence: why there is no such row: its version, and whether the owner is known.
        claim: take an idempotency key in a transaction.
    """

    def __init__(self, resource: Resource, users: Users) -> None:
        columns = resource.table.c
        editable = [columns[column.key] for column in resource.editable]
        own = own_row(resource)
        new = {column.key: _given(column) for column in editable}
        changed = {
            column.key: case(
                (Constant(column.key) == func.any(CHANGED), _given(column)), else_=column
            )
            for column in editable
        }

        def adding(condition: ColumnElement[bool]) -> Insert:
            row = insert_owned(resource.table, new).where(condition)
            names = [*new, "user_id"]
            added = insert(resource.table).from_select(names, row, include_defaults=False)
            return users.arriving(added)

        self.get: Statement = compiled(select(*rendered(resource, resource.table)).where(own))
        self.current: Statement = compiled(_current_rows(resource))
        self.create: Write = composed(resource, adding)
        self.update: Write = composed(
            resource, updating(resource, changed, func.cardinality(CHANGED) > Constant(0)).where
        )
        self.delete: Statement = compiled(
            delete(resource.table).where(own, expected(resource)).returning(columns.id)
        )
        version = select(columns.updated_at).where(own).scalar_subquery()
        self.absence: Statement = compiled(
            select(version.label("version"), users.known.label("known"))
        )
        self.claim: Statement = claim(users)


@cache
def statements_of(resource: Resource, users: Users) -> ResourceStatements:
    """The statements, compiled when they are first needed."""
    return ResourceStatements(resource, users)
