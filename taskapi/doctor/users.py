"""The users table: whether it is the one in which the auth server has its users."""

from typing import Any

from sqlalchemy import Text, cast, column, exists, func, select, table

from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import CLASSES, split_name, table_oid
from taskapi.database.users_table import is_ours
from taskapi.doctor.findings import Finding


def beside_statement(users_table: str) -> Statement:
    """A statement for what the auth server may have made beside a users table of our making.

    Columns: `is_known`, whether anybody is in ours, and `beside`, the tables of the usual names.
    """
    schema, name = split_name(users_table)
    tables, ours = CLASSES.c, table_oid(users_table)
    usual = func.lower(cast(tables.relname, Text)).in_([Constant("user"), Constant("users")])
    beside = select(func.array_agg(cast(tables.relname, Text))).where(
        is_ours(users_table),
        usual,
        tables.oid != ours,
        tables.relkind.in_([Constant("r"), Constant("p")]),
        func.pg_table_is_visible(tables.oid),
    )
    known = exists(column("id")).select_from(table(name, column("id"), schema=schema))
    return compiled(
        select(known.label("is_known"), beside.scalar_subquery().label("beside")),
    )


def second_table(row: Any, users_table: str) -> Finding | None:
    """Nobody is in our users table, and there is another one; None where it is not like that.

    Args:
        row: of `beside_statement`.
        users_table: as the setting has it.
    """
    if row["is_known"] or not row["beside"]:
        return None
    other = row["beside"][0]
    return Finding(
        "users table",
        f"{users_table}, which taskapi has made, has nobody in it, and there is a table {other} "
        "too",
        good=False,
        remedy=f"if the auth server's users are in {other}, make the tables anew, in which nobody "
        "can have a task yet: run taskapi migrate --down --revision base, set "
        f"USERS_TABLE={other}, and run taskapi migrate and taskapi grant",
    )
