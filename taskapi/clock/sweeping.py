"""The tombstones that are told no longer are swept, and the clock says up to which time."""

from datetime import timedelta
from typing import Any

from sqlalchemy import (
    Interval,
    Select,
    Table,
    bindparam,
    cast,
    delete,
    func,
    select,
    tuple_,
    update,
)

from taskapi.clock.models import Tombstone
from taskapi.clock.statements import CLOCKS
from taskapi.database.owner import SWEEPING
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.sweeper import MAX_SWEPT_ROWS, Sweep

_stones: Table = Tombstone.__table__  # type: ignore[attr-defined]  # SQLModel makes it
_stone = (_stones.c.user_id, _stones.c.deleted_at, _stones.c.task_id)

_expired = (
    select(*_stone)
    .join(CLOCKS, CLOCKS.c.user_id == _stones.c.user_id)
    .where(_stones.c.deleted_at < func.now() - cast(bindparam("retention"), Interval()), SWEEPING)
    .order_by(_stones.c.deleted_at)
    .limit(Constant(MAX_SWEPT_ROWS))
)


def _sweep(expired: Select[Any]) -> Statement:
    stones = expired.cte("expired")
    swept = (
        delete(_stones)
        .where(tuple_(*_stone).in_(select(*stones.c)), SWEEPING)
        .returning(_stones.c.user_id, _stones.c.deleted_at)
        .cte("swept")
    )
    newest = func.max(swept.c.deleted_at).label("swept_at")
    latest = select(swept.c.user_id, newest).group_by(swept.c.user_id).subquery("latest")
    told = (
        update(CLOCKS)
        .where(CLOCKS.c.user_id == latest.c.user_id, SWEEPING)
        .values(swept_at=func.greatest(CLOCKS.c.swept_at, latest.c.swept_at))
        .cte("told")
    )
    return compiled(select(func.count().label("swept")).select_from(swept).add_cte(told))


# It locks the clocks too, because it updates them: so no two replicas wait for each other, and none
# waits for a user who is writing.
_SWEEP = _sweep(_expired.with_for_update(skip_locked=True))
_UNLOCKED = _sweep(_expired)


def tombstones(retention: timedelta) -> Sweep:
    """Sweep the tombstones that are older than this."""
    return Sweep(_SWEEP, _UNLOCKED, {"retention": retention})
