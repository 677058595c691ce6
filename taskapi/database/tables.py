"""The tables that this package declares, and how PostgreSQL's catalogue names them."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from pkgutil import walk_packages
from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    Table,
    Text,
    case,
    column,
    exists,
    func,
    null,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import array
from sqlmodel import SQLModel

import taskapi
from taskapi.database.statement import DIALECT, Constant, compiled

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

ATTRIBUTES = table(
    "pg_attribute",
    column("attrelid"),
    column("attname", Text),
    column("attnum"),
    column("atttypid"),
)
CONSTRAINTS = table(
    "pg_constraint",
    column("conname", Text),
    column("conrelid"),
    column("confrelid"),
    column("contype"),
)

IDS_OF = "ids_of"
"""In the `info` of a column: the table whose ids it keeps, those of deleted rows too."""

_policies = table("pg_policy", column("polrelid"), column("polname", Text))


@cache
def own_tables() -> dict[str, Table]:
    """The tables that this package declares, by their names: those of every module `models`."""
    for module in walk_packages(taskapi.__path__, "taskapi."):
        if module.name.endswith(".models"):
            import_module(module.name)
    return dict(SQLModel.metadata.tables)


@cache
def keys_of_ids() -> dict[str, str]:
    """The tables whose ids a sequence gives out, by the constraints that an id used twice breaks.

    Those are their primary keys, which have PostgreSQL's own names (`migrations.online`), and the
    unique indexes of columns that keep such ids (`IDS_OF`).
    """
    keys: dict[str, str] = {}
    for name, each in own_tables().items():
        if any(column.identity is not None for column in each.primary_key):
            keys[f"{name}_pkey"] = name
        for index in each.indexes:
            kept = [column.info[IDS_OF] for column in index.columns if IDS_OF in column.info]
            if kept and index.unique:
                keys[str(index.name)] = kept[0]
    return keys


def set_sequence(name: str) -> str:
    """The statement for an operator by which a table's sequence goes on after every id so far.

    Ids of deleted rows count as far as they are known, and it never goes back.
    """
    ids = own_tables()[name].c.id
    kept = (
        column
        for each in own_tables().values()
        for column in each.c
        if column.info.get(IDS_OF) == name
    )
    highest = (select(func.max(column)).scalar_subquery() for column in (ids, *kept))
    sequence = func.pg_get_serial_sequence(Constant(name), Constant("id"))
    last = func.greatest(func.nextval(sequence), *highest)
    return " ".join(compiled(select(func.setval(sequence, last))).text.split())


def split_name(name: str) -> tuple[str | None, str]:
    """The schema and the name of a table; no schema for one that the `search_path` finds."""
    schema, _, own = name.rpartition(".")
    return schema or None, own


def quoted_name(name: str) -> str:
    """A table's name, and its schema's if it has one, as SQL has it."""
    return ".".join(map(DIALECT.identifier_preparer.quote, name.split(".")))


def table_oid(name: str) -> ColumnElement[Any]:
    """The table of this name, or null. Quoted, because Better Auth's `user` is a reserved word."""
    schema, own = split_name(name)
    if schema is None:
        return func.to_regclass(func.quote_ident(Constant(name)))
    # From the catalogue, because `to_regclass` fails for a schema that the role may not use.
    return (
        select(CLASSES.c.oid)
        .join(SCHEMAS, SCHEMAS.c.oid == CLASSES.c.relnamespace)
        .where(CLASSES.c.relname == Constant(own), SCHEMAS.c.nspname == Constant(schema))
        .correlate(None)
        .scalar_subquery()
    )


def has_policy(oid: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Whether a table has a policy of this name."""
    return exists().where(_policies.c.polrelid == oid, _policies.c.polname == Constant(name))


def names_of(conditions: Mapping[str, ColumnElement[bool]]) -> ColumnElement[Any]:
    """An array of the names whose conditions are true."""
    names = [case((condition, Constant(name))) for name, condition in conditions.items()]
    return func.array_remove(array(names), null())
