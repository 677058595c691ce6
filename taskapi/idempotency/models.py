"""The table of stored responses."""

from datetime import datetime

from sqlalchemy import BigInteger, DateTime, Index, func
from sqlmodel import Field, SQLModel

MAX_KEY_CHARACTERS = 255


class StoredResponse(SQLModel, table=True):
    """The response to a request with an `Idempotency-Key`, stored in the transaction of its write.

    Attributes:
        request: the fingerprint of the request.
        task_id: the id of the row that was written; null for a batch.
        version: its version after the write; likewise.
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
    body: bytes
    kept_at: datetime = Field(
        sa_type=DateTime(timezone=True), sa_column_kwargs={"server_default": func.now()}
    )
