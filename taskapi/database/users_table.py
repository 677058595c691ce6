"""The users table that the tasks belong to, as the catalogue has it, beside `USERS_TABLE`."""

from typing import Any

from sqlalchemy import ColumnElement, func, null, select

from taskapi.config import DatabaseSettings, UserIdType
from taskapi.database.mismatch import grant_command, mismatch_with
from taskapi.database.statement import Constant
from taskapi.database.tables import (
    ATTRIBUTES,
    CLASSES,
    CONSTRAINTS,
    SCHEMAS,
    split_name,
    table_oid,
)

MADE_HERE = "made by taskapi"
"""The comment on a users table of our making. Any other is the auth server's."""

OWNER_TYPES: dict[UserIdType, str] = {"integer": "bigint", "text": "text", "uuid": "uuid"}


def owner_columns(users_table: str) -> list[ColumnElement[Any]]:
    """What the settings have to fit, from the catalogue; null where there is no table of tasks.

    `owner_type` is the type of `tasks.user_id`. `users_schema` and `users_name` name the table that
    it refers to, `users_found` says whether that is the one that `USERS_TABLE` names here,
    `users_visible` whether its name alone leads to it, and `users_usable` whether the role
    may use its schema.

    Args:
        users_table: as the setting has it.
    """
    attribute, tables, schemas = ATTRIBUTES.c, CLASSES.c, SCHEMAS.c
    owner_type = select(func.format_type(attribute.atttypid, null())).where(
        attribute.attrelid == table_oid("tasks"), attribute.attname == Constant("user_id")
    )
    found = tables.oid.is_not_distinct_from(table_oid(users_table))
    users = {
        "users_schema": schemas.nspname,
        "users_name": tables.relname,
        "users_found": found,
        "users_visible": func.pg_table_is_visible(tables.oid),
        "users_usable": func.has_schema_privilege(schemas.oid, Constant("USAGE")),
    }
    return [
        owner_type.scalar_subquery().label("owner_type"),
        *(_of_users(value, found).label(name) for name, value in users.items()),
    ]


def _of_users(value: ColumnElement[Any], found: ColumnElement[bool]) -> ColumnElement[Any]:
    """Something about the table that the tasks refer to; of several, about that of the setting."""
    constraint = CONSTRAINTS.c
    return (
        select(value)
        .join_from(CONSTRAINTS, CLASSES, CLASSES.c.oid == constraint.confrelid)
        .join(SCHEMAS, SCHEMAS.c.oid == CLASSES.c.relnamespace)
        .where(constraint.conrelid == table_oid("tasks"), constraint.contype == Constant("f"))
        .order_by(found.desc())
        .limit(Constant(1))
        .scalar_subquery()
    )


def is_ours(users_table: str) -> ColumnElement[bool]:
    """Whether a migration made the users table; null where there is none."""
    comment = func.obj_description(table_oid(users_table), Constant("pg_class"))
    return comment == Constant(MADE_HERE)


def check_owner(row: Any, settings: DatabaseSettings) -> None:
    """Make sure that the settings fit the table of tasks that is there already.

    Args:
        row: has the columns `owner_columns`, and `role`.
        settings: name the users table and the type of its ids.

    Raises:
        SchemaMismatch: the tasks have owners of another type, or of a table that is not the one
            that the setting names, or that the role does not reach.
    """
    owner_type = row["owner_type"]
    if owner_type is not None and owner_type != OWNER_TYPES[settings.user_id_type]:
        raise mismatch_with(
            settings,
            f"USER_ID_TYPE={settings.user_id_type} does not fit the column tasks.user_id, which is "
            f"{owner_type}",
            _type_remedy(owner_type),
        )
    if row["users_name"] is None:
        return
    is_named = split_name(settings.users_table)[1] == row["users_name"]
    if is_named and not row["users_usable"]:
        raise mismatch_with(
            settings,
            f"The tasks' owners are in the schema {row['users_schema']}, which the role "
            f"{row['role']} may not use",
            f"as the owner of the tables, run: {grant_command(row['role'])}",
        )
    if not row["users_found"]:
        schema = "" if row["users_visible"] else f"{row['users_schema']}."
        actual = f"{schema}{row['users_name']}"
        raise mismatch_with(
            settings,
            f"USERS_TABLE={settings.users_table} is not the table of the tasks' owners, which is "
            f"{actual}",
            f"set USERS_TABLE={actual}",
        )


def _type_remedy(owner_type: str) -> str:
    for setting, column_type in OWNER_TYPES.items():
        if column_type == owner_type:
            return f"set USER_ID_TYPE={setting}"
    return "name a database whose tasks table taskapi's migrations made"
