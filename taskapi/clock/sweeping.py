"""The tombstones that are told no longer are swept, and the clock says up to which time."""

from datetime import timedelta

from sqlalchemy import Interval, Table, bindparam, cast, delete, func, select, tuple_, update

from taskapi.clock.models import Tombstone
from taskapi.clock.statements import CLOCKS
from taskapi.database.owner import SWEEPING
from taskapi.database.statement import Constant, compiled
from taskapi.database.sweeper import MAX_SWEPT_ROWS, Sweep

_stones: Table = Tombstone.__table__  # type: ignore[attr-defined]  # SQLModel makes it
_stone = (_stones.c.user_id, _stones.c.deleted_at, _stones.c.task_id)

# With their clocks, which are updated below: so no two replicas wait for each other, and none waits
# for a user who is writing.
_expired = (
    select(*_stone)
    .join(CLOCKS, CLOCKS.c.user_id == _stones.c.user_id)
    .where(_stones.c.deleted_at < func.now() - cast(bindparam("retention"), Interval()), SWEEPING)
    .order_by(_stones.c.deleted_at)
    .limit(Constant(MAX_SWEPT_ROWS))
    .with_for_update(skip_locked=True)
    .cte("expired")
)
_swept = (
    delete(_stones)
    .where(tuple_(*_stone).in_(select(*_expired.c)), SWEEPING)
    .returning(_stones.c.user_id, _stones.c.deleted_at)
    .cte("swept")
)
_latest = (
    select(_swept.c.user_id, func.max(_swept.c.deleted_at).label("swept_at"))
    .group_by(_swept.c.user_id)
    .subquery("latest")
)
_told = (
    update(CLOCKS)
    .where(CLOCKS.c.user_id == _latest.c.user_id, SWEEPING)
    .values(swept_at=func.greatest(CLOCKS.c.swept_at, _latest.c.swept_at))
    .cte("told")
)
_SWEEP = compiled(select(func.count().label("swept")).select_from(_swept).add_cte(_told))


def tombstones(retention: timedelta) -> Sweep:
    """Sweep the tombstones that are older than this."""
    return Sweep(_SWEEP, {"retention": retention})
