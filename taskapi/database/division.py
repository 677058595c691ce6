"""How the tables are divided: not at all, into hash partitions, or by Citus over servers."""

from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    Text,
    column,
    exists,
    func,
    select,
    table,
)

from taskapi.database.statement import Constant
from taskapi.database.tables import CLASSES, VERSION_TABLE, names_of, own_tables, table_oid

_extensions = table("pg_extension", column("extname", Text), column("extversion", Text))
_partitions = table("pg_inherits", column("inhparent"))

# Those of Citus, which nobody else has.
_distributed = table("pg_dist_partition", column("logicalrelid"), column("partmethod"))
_server = table("pg_dist_local_group", column("groupid", Integer))

HASHED, WHOLE = "h", "n"
"""What Citus calls a table that is divided by hash, and one of which every server has a copy."""


def division() -> Select[Any]:
    """What every PostgreSQL tells.

    Columns: `citus`, the version of that extension, null without it; `partitions` of `tasks`, 0 for
    none; `whole`, the names of our tables that have none.
    """
    version = select(_extensions.c.extversion).where(_extensions.c.extname == Constant("citus"))
    partitions = select(func.count()).where(_partitions.c.inhparent == table_oid("tasks"))
    whole = {name: _is_whole(name) for name in own_tables()}
    return select(
        version.scalar_subquery().label("citus"),
        partitions.scalar_subquery().label("partitions"),
        names_of(whole).label("whole"),
    )


def distribution() -> Select[Any]:
    """What Citus tells, where a database has it.

    Columns: `group`, of the server, 0 for the coordinator; `distributed`, the names of our tables
    whose rows it distributes; `is_revision_everywhere`, whether each server has the table of the
    schema's revision.
    """
    distributed = {name: _is_divided(name, HASHED) for name in own_tables()}
    return select(
        _server.c.groupid.label("group"),
        names_of(distributed).label("distributed"),
        _is_divided(VERSION_TABLE, WHOLE).label("is_revision_everywhere"),
    )


def is_distributed(citus: Any) -> bool:
    """Whether Citus has the rows, and so would apply policies where nobody has declared the owner.

    Args:
        citus: the row of `distribution`; None without Citus.
    """
    return citus is not None and len(citus["distributed"]) == len(own_tables())


def _is_whole(name: str) -> ColumnElement[bool]:
    tables = CLASSES.c
    return exists(tables.oid).where(tables.oid == table_oid(name), tables.relkind == Constant("r"))


def _is_divided(name: str, how: str) -> ColumnElement[bool]:
    tables = _distributed.c
    return exists(tables.logicalrelid).where(
        tables.logicalrelid == table_oid(name), tables.partmethod == Constant(how)
    )
