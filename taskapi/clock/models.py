"""The tables of clocks and of tombstones."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index
from sqlmodel import Field, SQLModel

from taskapi.database.tables import IDS_OF


class UserClock(SQLModel, table=True):
    """When a user's rows last changed.

    Every write of a user first updates this row, and takes `updated_at` from it. The row stays
    locked until the commit, so that for one user the order of `updated_at` is the order of commits
    (docs/decisions/0021).

    Attributes:
        started_at: no token of the changes feed from before is valid: the account had another life
            then, or the database was restored.
        changed_at: the `updated_at` of the user's latest write; no two writes have the same.
        max_task_count: the user has at most so many tasks. A create adds one, nothing subtracts: a
            count sets it right when it has reached the quota. Null before the first count.
        swept_at: the time of the latest tombstone that was swept. Null before the first one.
    """

    __tablename__ = "user_clocks"

    user_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    started_at: datetime = Field(sa_type=DateTime(timezone=True))
    changed_at: datetime = Field(sa_type=DateTime(timezone=True))
    max_task_count: int | None = Field(sa_type=BigInteger)
    swept_at: datetime | None = Field(sa_type=DateTime(timezone=True))


class Tombstone(SQLModel, table=True):
    """That a task was deleted.

    Attributes:
        deleted_at: the time of the user's clock.
        task_id: of the task.
    """

    __tablename__ = "tombstones"
    __table_args__ = (Index("tombstones_by_age", "deleted_at"),)

    user_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    deleted_at: datetime = Field(primary_key=True, sa_type=DateTime(timezone=True))
    task_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"info": {IDS_OF: "tasks"}}
    )
