"""The table of tasks: one SQLModel class for the statements' expressions and the migrations."""

from datetime import datetime

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKeyConstraint,
    Identity,
    Index,
    MetaData,
    Table,
    Text,
    false,
    func,
)
from sqlmodel import Field, SQLModel

from taskapi.config import UserIdType

TITLE_LENGTH = 500
DESCRIPTION_LENGTH = 5000
"""Code points, as PostgreSQL and Python count them."""


class Task(SQLModel, table=True):
    """A task, as it is stored. Exactly these columns: anything else gets a table of its own.

    `user_id` is declared as the default integer; statements never name its type, so they serve
    text ids as they are, and `metadata_for` gives the migrations the type in use.
    """

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
    title: str = Field(max_length=TITLE_LENGTH)
    description: str = Field(max_length=DESCRIPTION_LENGTH, sa_column_kwargs={"server_default": ""})
    is_completed: bool = Field(sa_column_kwargs={"server_default": false()})
    created_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    updated_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    user_id: int = Field(sa_type=BigInteger)


def metadata_for(user_id_type: UserIdType, users_table: str) -> MetaData:
    """The tables as one database has them, with its type of user id and its users table.

    Of the users table only what tasks refer to: the rest of it is the auth server's.
    """
    metadata = MetaData()
    id_type = BigInteger() if user_id_type == "integer" else Text()
    Table(users_table, metadata, Column("id", id_type, primary_key=True))
    tasks = SQLModel.metadata.tables["tasks"].to_metadata(metadata)
    tasks.c.user_id.type = id_type
    tasks.append_constraint(
        ForeignKeyConstraint(["user_id"], [f"{users_table}.id"], ondelete="CASCADE")
    )
    return metadata
