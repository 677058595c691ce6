"""What a migration looks at before it changes anything, and refuses with what to do instead."""

from typing import Any

from sqlalchemy import Connection, Text, cast, column, func, null, select, table

from taskapi.config import DatabaseSettings, UserIdType
from taskapi.database.mismatch import SchemaMismatch, quoted
from taskapi.database.schema import MigrationError
from taskapi.database.search_path import locations, look_first_into, misplaced, path_of, reader
from taskapi.database.statement import Constant
from taskapi.database.tables import (
    ATTRIBUTES,
    CLASSES,
    SCHEMAS,
    quoted_name,
    split_name,
    table_oid,
)
from taskapi.database.users_table import MADE_HERE, check_owner, owner_columns

OWN_SCHEMA = "taskapi"
"""What is proposed for the name of a schema of our own."""

THE_ROLE = "$user"
"""In a `search_path` the schema with the name of the role."""

DEFAULT_PATH = [THE_ROLE, "public"]
"""PostgreSQL's own `search_path`: whoever has it has chosen no schema."""

ID_TYPES_OF: dict[str, UserIdType] = {
    "smallint": "integer",
    "integer": "integer",
    "bigint": "integer",
    "text": "text",
    "character varying": "text",
    "uuid": "uuid",
}
"""What `USER_ID_TYPE` has to be for ids of these types; of others PostgreSQL decides."""

NO_TABLES = {"v": "a view", "m": "a materialized view", "f": "a foreign table"}
"""What `pg_class` has beside tables."""

SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")

_indexes = table(
    "pg_index",
    column("indrelid"),
    column("indkey"),
    column("indisunique"),
    column("indpred"),
)


def refuse_misfit(connection: Connection, settings: DatabaseSettings) -> None:
    """Make sure that the settings fit the tables that are there already, if any are.

    Raises:
        MigrationError: they do not, and no migration would change that.
    """
    query = select(reader(), *owner_columns(settings.users_table))
    try:
        check_owner(connection.execute(query).mappings().one(), settings)
    except SchemaMismatch as mismatch:
        raise MigrationError(mismatch.detail) from None


def refuse_place(connection: Connection) -> None:
    """Make sure that our tables are those that this role finds, if there are any.

    Raises:
        MigrationError: it finds another program's instead.
    """
    row = connection.execute(locations()).mappings().one()
    mismatch = misplaced(row)
    # A role that has chosen a schema may well make tables in it beside those of another one.
    if mismatch is not None and (row["scattered"] or path_of(row) == DEFAULT_PATH):
        raise MigrationError(mismatch.detail)


def refuse_new_place(connection: Connection) -> None:
    """Make sure that this role may make tables, and that they would be where it means them to be.

    Raises:
        MigrationError: they could not be made, or not there.
    """
    row = connection.execute(locations()).mappings().one()
    if row["is_ours"]:
        return
    role, target, path = row["role"], row["target"], path_of(row)
    chosen = next((it for it in path if it != THE_ROLE and not it.startswith("pg_")), None)
    if chosen is None and target is None:
        raise MigrationError(f"{role} looks into no schema that is there. {_own_schema(row)}")
    if chosen is not None and target != chosen and not (target == role and THE_ROLE in path):
        raise MigrationError(
            f"the search_path of {role} is {row['path']}, and {role} finds no schema {chosen} that "
            f"it may use: as a superuser, run: CREATE SCHEMA {quoted(chosen)} AUTHORIZATION "
            f"{quoted(role)}; or, if it is there: GRANT USAGE, CREATE ON SCHEMA {quoted(chosen)} "
            f"TO {quoted(role)}"
        )
    if row["taken"]:
        raise MigrationError(
            f"the schema {target} has tables of another program with names of ours, "
            f"{', '.join(row['taken'])}. {_own_schema(row)}"
        )
    if not row["may_create"]:
        raise MigrationError(
            f"{role} may not create tables in the schema {target}: as its owner, run: GRANT CREATE "
            f"ON SCHEMA {quoted(target)} TO {quoted(role)}. {_own_schema(row)}"
        )


def _own_schema(row: Any) -> str:
    create = f"CREATE SCHEMA {OWN_SCHEMA} AUTHORIZATION {quoted(row['role'])}"
    look = look_first_into(OWN_SCHEMA, row)
    return f"For a schema of taskapi's own, as a superuser, run: {create}; then {look}"


def refuse_users_table(connection: Connection, settings: DatabaseSettings) -> None:
    """Make sure that the tasks can refer to the users table, or that there is none of any name.

    Raises:
        MigrationError: they cannot, or another one is there.
    """
    name = settings.users_table
    row = connection.execute(_users_table(name)).mappings().one_or_none()
    if row is None:
        _refuse_second_table(connection, name)
    elif (reason := _unfit(row, settings)) is not None:
        raise MigrationError(f"USERS_TABLE={name} {reason}")


def _users_table(name: str) -> Any:
    """What there is under this name, if something is."""
    oid, attribute = table_oid(name), ATTRIBUTES.c
    identity = [attribute.attrelid == oid, attribute.attname == Constant("id")]
    number = select(attribute.attnum).where(*identity).scalar_subquery()
    kind = select(func.format_type(attribute.atttypid, null())).where(*identity)
    index = _indexes.c
    unique = select(index.indrelid).where(
        index.indrelid == oid,
        index.indisunique,
        cast(index.indkey, Text) == cast(number, Text),
        index.indpred.is_(None),
    )
    return select(
        cast(CLASSES.c.relkind, Text).label("relkind"),
        kind.scalar_subquery().label("id_type"),
        unique.exists().label("is_unique"),
        func.has_column_privilege(oid, number, Constant("REFERENCES")).label("may_refer"),
        func.pg_get_userbyid(CLASSES.c.relowner).label("owner"),
        cast(func.current_user(), Text).label("role"),
    ).where(CLASSES.c.oid == oid)


def _unfit(row: Any, settings: DatabaseSettings) -> str | None:
    """Why no foreign key can refer to this table, and what to do."""
    kind, quoted_table = row["id_type"], quoted_name(settings.users_table)
    if row["relkind"] not in {"r", "p"}:
        what = NO_TABLES.get(row["relkind"], "no table")
        return f"is {what}, to which no foreign key can refer: set it to the table with the users"
    if kind is None:
        return "has no column id: set it to the table with the users"
    setting = ID_TYPES_OF.get(kind.partition("(")[0], settings.user_id_type)
    if setting != settings.user_id_type:
        return (
            f"has ids of the type {kind}, and USER_ID_TYPE={settings.user_id_type} does not fit: "
            f"set USER_ID_TYPE={setting}"
        )
    if not row["is_unique"]:
        return (
            "has no primary key of the column id alone, and no unique one: as its owner, "
            f"{row['owner']}, run: ALTER TABLE {quoted_table} ADD UNIQUE (id)"
        )
    if not row["may_refer"]:
        return (
            f"belongs to {row['owner']}: as that role, run: GRANT REFERENCES (id) ON "
            f"{quoted_table} TO {quoted(row['role'])}"
        )
    return None


def _refuse_second_table(connection: Connection, name: str) -> None:
    """In an empty table beside Better Auth's `user`, `User` or `Users`, nobody would be found."""
    schema, own = split_name(name)
    found = connection.execute(_user_tables(own)).mappings().first()
    if found is not None:
        there = found["name"] if found["is_visible"] else f"{found['schema']}.{found['name']}"
        raise MigrationError(
            f"USERS_TABLE={name} is not there, but {there} is: set USERS_TABLE={there}, or create "
            f"the table {name} first"
        )
    if schema is not None:
        raise MigrationError(f"USERS_TABLE={name} is not there: create that table first")


def _user_tables(name: str) -> Any:
    """The tables with the setting's name or one of Better Auth's, those found by name first.

    Not those of our own making, which belong to the tasks of another schema.
    """
    tables, visible = CLASSES.c, func.pg_table_is_visible(CLASSES.c.oid)
    comment = func.coalesce(func.obj_description(tables.oid, Constant("pg_class")), Constant(""))
    return (
        select(
            tables.relname.label("name"),
            SCHEMAS.c.nspname.label("schema"),
            visible.label("is_visible"),
        )
        .join_from(CLASSES, SCHEMAS, SCHEMAS.c.oid == tables.relnamespace)
        .where(
            func.lower(cast(tables.relname, Text)).in_(["user", "users", name.lower()]),
            cast(tables.relkind, Text).in_(["r", "p"]),
            SCHEMAS.c.nspname.not_in(SYSTEM_SCHEMAS),
            comment != Constant(MADE_HERE),
        )
        .order_by(visible.desc(), SCHEMAS.c.nspname, tables.relname)
    )
