"""The owner: every statement that reads or writes a user's rows names them (FR-020).

A statement also declares its owner to PostgreSQL, for the policies of row security: `set_config`
with `is_local`, in the same round trip, so that nothing stays in the session (docs/decisions/0020).
"""

from typing import Any

from sqlalchemy import (
    Boolean,
    ColumnElement,
    FromClause,
    Insert,
    Select,
    Text,
    and_,
    bindparam,
    cast,
    column,
    exists,
    func,
    not_,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.database.statement import Constant

UserId = int | str
"""`BIGINT` or `TEXT` in the database, as `USER_ID_TYPE` says."""

OWNER: ColumnElement[Any] = bindparam("owner")
"""The parameter of every statement. It has no type, so that one text serves both types of id:
PostgreSQL takes it from the column that it is first compared with."""

OWNER_SETTING = "taskapi.owner"
"""The setting of PostgreSQL that policies compare `user_id` with."""


def declared(setting: str, value: ColumnElement[str]) -> ColumnElement[bool]:
    """A condition that is always true, and gives a setting this value until the statement ends.

    It does not depend on a row, so PostgreSQL evaluates it once, before it reads the first one.
    """
    is_local = cast(Constant("true"), Boolean())
    configured = select(func.set_config(Constant(setting), value, is_local)).scalar_subquery()
    return configured.is_not(None)


DECLARED = declared(OWNER_SETTING, cast(OWNER, Text()))


def owned(rows: FromClause) -> ColumnElement[bool]:
    """The rows of the owner. This is the only way to name them, because it declares them too."""
    # In this order, because OWNER gets its type here.
    return and_(rows.c.user_id == OWNER, DECLARED)


def insert_owned(rows: FromClause, values: dict[str, ColumnElement[Any]]) -> Select[Any]:
    """What an insert of the owner's row selects: these values, and `user_id` behind them."""
    like_column = select(rows.c.user_id).limit(Constant(0)).scalar_subquery()
    owner = func.coalesce(OWNER, like_column).label("user_id")
    labelled = [value.label(name) for name, value in values.items()]
    return select(*labelled, owner).where(DECLARED)


class Users:
    """The users table, which belongs to the auth server. Only its column `id` is used here.

    Attributes:
        known: whether the owner is in the table.
        create_unknown: whether a valid token is enough to become a user.

    Args:
        table_name: the table, as Better Auth was configured.
        create_unknown: as the attribute.
    """

    def __init__(self, table_name: str, *, create_unknown: bool) -> None:
        self._table = table(table_name, column("id"))
        self.known: ColumnElement[bool] = exists().where(self._table.c.id == OWNER)
        self.create_unknown = create_unknown

    def arriving(self, insert: Insert) -> Insert:
        """The same insert, which also creates an unknown owner where that is allowed."""
        if not self.create_unknown:
            return insert
        # A known user is left alone, because the table may need more than an id for a new one.
        newcomer = select(OWNER).where(not_(self.known))
        arrival = upsert(self._table).from_select(["id"], newcomer).on_conflict_do_nothing()
        return insert.add_cte(arrival.cte("arrival"))
