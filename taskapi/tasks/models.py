"""The tables of tasks and of their keys: classes for statements' expressions and migrations."""

from datetime import datetime

from sqlalchemy import BigInteger, CheckConstraint, Index, Table, false
from sqlmodel import Field, SQLModel

from taskapi.database.tables import IDS_OF
from taskapi.resource.collation import sort_key
from taskapi.resource.columns import id_column, owner_column, timestamp_column

MAX_TITLE_CHARACTERS = 500
MAX_DESCRIPTION_CHARACTERS = 5000
"""Code points, as PostgreSQL and Python count them."""

MAX_TASK_KEY_CHARACTERS = 64


class Task(SQLModel, table=True):
    """A task, as it is stored. Exactly these columns: anything else gets a table of its own."""

    __tablename__ = "tasks"
    __table_args__ = (
        CheckConstraint("char_length(title) > 0", name="tasks_title_not_empty"),
        Index("tasks_by_age", "user_id", "created_at", "id"),
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


_tasks: Table = Task.__table__  # type: ignore[attr-defined]  # SQLModel makes it

Index("tasks_by_title_order", _tasks.c.user_id, sort_key(_tasks.c.title))


class TaskKey(SQLModel, table=True):
    """The key that a client gave a task when it created it.

    It stays when the task is deleted, so that the same create again makes no second task
    (docs/decisions/0028).

    Attributes:
        key: unique for the user.
        task_id: of the task that was created, which may be deleted by now.
    """

    __tablename__ = "task_keys"
    __table_args__ = (Index("task_keys_by_task", "user_id", "task_id", unique=True),)

    user_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    key: str = Field(primary_key=True, max_length=MAX_TASK_KEY_CHARACTERS)
    task_id: int = Field(sa_type=BigInteger, sa_column_kwargs={"info": {IDS_OF: "tasks"}})
