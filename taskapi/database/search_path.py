"""In which schemas the tables are, and where a role looks for tables: its `search_path`."""

import re
from functools import cache
from typing import Any
from urllib.parse import quote

from sqlalchemy import ColumnElement, Select, Text, case, cast, column, func, null, select, table
from sqlalchemy.dialects.postgresql import array

from taskapi.database.mismatch import SchemaMismatch, grant_command, quoted
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

SETTINGS = table("pg_settings", column("name"), column("source"))

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


def locations() -> Select[Any]:
    """One row about our tables and the role, `role`, that looks for them.

    Columns: `path`, its `search_path`, and `source`, from where it has that; `database`; `target`,
    the schema in which it would make tables, null for none; `may_create`, whether it may; `usable`
    and `closed`, the schemas with tasks of ours that it may use and those that it may not;
    `is_ours`, whether the tasks that it finds are; `taken`, the names of ours that are taken in
    `target`; `home`, the schema in which the revision is found; and `scattered`.
    """
    target = func.current_schema()
    usable = func.has_schema_privilege(SCHEMAS.c.oid, Constant("USAGE"))
    names = [Constant(name) for name in own_tables()]
    source = select(cast(SETTINGS.c.source, Text)).where(SETTINGS.c.name == Constant("search_path"))
    return select(
        reader(),
        cast(func.current_database(), Text).label("database"),
        func.current_setting(Constant("search_path")).label("path"),
        source.scalar_subquery().label("source"),
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
        _schema_of(VERSION_TABLE).label("home"),
        scattered().label("scattered"),
    )


def reader() -> ColumnElement[Any]:
    """The role that looks for the tables."""
    return cast(func.current_user(), Text).label("role")


@cache
def locations_statement() -> Statement:
    """The statement of `locations`."""
    return compiled(locations())


def misplaced(row: Any) -> SchemaMismatch | None:
    """Why a role does not find our tables although they are there; None where they are not.

    Args:
        row: of `locations`.
    """
    role = row["role"]
    if row["scattered"]:
        return SchemaMismatch(
            f"{role} finds {' and '.join(row['scattered'])} before the tables in the schema "
            f"{row['home']}, because its search_path is {row['path']}",
            look_first_into(row["home"], row),
        )
    if row["is_ours"]:
        return None
    if row["usable"]:
        schema = min(row["usable"])
        return SchemaMismatch(
            f"The tables are in the schema {schema}, and {role} does not look there: its "
            f"search_path is {row['path']}",
            look_first_into(schema, row),
        )
    if row["closed"]:
        schema = min(row["closed"])
        return SchemaMismatch(
            f"The tables are in the schema {schema}, which {role} may not use",
            f"as the owner of the tables, run: {grant_command(role)}",
        )
    return None


def look_first_into(schema: str, row: Any) -> str:
    """What to do so that a role looks into this schema first.

    Args:
        schema: its name.
        row: of `locations`.
    """
    path = [schema, *(name for name in path_of(row) if name != schema)]
    text = ", ".join(map(quoted, path))
    if row["source"] == "client":  # which no ALTER ROLE changes
        option = quote(f"-csearch_path={text.replace(' ', '')}", safe=",")
        return f"write options={option} in DATABASE_URL"
    where = f" IN DATABASE {quoted(row['database'])}" if row["source"] == "database user" else ""
    return f"run: ALTER ROLE {quoted(row['role'])}{where} SET search_path = {text}"


def path_of(row: Any) -> list[str]:
    """The names in a role's `search_path`."""
    entries = PATH_ENTRY.findall(row["path"])
    names = [
        entry[1:-1].replace('""', '"') if entry.startswith('"') else entry.lower()
        for entry in entries
    ]
    return [name for name in names if name]


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
