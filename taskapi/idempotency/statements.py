"""The statements behind `Idempotency-Key`: a response is stored with its write, or not at all."""

from sqlalchemy import (
    CTE,
    Interval,
    LargeBinary,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    select,
    tuple_,
    update,
)
from sqlmodel import col

from taskapi.clock.statements import tick
from taskapi.database.owner import owned
from taskapi.database.rendering import as_bytes, json_object
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.sweeper import MAX_SWEPT_ROWS, Sweep
from taskapi.idempotency.models import StoredResponse

EMPTY = cast(Constant(""), LargeBinary())

A_DAY_AGO = func.now() - cast(Constant("24 hours"), Interval())

_table: Table = StoredResponse.__table__  # type: ignore[attr-defined]  # SQLModel makes it

_own_key = and_(owned(_table.c.user_id), col(StoredResponse.key) == bindparam("key"))


def storing(written: CTE) -> CTE:
    """Store what a write returned, under the parameters `key` and `fingerprint`.

    A repetition violates the primary key, which undoes the whole statement, the write too.

    Args:
        written: the row, as plain columns.
    """
    response = select(
        written.c.user_id,
        cast(bindparam("key"), Text()),
        cast(bindparam("fingerprint"), LargeBinary()),
        written.c.id,
        written.c.updated_at,
        as_bytes(json_object(written.c)),
    )
    columns = ["user_id", "key", "request", "task_id", "version", "body"]
    store = insert(StoredResponse).from_select(columns, response, include_defaults=False)
    return store.cte("stored")


def claim() -> Statement:
    """Take a key in a transaction, before anything else in it; others wait until it ends."""
    claimed = select(
        tick().c.user_id,
        cast(bindparam("key"), Text()),
        cast(bindparam("fingerprint"), LargeBinary()),
        EMPTY,
    )
    columns = ["user_id", "key", "request", "body"]
    taken = insert(StoredResponse).from_select(columns, claimed, include_defaults=False)
    return compiled(taken.returning(col(StoredResponse.key)))


STORE = compiled(
    update(StoredResponse)
    .where(_own_key)
    .values(body=bindparam("body"))
    .returning(col(StoredResponse.key))
)

FETCH = compiled(
    select(
        col(StoredResponse.request).label("fingerprint"),
        col(StoredResponse.task_id).label("id"),
        col(StoredResponse.version),
        col(StoredResponse.body),
    ).where(_own_key, col(StoredResponse.kept_at) > A_DAY_AGO)
)

DELETE_EXPIRED = compiled(
    delete(StoredResponse)
    .where(_own_key, col(StoredResponse.kept_at) <= A_DAY_AGO)
    .returning(col(StoredResponse.key))
)


# The one statement without an owner: it deletes what no request can use any more. Few rows at a
# time, and none that another replica is deleting, so that no request waits for it.
_expired = (
    select(col(StoredResponse.user_id), col(StoredResponse.key))
    .where(col(StoredResponse.kept_at) <= A_DAY_AGO)
    .order_by(col(StoredResponse.kept_at))
    .limit(Constant(MAX_SWEPT_ROWS))
    .with_for_update(skip_locked=True)
)
_swept = (
    delete(StoredResponse)
    .where(tuple_(col(StoredResponse.user_id), col(StoredResponse.key)).in_(_expired))
    .returning(col(StoredResponse.key))
    .cte("swept")
)
SWEEP = Sweep(compiled(select(func.count().label("swept")).select_from(_swept)), {})
