"""The sequence that gives tasks their ids: whether it is behind the tasks that are there."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    and_,
    case,
    cast,
    column,
    func,
    not_,
    select,
    table,
    true,
)
from sqlalchemy.dialects.postgresql import REGCLASS

from taskapi.database.statement import Constant, compiled
from taskapi.database.tables import table_oid
from taskapi.doctor.findings import Finding

NAME = func.pg_get_serial_sequence(Constant("tasks"), Constant("id"))

SETVAL = "SELECT setval(pg_get_serial_sequence('tasks', 'id'), (SELECT max(id) FROM tasks))"


def _where_visible(value: ColumnElement[int]) -> ColumnElement[int]:
    """Null for a role that may not read the sequence, or from which policies hide tasks."""
    visible = and_(
        func.has_sequence_privilege(NAME, Constant("SELECT")),
        not_(func.row_security_active(table_oid("tasks"))),
    )
    return case((visible, value))


_newest = select(func.max(column("id", BigInteger))).select_from(table("tasks"))

IDENTITY = compiled(
    select(
        _where_visible(
            func.coalesce(func.pg_sequence_last_value(cast(NAME, REGCLASS)), Constant(0))
        ).label("last"),
        _where_visible(func.coalesce(_newest.scalar_subquery(), Constant(0))).label("newest"),
    )
)
"""The last id that the sequence gave, and the largest there is."""


ROW_SECURITY_ON = compiled(
    select(func.set_config(Constant("row_security"), Constant("on"), true()))
)
"""Until the transaction ends, a policy hides rows, and does not refuse the statement."""


def identity(row: Any, role: str) -> Finding:
    """Whether new tasks get ids that no task has.

    Logical replication and a restore of the rows alone leave the sequence where it was.

    Args:
        row: of the statement `IDENTITY`.
        role: its name.
    """
    if row["last"] is None:
        text = f"not visible to {role}: run the doctor as the owner of the tables, too"
        return Finding("ids of new tasks", text, good=None)
    if row["newest"] <= row["last"]:
        return Finding("ids of new tasks", f"above {row['last']}, the largest so far")
    return Finding(
        "ids of new tasks",
        f"from {row['last'] + 1}, which are taken: there is a task {row['newest']}",
        good=False,
        remedy=f"as the owner of the tables, run: {SETVAL}",
    )
