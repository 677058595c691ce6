"""The rights of the service's role: those that it lacks, and those that it should not have."""

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Integer,
    Text,
    and_,
    cast,
    column,
    func,
    not_,
    select,
    table,
)

from taskapi.config import Settings
from taskapi.database.mismatch import grant_command
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import CLASSES, ROLES, names_of, own_tables, table_oid
from taskapi.doctor.findings import Finding
from taskapi.migrations.catalog import is_secured
from taskapi.migrations.rights import excessive_rights, needed_rights

ROLE = compiled(select(cast(func.current_user(), Text)))


def rights_statement(settings: Settings) -> Statement:
    """A statement with a column for each needed right: whether the role has it."""
    role = func.current_user()
    return compiled(
        select(*(right.held_by(role).label(str(right)) for right in needed_rights(settings)))
    )


def rights(row: Any, role: str) -> Finding:
    """Whether the role has every needed right.

    Args:
        row: of the statement `rights_statement`.
        role: its name.
    """
    missing = [right for right, granted in row.items() if not granted]
    if not missing:
        return Finding("rights", "complete")
    return Finding("rights", f"missing: {', '.join(missing)}", good=False, remedy=run_grant(role))


def run_grant(role: str) -> str:
    """The command that grants exactly what is needed."""
    return f"as the owner of the tables, run: {grant_command(role)}"


def row_security_statement(settings: Settings) -> Statement:
    """A statement about what keeps PostgreSQL from applying our policies to the role.

    Columns: `role`; `is_superuser`; `bypasses`; `owned`, the tables as whose owner it may act;
    `unsecured`, those without row security; `excessive`, rights that it does not need.
    """
    role = func.current_user()
    owned = {name: func.pg_has_role(_owner_of(name), Constant("MEMBER")) for name in own_tables()}
    unsecured = {name: not_(is_secured(name)) for name in own_tables()}
    excessive = {str(right): right.held_by(role) for right in excessive_rights(settings)}
    return compiled(
        select(
            cast(role, Text).label("role"),
            ROLES.c.rolsuper.label("is_superuser"),
            ROLES.c.rolbypassrls.label("bypasses"),
            names_of(owned).label("owned"),
            names_of(unsecured).label("unsecured"),
            names_of(excessive).label("excessive"),
        ).where(ROLES.c.rolname == role)
    )


def _owner_of(name: str) -> ColumnElement[Any]:
    owner = select(CLASSES.c.relowner).where(CLASSES.c.oid == table_oid(name))
    return owner.scalar_subquery()


def row_security_of_citus(row: Any) -> Finding:
    """Whether row security is off, because under it, no write on Citus finds a row.

    Args:
        row: of the statement `row_security_statement`.
    """
    secured = [name for name in own_tables() if name not in row["unsecured"]]
    if secured:
        return Finding(
            "row security",
            f"enabled on {', '.join(secured)}, where Citus lets no write find a row",
            good=False,
            remedy="as the owner of the tables, apply deploy/citus/2-policies.sql",
        )
    return Finding("row security", "not in force, because Citus has the rows", good=None)


def row_security(row: Any) -> Finding:
    """Whether PostgreSQL itself keeps the role from other users' rows.

    Args:
        row: of the statement `row_security_statement`.
    """
    role = row["role"]
    if (reason := _bypass(row)) is not None:
        return Finding(
            "row security",
            f"not in force: {role} {reason}",
            good=False,
            remedy="create a role of its own for the service, run 'taskapi grant' with its name as "
            "the owner of the tables, and put it into DATABASE_URL",
        )
    if row["unsecured"]:
        text = f"not enabled on {', '.join(row['unsecured'])}"
    elif row["excessive"]:
        text = f"enabled, but {role} needs no {', '.join(row['excessive'])}"
    else:
        return Finding("row security", "in force")
    return Finding("row security", text, good=False, remedy=run_grant(role))


def _bypass(row: Any) -> str | None:
    """Why no policy applies to the role."""
    if row["is_superuser"]:
        return "is a superuser"
    if row["bypasses"]:
        return "has BYPASSRLS"
    if row["owned"]:
        return f"may act as the owner of {', '.join(row['owned'])}"
    return None


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
        own.attrelid == table_oid(users_table),
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
