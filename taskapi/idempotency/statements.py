"""The statements behind `Idempotency-Key`: an outcome is stored with its write, or not at all."""

from typing import Any

from sqlalchemy import (
    ARRAY,
    CTE,
    BigInteger,
    ColumnElement,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Select,
    SmallInteger,
    Table,
    Text,
    and_,
    bindparam,
    cast,
    delete,
    func,
    insert,
    null,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.types import TypeEngine
from sqlmodel import col

from taskapi.clock.statements import tick
from taskapi.database.owner import SWEEPING, owned
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.sweeper import MAX_SWEPT_ROWS, Sweep
from taskapi.idempotency.models import StoredOutcome

EMPTY = cast(Constant(""), LargeBinary())

_A_DAY = cast(Constant("24 hours"), Interval())
_UTC = Constant("UTC")

A_DAY_AGO = func.now() - _A_DAY

KEY = cast(bindparam("key"), Text())
FINGERPRINT = cast(bindparam("fingerprint"), LargeBinary())

_table: Table = StoredOutcome.__table__  # type: ignore[attr-defined]  # SQLModel makes it

_own_key = and_(owned(_table.c.user_id), col(StoredOutcome.key) == KEY)


def looking() -> CTE:
    """Look for the outcome of an earlier request with the parameter `key`.

    Columns: `fingerprint`, `row_id`, and `expired`, whether it is older than a day.
    """
    return (
        select(
            col(StoredOutcome.request).label("fingerprint"),
            col(StoredOutcome.task_id).label("row_id"),
            (col(StoredOutcome.kept_at) <= A_DAY_AGO).label("expired"),
        )
        .where(_own_key)
        .cte("kept")
    )


def storing(written: CTE) -> CTE:
    """Store the outcome of a write, under the parameters `key` and `fingerprint`.

    Where another request has taken the key at the same instant, unseen by `looking`, this violates
    the primary key, which undoes the whole statement, the write too.

    Args:
        written: the row, as plain columns.
    """
    outcome = select(written.c.user_id, KEY, FINGERPRINT, written.c.id, written.c.updated_at)
    columns = ["user_id", "key", "request", "task_id", "version"]
    store = insert(StoredOutcome).from_select(columns, outcome, include_defaults=False)
    return store.returning(col(StoredOutcome.key)).cte("stored")


_NO_OUTCOMES: dict[str, ColumnElement[Any]] = {
    name: cast(Constant("{}"), _table.c[name].type) for name in ("statuses", "task_ids", "versions")
}


def claim() -> Statement:
    """Take a key for a batch, before anything else; others wait until the transaction ends.

    Returns a row unless the key is in use, or the owner has no clock. A key that has expired is
    taken over.
    """
    claimed = select(tick().c.user_id, KEY, FINGERPRINT, func.now(), *_NO_OUTCOMES.values())
    columns = ["user_id", "key", "request", "kept_at", *_NO_OUTCOMES]
    taken = upsert(StoredOutcome).from_select(columns, claimed, include_defaults=False)
    single = {"task_id": null(), "version": null(), "body": EMPTY}
    new = taken.excluded
    renewed = {"request": new.request, "kept_at": new.kept_at, **_NO_OUTCOMES, **single}
    # Both in UTC, because `timestamptz - interval` depends on the session's time zone, and Citus
    # then refuses it here.
    kept_at, now = (func.timezone(_UTC, time) for time in (col(StoredOutcome.kept_at), new.kept_at))
    expired = kept_at <= now - _A_DAY
    taken = taken.on_conflict_do_update(constraint=_table.primary_key, set_=renewed, where=expired)
    return compiled(taken.returning(col(StoredOutcome.key)))


def _array(name: str, of: TypeEngine[Any]) -> ColumnElement[Any]:
    """An array parameter, which travels as texts.

    asyncpg has to ask each new connection about every other type of array first, which takes up to
    three round trips.
    """
    return cast(cast(bindparam(name), ARRAY(Text())), ARRAY(of))


STORE = compiled(
    update(StoredOutcome)
    .where(_own_key)
    .values(
        statuses=_array("statuses", SmallInteger()),
        task_ids=_array("row_ids", BigInteger()),
        versions=_array("versions", DateTime(timezone=True)),
    )
    .returning(col(StoredOutcome.key))
)

APPEND = compiled(
    update(StoredOutcome)
    .where(
        _own_key,
        func.cardinality(col(StoredOutcome.statuses)) == cast(bindparam("number"), Integer()),
    )
    .values(
        {
            name: func.array_append(_table.c[name], cast(bindparam(parameter), kind))
            for name, parameter, kind in (
                ("statuses", "status", SmallInteger()),
                ("task_ids", "row_id", BigInteger()),
            )
        }
    )
    .returning(col(StoredOutcome.key))
)
"""Add the outcome of an operation, if it is the one whose turn it is; otherwise no row returns."""

FETCH = compiled(
    select(
        col(StoredOutcome.request).label("fingerprint"),
        cast(col(StoredOutcome.statuses), ARRAY(Text())).label("statuses"),
        cast(col(StoredOutcome.task_ids), ARRAY(Text())).label("row_ids"),
        col(StoredOutcome.body),
    ).where(_own_key)
)

DELETE_EXPIRED = compiled(
    delete(StoredOutcome)
    .where(_own_key, col(StoredOutcome.kept_at) <= A_DAY_AGO)
    .returning(col(StoredOutcome.key))
)


# The one statement without an owner: it deletes what no request can use any more. Few rows at a
# time, and none that another replica is deleting, so that no request waits for it.
_expired = (
    select(col(StoredOutcome.user_id), col(StoredOutcome.key))
    .where(col(StoredOutcome.kept_at) <= A_DAY_AGO, SWEEPING)
    .order_by(col(StoredOutcome.kept_at))
    .limit(Constant(MAX_SWEPT_ROWS))
)


def _sweep(expired: Select[int, str]) -> Statement:
    row = tuple_(col(StoredOutcome.user_id), col(StoredOutcome.key))
    swept = delete(StoredOutcome).where(row.in_(expired), SWEEPING)
    rows = swept.returning(col(StoredOutcome.key)).cte("swept")
    return compiled(select(func.count().label("swept")).select_from(rows))


SWEEP = Sweep(_sweep(_expired.with_for_update(skip_locked=True)), _sweep(_expired), {})
