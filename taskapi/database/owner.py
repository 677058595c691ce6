"""The owner: every statement that reads or writes a user's rows names them (FR-020)."""

from typing import Any

from sqlalchemy import ColumnElement, Insert, bindparam, column, exists, not_, select, table
from sqlalchemy.dialects.postgresql import insert as upsert

UserId = int | str
"""`BIGINT` or `TEXT` in the database, as `USER_ID_TYPE` says."""

OWNER: ColumnElement[Any] = bindparam("owner")
"""The parameter of every statement. It has no type, so that one text serves both types of id."""


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
