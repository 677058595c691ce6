"""In which schemas the tables are, and where a role looks for tables: its `search_path`."""

import re
import shlex
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, Select, Text, case, cast, func, null, select
from sqlalchemy.dialects.postgresql import array

from taskapi.database.mismatch import SchemaMismatch, quoted
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import (
    CLASSES,
    CONSTRAINTS,
    SCHEMAS,
    VERSION_TABLE,
    own_tables,
    table_oid,
)

OUR_CONSTRAINT = "tasks_title_not_empty"
"""Of our first migration. A table `tasks` without it is another program's."""

PATH_ENTRY = re.compile(r'"(?:[^"]|"")*"|[^\s,"]+')
"""A name in a `search_path`, as somebody wrote it."""


def scattered() -> ColumnElement[Any]:
    """Those of our tables' names that are found in another schema than the revision.

    Another program has tables of these names, in a schema that the role looks into earlier.
    """
    home = _schema_of(VERSION_TABLE)
    strays = [
        case((_schema_of(name) != home, _schema_of(name) + Constant(f".{name}")))
        for name in own_tables()
    ]
    return func.array_remove(array(strays), null())


def home() -> ColumnElement[Any]:
    """The schema in which the revision is found; null where it is not."""
    return _schema_of(VERSION_TABLE)


def places() -> Select[Any]:
    """One row about our tables and the role, `role`, that looks for them.

    Columns: `path`, its `search_path`; `target`, the schema in which it would make tables, null for
    none; `may_create`, whether it may; `usable` and `closed`, the schemas with tasks of ours that
    it may use and those that it may not; `is_ours`, whether the tasks that it finds are; `taken`,
    the names of ours that are taken in `target`; `home` and `scattered`, as the functions.
    """
    target = func.current_schema()
    usable = func.has_schema_privilege(SCHEMAS.c.oid, Constant("USAGE"))
    names = [Constant(name) for name in own_tables()]
    return select(
        *reader(),
        cast(target, Text).label("target"),
        func.has_schema_privilege(target, Constant("CREATE")).label("may_create"),
        func.array(_ours().where(usable).scalar_subquery()).label("usable"),
        func.array(_ours().where(~usable).scalar_subquery()).label("closed"),
        _ours().where(CLASSES.c.oid == table_oid("tasks")).exists().label("is_ours"),
        func.array(
            _in_schemas(CLASSES.c.relname)
            .where(SCHEMAS.c.nspname == target, CLASSES.c.relname.in_(names))
            .scalar_subquery()
        ).label("taken"),
        home().label("home"),
        scattered().label("scattered"),
    )


def reader() -> tuple[ColumnElement[Any], ...]:
    """The role that looks for the tables, and its `search_path`."""
    return (
        cast(func.current_user(), Text).label("role"),
        func.current_setting(Constant("search_path")).label("path"),
    )


@cache
def places_statement() -> Statement:
    """The statement of `places`."""
    return compiled(places())


def misplaced(row: Any) -> SchemaMismatch | None:
    """Why a role does not find our tables although they are there; None where they are not.

    Args:
        row: of `places`.
    """
    role = row["role"]
    if row["scattered"]:
        return hidden_by(row)
    if row["is_ours"]:
        return None
    if row["usable"]:
        schema = min(row["usable"])
        return SchemaMismatch(
            f"The tables are in the schema {schema}, and {role} does not look there: its "
            f"search_path is {row['path']}",
            f"run: {look_first_into(schema, row)}",
        )
    if row["closed"]:
        schema = min(row["closed"])
        return SchemaMismatch(
            f"The tables are in the schema {schema}, which {role} may not use",
            f"as the owner of the tables, run: taskapi grant {shlex.quote(role)}",
        )
    return None


def hidden_by(row: Any) -> SchemaMismatch:
    """Tables of other programs are found instead of ours.

    Args:
        row: has `role`, `path`, `home` and `scattered`.
    """
    return SchemaMismatch(
        f"{row['role']} finds {' and '.join(row['scattered'])} before the tables in the schema "
        f"{row['home']}, because its search_path is {row['path']}",
        f"run: {look_first_into(row['home'], row)}",
    )


def look_first_into(schema: str, row: Any) -> str:
    """The statement with which a role looks into this schema first."""
    path = [schema, *(name for name in path_of(row) if name != schema)]
    return f"ALTER ROLE {quoted(row['role'])} SET search_path = {', '.join(map(quoted, path))}"


def path_of(row: Any) -> list[str]:
    """The names in a role's `search_path`."""
    entries = PATH_ENTRY.findall(row["path"])
    return [
        entry[1:-1].replace('""', '"') if entry.startswith('"') else entry.lower()
        for entry in entries
    ]


def _ours() -> Select[Any]:
    """The schemas that have tasks of ours."""
    constraint = CONSTRAINTS.c
    schemas = _in_schemas(cast(SCHEMAS.c.nspname, Text))
    return schemas.join(CONSTRAINTS, constraint.conrelid == CLASSES.c.oid).where(
        constraint.conname == Constant(OUR_CONSTRAINT)
    )


def _schema_of(name: str) -> ColumnElement[str]:
    """The schema in which a table is found by its name."""
    found = _in_schemas(cast(SCHEMAS.c.nspname, Text)).where(CLASSES.c.oid == table_oid(name))
    return found.scalar_subquery()


def _in_schemas(what: ColumnElement[Any]) -> Select[Any]:
    return select(what).join_from(CLASSES, SCHEMAS, SCHEMAS.c.oid == CLASSES.c.relnamespace)
