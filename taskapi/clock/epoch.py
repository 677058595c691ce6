"""A new epoch: from it on, no token of the changes feed from before is valid.

For a database that was restored to an earlier moment, whose clients have seen changes which it does
not have.
"""

from collections.abc import AsyncIterator

from sqlalchemy import bindparam, func, select, update

from taskapi.clock.statements import CLOCKS
from taskapi.config import UserIdType
from taskapi.database.executor import Executor
from taskapi.database.owner import SWEEPING, UserId
from taskapi.database.statement import Constant, compiled

MAX_CLOCKS = 1000
"""In one statement, so that no user's writes wait for long."""

BEFORE_ALL: dict[UserIdType, UserId] = {"integer": -(2**63), "text": ""}

COUNT = compiled(select(func.count().label("clocks")).select_from(CLOCKS).where(SWEEPING))

_next = (
    select(CLOCKS.c.user_id, func.statement_timestamp().label("now"))
    .where(CLOCKS.c.user_id > bindparam("after"), SWEEPING)
    .order_by(CLOCKS.c.user_id)
    .limit(Constant(MAX_CLOCKS))
    .cte("next")
)
_begun = (
    update(CLOCKS)
    .where(CLOCKS.c.user_id == _next.c.user_id, SWEEPING)
    .values(started_at=_next.c.now, changed_at=func.greatest(CLOCKS.c.changed_at, _next.c.now))
    .returning(CLOCKS.c.user_id)
    .cte("begun")
)
BEGIN = compiled(select(func.count().label("begun"), func.max(_begun.c.user_id).label("last")))


async def begin_epoch(executor: Executor, user_id_type: UserIdType) -> AsyncIterator[int]:
    """Begin a new epoch for every user; yields how many clocks have it now, after each step."""
    done, last = 0, BEFORE_ALL[user_id_type]
    while last is not None:
        # Repeated after a lost connection, it only begins once more.
        row = await executor.fetch_row(BEGIN, {"after": last}, idempotent=True)
        done, last = done + row["begun"], row["last"]
        yield done


async def count_clocks(executor: Executor) -> int:
    """How many users have a clock."""
    count: int = (await executor.fetch_row(COUNT, {}))["clocks"]
    return count
