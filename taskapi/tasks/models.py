"""The table of tasks: an SQLModel class for the statements' expressions and for the migrations."""

from datetime import datetime

from sqlalchemy import CheckConstraint, Index, false
from sqlmodel import Field, SQLModel

from taskapi.resource.columns import id_column, owner_column, timestamp_column

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

    id: int = id_column()
    title: str = Field(max_length=MAX_TITLE_CHARACTERS)
    description: str = Field(
        max_length=MAX_DESCRIPTION_CHARACTERS, sa_column_kwargs={"server_default": ""}
    )
    is_completed: bool = Field(sa_column_kwargs={"server_default": false()})
    created_at: datetime = timestamp_column()
    updated_at: datetime = timestamp_column()
    user_id: int = owner_column()
