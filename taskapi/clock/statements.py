"""The clock in statements: the common table expression that every write begins with."""

from datetime import datetime
from typing import Any

from sqlalchemy import (
    CTE,
    BigInteger,
    ColumnElement,
    Interval,
    Subquery,
    Table,
    bindparam,
    cast,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from taskapi.clock.models import UserClock
from taskapi.database.owner import OWNER, Users, owned
from taskapi.database.statement import Constant, Statement, compiled

CLOCKS: Table = UserClock.__table__  # type: ignore[attr-defined]  # SQLModel makes it

QUOTA = cast(bindparam("quota"), BigInteger)
"""How many rows the owner may have; null for any number."""

# By way of UTC, because `timestamptz + interval` depends on the session's time zone, and a sharded
# server then refuses it in an UPDATE. Nor clock_timestamp(), which is volatile.
_microsecond = cast(Constant("1 microsecond"), Interval())
_utc = Constant("UTC")
_later = func.timezone(_utc, func.timezone(_utc, CLOCKS.c.changed_at) + _microsecond)
_now = select(func.statement_timestamp().label("now")).subquery("present")


def tick(*conditions: ColumnElement[bool], counter: ColumnElement[Any] | None = None) -> CTE:
    """Move the owner's clock, and lock it until the transaction ends.

    The write selects from this, so it waits for the lock. It does nothing where there is no clock.

    Args:
        conditions: also needed to move it.
        counter: the column that a new row adds one to, unless it has reached the parameter `quota`.
    """
    changed_at = func.greatest(_now.c.now, _later)
    moved = update(CLOCKS).where(owned(CLOCKS.c.user_id), *conditions).values(changed_at=changed_at)
    if counter is not None:
        moved = moved.where(or_(QUOTA.is_(None), counter < QUOTA)).values(
            {counter.key: counter + Constant(1)}
        )
    return moved.returning(CLOCKS.c.user_id, CLOCKS.c.changed_at).cte("clock")


def shown() -> Subquery:
    """What the owner's clock shows, `started_at` and `changed_at`; no row where there is none."""
    times = select(CLOCKS.c.started_at, CLOCKS.c.changed_at)
    return times.where(owned(CLOCKS.c.user_id)).subquery("shown")


def start(
    users: Users, latest: ColumnElement[datetime], **counted: ColumnElement[Any]
) -> Statement:
    """Start the owner's clock, if they are in the users table; says whether they are (`known`).

    Args:
        users: the users table.
        latest: the newest version of the owner's rows. The server's clock may have been set back
            since, and every change must make a later one.
        counted: the counters by name, and what they begin with.
    """
    identity = users.table.c.id
    now = func.statement_timestamp()
    changed_at = func.greatest(now, latest)
    values = {"user_id": identity, "started_at": now, "changed_at": changed_at, **counted}
    first = select(*(value.label(name) for name, value in values.items())).where(owned(identity))
    clock = upsert(CLOCKS).from_select([*values], first).on_conflict_do_nothing()
    # Nobody reads this RETURNING. Without it, Citus reports a violated constraint as XX000.
    started = clock.returning(CLOCKS.c.user_id).cte("clock")
    return compiled(select(users.known.label("known")).add_cte(started))


def arrive(users: Users) -> Statement:
    """Insert the owner into the users table, if they are not in it."""
    # A known user is left alone, because the table may need more than an id for a new one.
    newcomer = select(OWNER).where(~users.known)
    arrival = upsert(users.table).from_select(["id"], newcomer).on_conflict_do_nothing()
    return compiled(arrival.returning(users.table.c.id))
