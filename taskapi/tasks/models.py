"""The table of tasks: an SQLModel class for the statements' expressions and for the migrations.

`user_id` is declared as the default integer. Statements never name its type, so they serve text ids
too, and `migrations.metadata` has the type in use.
"""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, DateTime, Identity, Index, false, func
from sqlmodel import Field, SQLModel

MAX_TITLE_CHARACTERS = 500
MAX_DESCRIPTION_CHARACTERS = 5000
"""Code points, as PostgreSQL and Python count them."""


class Task(SQLModel, table=True):
    """A task, as it is stored. Exactly these columns: anything else gets a table of its own."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("char_length(title) > 0", name="tasks_title_not_empty"),
        Index("tasks_by_age", "user_id", "created_at", "id"),
        Index("tasks_by_title", "user_id", "title"),
    )

    id: int = Field(
        primary_key=True,
        sa_type=BigInteger,
        sa_column_kwargs={"server_default": Identity(always=True)},
    )
    title: str = Field(max_length=MAX_TITLE_CHARACTERS)
    description: str = Field(
        max_length=MAX_DESCRIPTION_CHARACTERS, sa_column_kwargs={"server_default": ""}
    )
    is_completed: bool = Field(sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    updated_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    user_id: int = Field(sa_type=BigInteger)
