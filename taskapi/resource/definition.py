"""A resource, declared once: its table, what clients may write, and how its lists are asked for."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Column, ColumnElement, Table
from sqlmodel import SQLModel

from taskapi.errors import ApiError

SERVER_COLUMNS = {"id", "created_at", "updated_at", "user_id"}
"""What the table of every resource has, and no client can set."""


@dataclass(frozen=True, eq=False)
class Resource:
    """One kind of row that belongs to users.

    Attributes:
        model: its table: the columns of `SERVER_COLUMNS`, and those that clients may write.
        editable: the columns that clients may write.
        read: what clients receive, with a member for each column, in the same order.
        create: what clients send for a new row, with a member for each editable column.
        patch: what clients send to change a row, likewise.
        not_found: raised where the owner has no such row.
        deleted: raised where a repeated write finds its row deleted.
        filters: the conditions that narrow a list, each with a parameter of the same name.
        sorts: the columns that a list may be sorted by.
        counter: the column of `UserClock` that counts a user's rows, if they have a quota.
        tombstones: the table that records which rows were deleted, if one does.

    Raises:
        TypeError: the declarations name different columns, so that a value that a client sends
            would be dropped.
    """

    model: type[SQLModel]
    editable: tuple[Any, ...]
    read: type[BaseModel]
    create: type[BaseModel]
    patch: type[BaseModel]
    not_found: type[ApiError]
    deleted: type[ApiError]
    filters: Mapping[str, ColumnElement[bool]] = field(default_factory=dict)
    sorts: tuple[Any, ...] = ()
    counter: Any = None
    tombstones: type[SQLModel] | None = None

    def __post_init__(self) -> None:
        columns = list(self.table.columns.keys())
        writable = [name for name in columns if name not in SERVER_COLUMNS]
        declarations = (
            ("editable", writable, [column.key for column in self.editable]),
            (self.read.__name__, columns, list(self.read.model_fields)),
            (self.create.__name__, writable, list(self.create.model_fields)),
            (self.patch.__name__, writable, list(self.patch.model_fields)),
        )
        for name, expected, found in declarations:
            if found != expected:
                raise TypeError(
                    f"{name} declares {found}, but the table {self.table.name} needs {expected}"
                )

    @property
    def editable_columns(self) -> list[Column[Any]]:
        """The columns that clients may write, of the table."""
        return [self.table.c[column.key] for column in self.editable]

    @property
    def table(self) -> Table:
        """The table, whose columns are the members of a response, in their order."""
        table: Table = self.model.__table__  # type: ignore[attr-defined]  # SQLModel makes it
        return table
