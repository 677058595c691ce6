"""The statements of a resource, compiled once. The owner is part of every one of them."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    ColumnElement,
    DateTime,
    Insert,
    Interval,
    String,
    Text,
    Update,
    and_,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    or_,
    select,
    update,
)

from taskapi.database.owner import Users, insert_owned, owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.idempotency.statements import claim, storing
from taskapi.idempotency.store import Write
from taskapi.resource.definition import Resource

VERSIONS = cast(bindparam("versions"), ARRAY(DateTime(timezone=True)))
"""`If-Match`: null for any version, otherwise those that the client is willing to change."""

CHANGED = cast(bindparam("changed"), ARRAY(Text()))
"""The names of the columns that the client changes. A null value can then mean null."""


def rendered(resource: Resource) -> tuple[ColumnElement[Any], ...]:
    """What every statement about one row returns: its id, its version, and its JSON as bytes."""
    columns = resource.table.c
    return (
        columns.id.label("id"),
        columns.updated_at.label("version"),
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


def composed(resource: Resource, write: Insert | Update) -> Write:
    """A write that returns the row, alone and with its response stored."""
    columns = rendered(resource)
    written = write.returning(*columns, resource.table.c.user_id).cte("written")
    stored = select(written.c.id, written.c.version, written.c.body).add_cte(storing(written))
    return Write(compiled(write.returning(*columns)), compiled(stored))


def _given(column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The parameter of a column. As text without a length, because a cast to one would cut it."""
    return cast(bindparam(column.key), Text() if isinstance(column.type, String) else column.type)


class ResourceStatements:
    """The statements of one resource with one users table.

    Attributes:
        get: the row.
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
        self.get: Statement = compiled(select(*rendered(resource)).where(own))
        added = insert(resource.table).from_select(
            [*new, "user_id"], insert_owned(resource.table, new), include_defaults=False
        )
        self.create: Write = composed(resource, users.arriving(added))
        self.update: Write = composed(
            resource, updating(resource, changed, func.cardinality(CHANGED) > Constant(0))
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
