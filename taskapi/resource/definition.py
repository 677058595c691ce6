"""A resource, declared once: its table, what clients may write, and how its lists are asked for."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from pydantic import BaseModel
from sqlalchemy import Column, ColumnElement, Table
from sqlmodel import SQLModel

from taskapi.errors import ApiError

SERVER_COLUMNS = {"id", "created_at", "updated_at", "user_id"}
"""What the table of every resource has, and no client can set."""

SEARCH_SECONDS = 2.0
"""10,000 tasks of 20 kB are searched in less."""

MAX_BYTES_OF_CHARACTER = 6
"""In JSON: a control character as `\\u001f`. Any other takes at most 4."""

MAX_OWNER_CHARACTERS = 255
"""Of `user_id`, where it is text."""

MAX_OTHER_BYTES = 64
"""Of a member that is not text, and of the name and the punctuation of each."""


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
        searches: those of the filters that read every row of the owner, so that PostgreSQL may work
            on such a list for at most `SEARCH_SECONDS`.
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
    searches: frozenset[str] = frozenset()
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

    @cached_property
    def max_row_bytes(self) -> float:
        """The most bytes of JSON that a row can have; infinite where some text has no bound.

        A task: 6 * (500 + 5000) for its texts, and 2 kB for all the rest.
        """
        lengths = [getattr(column.type, "length", 0) for column in self.table.columns]
        bounds = (math.inf if length is None else length for length in lengths)
        characters = MAX_OWNER_CHARACTERS + sum(bounds)
        return MAX_BYTES_OF_CHARACTER * characters + MAX_OTHER_BYTES * len(lengths)

    def max_seconds(self, filters: frozenset[str]) -> float | None:
        """For which PostgreSQL may work on a list with these filters, or None for no such limit."""
        return SEARCH_SECONDS if filters & self.searches else None
