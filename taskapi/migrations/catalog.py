"""What PostgreSQL's catalogue says about our tables and about a role."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    and_,
    cast,
    func,
    or_,
    select,
)

from taskapi.config import DatabaseSettings
from taskapi.database.division import distribution, division, is_distributed
from taskapi.database.schema import OWNER_POLICY
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import CLASSES, ROLES, SCHEMAS, has_policy, own_tables, table_oid
from taskapi.migrations.rights import Right, needed_rights


class Role(NamedTuple):
    """A role: its number in the catalogue, and whether policies never apply to it."""

    oid: int
    bypasses: bool


class TableState(NamedTuple):
    """A table, as the caller and a role find it.

    Attributes:
        name: its name.
        owner: the role that owns it.
        is_callers: whether the caller may act as that role.
        is_roles: whether the role may.
        has_policy: whether it has the policy of every table of ours.
        is_secured: whether row security is enabled.
        schema: its schema.
        sees_schema: whether the role may use that schema.
    """

    name: str
    owner: str
    is_callers: bool
    is_roles: bool
    has_policy: bool
    is_secured: bool
    schema: str
    sees_schema: bool


def read_role(connection: Connection, name: str) -> Role | None:
    """The role of this name, if there is one."""
    bypasses = or_(ROLES.c.rolsuper, ROLES.c.rolbypassrls)
    query = select(cast(ROLES.c.oid, Integer), bypasses).where(ROLES.c.rolname == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else Role(*row)


def read_tables(connection: Connection, names: Iterable[str], role: Role) -> list[TableState]:
    """Those of these tables that exist."""
    rows = (connection.execute(_state_of(name, role)).one_or_none() for name in names)
    return [TableState(*row) for row in rows if row is not None]


def _state_of(name: str, role: Role) -> Any:
    tables, oid = CLASSES.c, Constant(role.oid)
    return (
        select(
            Constant(name),
            func.pg_get_userbyid(tables.relowner),
            func.pg_has_role(tables.relowner, Constant("USAGE")),
            func.pg_has_role(oid, tables.relowner, Constant("MEMBER")),
            has_policy(tables.oid, OWNER_POLICY),
            tables.relrowsecurity,
            SCHEMAS.c.nspname,
            func.has_schema_privilege(oid, SCHEMAS.c.oid, Constant("USAGE")),
        )
        .join_from(CLASSES, SCHEMAS, SCHEMAS.c.oid == tables.relnamespace)
        .where(tables.oid == table_oid(name))
    )


def read_granted_roles(connection: Connection, name: str, privileges: Sequence[str]) -> list[str]:
    """The roles that have all of these privileges on a table, except its owner."""
    tables = CLASSES.c
    entries = func.aclexplode(tables.relacl).table_valued("grantee", "privilege_type")
    needed = entries.c.privilege_type.in_([Constant(right) for right in privileges])
    query = (
        select(ROLES.c.rolname)
        .select_from(CLASSES)
        .join(entries, needed)
        .join(ROLES, ROLES.c.oid == entries.c.grantee)
        .where(tables.oid == table_oid(name), entries.c.grantee != tables.relowner)
        .group_by(ROLES.c.rolname)
        .having(func.count() == Constant(len(privileges)))
    )
    return list(connection.scalars(query))


def has_rights(connection: Connection, role: Role, rights: Iterable[Right]) -> bool:
    """Whether a role has all of these rights."""
    return all(connection.execute(select(*(it.held_by(Constant(role.oid)) for it in rights))).one())


def is_secured(name: str) -> ColumnElement[bool]:
    """Whether row security is enabled on a table; null where there is no such table."""
    secured = select(CLASSES.c.relrowsecurity).where(CLASSES.c.oid == table_oid(name))
    return secured.scalar_subquery()


def has_distributed_tables(connection: Connection) -> bool:
    """Whether Citus has the rows of our tables."""
    if connection.execute(division()).one().citus is None:
        return False
    return is_distributed(connection.execute(distribution()).mappings().one())


def readiness_of(settings: DatabaseSettings, role: str) -> Statement:
    """A statement whose one row has `ready`: whether `taskapi grant` was run for a role.

    It has no row where there is no such role.
    """
    oid = ROLES.c.oid
    rights = [right.held_by(oid) for right in needed_rights(settings)]
    secured = [is_secured(name) for name in own_tables()]
    ready = and_(*rights, *secured).label("ready")
    return compiled(select(ready).where(ROLES.c.rolname == Constant(role)))
