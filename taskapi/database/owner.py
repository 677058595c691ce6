"""The owner: every statement that reads or writes a user's rows names them (FR-020).

A statement also declares its owner to PostgreSQL, for the policies of row security: `set_config`
with `is_local`, in the same round trip, so that nothing stays in the session (docs/decisions/0020).
"""

from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    TableClause,
    Text,
    Uuid,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    select,
    table,
)
from sqlalchemy.types import TypeEngine

from taskapi.config import UserIdType
from taskapi.database.statement import Constant
from taskapi.database.tables import split_name

UserId = int | str | UUID
"""In the database one of `ID_TYPES`, as `USER_ID_TYPE` says."""

ID_TYPES: dict[UserIdType, TypeEngine[Any]] = {
    "integer": BigInteger(),
    "text": Text(),
    "uuid": Uuid(),
}
"""The types of the columns `user_id`."""

OWNER: ColumnElement[Any] = bindparam("owner")
"""The parameter of every statement. It has no type, so that one text serves all types of id:
PostgreSQL takes it from the column that it is first compared with."""

OWNER_SETTING = "taskapi.owner"
"""The setting of PostgreSQL that policies compare `user_id` with."""

SWEEP_SETTING = "taskapi.sweep"
"""Set to `on` by the statements about expired rows, to which policies show these alone."""

WATCH_SETTING = "taskapi.watch"
"""Set to `on` by the one statement about several users, to which policies show their clocks."""


def declared(setting: str, value: ColumnElement[str]) -> ColumnElement[bool]:
    """A condition that is always true, and gives a setting this value until the statement ends.

    It does not depend on a row, so PostgreSQL evaluates it once, before it reads the first one.
    """
    is_local = cast(Constant("true"), Boolean())
    configured = select(func.set_config(Constant(setting), value, is_local)).scalar_subquery()
    return configured.is_not(None)


SWEEPING = declared(SWEEP_SETTING, Constant("on"))
"""In every part of a statement, because the order in which a plan reads them is not fixed."""

DECLARED = declared(OWNER_SETTING, cast(OWNER, Text()))


def owned(user_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """The rows of the owner. This is the only way to name them, because it declares them too.

    Args:
        user_id: the column that says whose a row is.
    """
    return and_(user_id == OWNER, DECLARED)  # in this order, because OWNER gets its type here


class Users:
    """The users table, which belongs to the auth server. Only its column `id` is used here.

    Attributes:
        table: with this column alone.
        known: whether the owner is in the table.
        create_unknown: whether a valid token is enough to become a user.
        max_tasks: how many tasks each may have; None for any number.

    Args:
        table_name: the table, as Better Auth was configured.
        create_unknown: as the attribute.
        max_tasks: likewise.
    """

    def __init__(
        self, table_name: str, *, create_unknown: bool, max_tasks: int | None = None
    ) -> None:
        schema, name = split_name(table_name)
        self.table: TableClause = table(name, column("id"), schema=schema)
        users = self.table.c
        # Selects the id, because the service's role may read no other column, as `*` would.
        self.known: ColumnElement[bool] = exists(users.id).where(users.id == OWNER)
        self.create_unknown = create_unknown
        self.max_tasks = max_tasks
