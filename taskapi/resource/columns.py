"""The columns that the table of every resource has."""

from typing import Any

from sqlalchemy import BigInteger, ColumnElement, DateTime, Identity, Text, bindparam, cast, func
from sqlmodel import AutoString, Field


def id_column() -> Any:
    """The id: assigned by the database, 1 to 2^63-1, never reused (an INTEGER would run out)."""
    return Field(
        primary_key=True,
        sa_type=BigInteger,
        sa_column_kwargs={"server_default": Identity(always=True)},
    )


def timestamp_column() -> Any:
    """`created_at` and `updated_at`: set by the database."""
    return Field(sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()})


def owner_column() -> Any:
    """`user_id`, declared as the default integer. Statements never name its type.

    It is the second part of the primary key, because a row is looked up by its id and its owner:
    one of somebody else is then found no more than one that does not exist, and takes no longer.
    """
    return Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False})


def value_of(column: ColumnElement[Any], name: str | None = None) -> ColumnElement[Any]:
    """A parameter of a column's type: text has no length, because a cast would cut it silently.

    Args:
        column: the column.
        name: of the parameter, if it is not the column's.
    """
    kind = Text() if isinstance(column.type, AutoString) else column.type
    return cast(bindparam(name or column.key), kind)
