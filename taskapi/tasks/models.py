"""The tables: SQLModel classes for the statements' expressions and for the migrations.

`user_id` is declared as the default integer. Statements never name its type, so they serve text ids
as they are, and `metadata_for` gives the migrations the type in use.
"""

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

KEY_LENGTH = 255
"""Characters of an `Idempotency-Key`."""

NOT_GENERATED = {"autoincrement": False}


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


class KeptAnswer(SQLModel, table=True):
    """The answer to a request with an `Idempotency-Key`, kept in the transaction of its write."""

    __tablename__ = "kept_answers"
    __table_args__ = (Index("kept_answers_by_age", "kept_at"),)

    user_id: int = Field(primary_key=True, sa_type=BigInteger, sa_column_kwargs=NOT_GENERATED)
    key: str = Field(primary_key=True, max_length=KEY_LENGTH)
    request: bytes
    task_id: int | None = Field(sa_type=BigInteger)
    version: datetime | None = Field(sa_type=DateTime(timezone=True))
    body: bytes
    kept_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )


OURS = ("tasks", "kept_answers")


def metadata_for(user_id_type: UserIdType, users_table: str) -> MetaData:
    """The tables as one database has them, with its type of user id and its users table.

    Of the users table only what the others refer to: the rest of it is the auth server's.
    """
    metadata = MetaData()
    id_type = BigInteger() if user_id_type == "integer" else Text()
    Table(users_table, metadata, Column("id", id_type, primary_key=True))
    for name in OURS:
        ours = SQLModel.metadata.tables[name].to_metadata(metadata)
        ours.c.user_id.type = id_type
        ours.append_constraint(
            ForeignKeyConstraint(["user_id"], [f"{users_table}.id"], ondelete="CASCADE")
        )
    return metadata
