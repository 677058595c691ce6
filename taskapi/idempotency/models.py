"""The table of outcomes: what became of each request with an `Idempotency-Key`."""

from datetime import datetime

from sqlalchemy import ARRAY, BigInteger, DateTime, Index, SmallInteger, func
from sqlmodel import Field, SQLModel

MAX_KEY_CHARACTERS = 255


class StoredOutcome(SQLModel, table=True):
    """The outcome of a request with an `Idempotency-Key`, stored in the transaction of its write.

    It holds no text, so nothing that a user deletes comes back, and a request of 2.5 kB leaves less
    than that behind (2.1 MB, when whole responses were stored).

    Attributes:
        request: the fingerprint of the request.
        task_id: the id of the row that was written; null for a batch.
        version: its version after the write; likewise.
        statuses: of the results of a batch, in their order; null for a single write, whose status
            its operation has.
        task_ids: the ids of their rows; null where there was none.
        versions: the versions of the rows after each; null for a deletion, and for an operation
            that failed.
        body: the release before stores the response here, and runs beside this one while a fleet is
            replaced. This one stores nothing.
    """

    __tablename__ = "kept_answers"
    __table_args__ = (Index("kept_answers_by_age", "kept_at"),)

    user_id: int = Field(
        primary_key=True, sa_type=BigInteger, sa_column_kwargs={"autoincrement": False}
    )
    key: str = Field(primary_key=True, max_length=MAX_KEY_CHARACTERS)
    request: bytes
    task_id: int | None = Field(sa_type=BigInteger)
    version: datetime | None = Field(sa_type=DateTime(timezone=True))
    body: bytes = Field(sa_column_kwargs={"server_default": ""})
    kept_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
    statuses: list[int] | None = Field(sa_type=ARRAY(SmallInteger))
    task_ids: list[int] | None = Field(sa_type=ARRAY(BigInteger))
    versions: list[datetime | None] | None = Field(sa_type=ARRAY(DateTime(timezone=True)))
