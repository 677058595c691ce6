"""The rights of the service's role: what it needs on which table, and whether it has it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, func

from taskapi.config import DatabaseSettings
from taskapi.database.statement import Constant
from taskapi.database.tables import VERSION_TABLE, own_tables, table_oid

READ_AND_WRITE = ("SELECT", "INSERT", "UPDATE", "DELETE")


class Right(NamedTuple):
    """A right on a table, or on one of its columns."""

    privilege: str
    table: str
    column: str | None = None

    def __str__(self) -> str:
        """As `GRANT` names it."""
        columns = f" ({self.column})" if self.column else ""
        return f"{self.privilege}{columns} on {self.table}"

    def held_by(self, role: ColumnElement[Any]) -> ColumnElement[bool]:
        """Whether a role has the right; null where there is no such table."""
        table = table_oid(self.table)
        if self.column is None:
            return func.has_table_privilege(role, table, Constant(self.privilege))
        return func.has_column_privilege(
            role, table, Constant(self.column), Constant(self.privilege)
        )


def needed_rights(settings: DatabaseSettings) -> Iterator[Right]:
    """Every right that the service needs, and no other.

    An identity column needs none on its sequence, and a foreign key none on the users table, which
    PostgreSQL reads as the owner of that table.
    """
    for table in own_tables():
        for privilege in READ_AND_WRITE:
            yield Right(privilege, table)
    yield Right("SELECT", VERSION_TABLE)
    yield from rights_on_users(settings)


def rights_on_users(settings: DatabaseSettings) -> Iterator[Right]:
    """Those on the auth server's table: of its columns, only the id."""
    yield Right("SELECT", settings.users_table, "id")
    if settings.creates_unknown_users:
        yield Right("INSERT", settings.users_table, "id")


def excessive_rights(settings: DatabaseSettings) -> Iterator[Right]:
    """Rights with which a stranger could do damage that no policy prevents."""
    for table in own_tables():
        yield Right("TRUNCATE", table)
        yield Right("TRIGGER", table)
    for table in (settings.users_table, VERSION_TABLE):
        for privilege in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER"):
            yield Right(privilege, table)
