"""The rights of the service's role, and whether it can insert users."""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Boolean, Integer, and_, column, func, not_, select, table

from taskapi.config import Settings
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.doctor.findings import Finding
from taskapi.migrations.metadata import own_tables

READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")


def needed_rights(settings: Settings) -> Iterator[tuple[str, str]]:
    """The tables that the service uses, each with a right that it needs there."""
    for name in own_tables():
        for right in READ_AND_WRITE:
            yield name, right
    yield settings.users_table, "SELECT"
    if settings.creates_unknown_users:
        yield settings.users_table, "INSERT"
    yield "alembic_version", "SELECT"


def rights_statement(settings: Settings) -> Statement:
    """A statement with a column for each needed right: whether the role has it."""
    return compiled(
        select(
            *(
                func.has_table_privilege(_oid(name), Constant(right)).label(f"{right} on {name}")
                for name, right in needed_rights(settings)
            )
        )
    )


def _oid(name: str) -> Any:
    """The table of this name, or null. Quoted, because Better Auth's `user` is a reserved word."""
    return func.to_regclass(func.quote_ident(Constant(name)))


def rights(row: Any) -> Finding:
    """Whether the role has every needed right.

    Args:
        row: of the statement `rights_statement`.
    """
    missing = [right for right, granted in row.items() if not granted]
    if not missing:
        return Finding("rights", "complete")
    return Finding(
        "rights",
        f"missing: {', '.join(missing)}",
        good=False,
        remedy=f"as the owner of the tables, GRANT {missing[0]} TO the user of DATABASE_URL, and "
        "so on for each",
    )


def required_columns(users_table: str) -> Statement:
    """A statement for the columns, beside `id`, that an insert into the users table must name."""
    attributes = table(
        "pg_attribute",
        column("attrelid"),
        column("attname"),
        column("attnum", Integer),
        column("attisdropped", Boolean),
        column("attnotnull", Boolean),
        column("atthasdef", Boolean),
        column("attidentity"),
    )
    own = attributes.c
    required = and_(
        own.attrelid == _oid(users_table),
        own.attnum > Constant(0),
        not_(own.attisdropped),
        own.attnotnull,
        not_(own.atthasdef),
        own.attidentity == Constant(""),
        own.attname != Constant("id"),
    )
    return compiled(select(func.array_agg(own.attname).label("names")).where(required))


def unknown_users(required: list[str] | None, users_table: str) -> Finding:
    """Whether the service can insert unknown users, of which it knows no more than the id."""
    if not required:
        return Finding("unknown users", "can be inserted: the users table requires only an id")
    return Finding(
        "unknown users",
        f"cannot be inserted: {users_table} also requires {', '.join(sorted(required))}",
        good=False,
        remedy="set CREATE_UNKNOWN_USERS=false: the auth server inserts the users of this table",
    )
