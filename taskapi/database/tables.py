"""The tables that this package declares, and how PostgreSQL's catalogue names them."""

from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from sqlalchemy import Boolean, ColumnElement, Table, Text, column, exists, func, table
from sqlmodel import SQLModel

import taskapi
from taskapi.database.statement import Constant

VERSION_TABLE = "taskapi_version"
"""Where the schema's revision stands. Not Alembic's default, which other programs use."""

REVISION_PREFIX = "taskapi_"
"""Of our revisions' ids, behind which the number of the migration's file stands."""

ROLES = table(
    "pg_roles",
    column("oid"),
    column("rolname", Text),
    column("rolsuper", Boolean),
    column("rolbypassrls", Boolean),
)
CLASSES = table(
    "pg_class",
    column("oid"),
    column("relname", Text),
    column("relkind"),
    column("relnamespace"),
    column("relowner"),
    column("relrowsecurity", Boolean),
    column("relacl"),
)
SCHEMAS = table("pg_namespace", column("oid"), column("nspname", Text))

ATTRIBUTES = table("pg_attribute", column("attrelid"), column("attname", Text), column("atttypid"))
CONSTRAINTS = table("pg_constraint", column("conrelid"), column("confrelid"), column("contype"))

_policies = table("pg_policy", column("polrelid"), column("polname", Text))


@cache
def own_tables() -> dict[str, Table]:
    """The tables that this package declares, by their names: those of every module `models`."""
    for module in walk_packages(taskapi.__path__, "taskapi."):
        if module.name.endswith(".models"):
            import_module(module.name)
    return dict(SQLModel.metadata.tables)


def table_oid(name: str) -> ColumnElement[Any]:
    """The table of this name, or null. Quoted, because Better Auth's `user` is a reserved word."""
    return func.to_regclass(func.quote_ident(Constant(name)))


def has_policy(oid: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a table has a policy of this name."""
    return exists().where(_policies.c.polrelid == oid, _policies.c.polname == Constant(name))
