"""A new epoch: from it on, no token of the changes feed from before is valid.

For a database that was restored to an earlier moment, whose clients have seen changes which it does
not have.
"""

from collections.abc import AsyncIterator

from sqlalchemy import ColumnElement, bindparam, func, select, update

from taskapi.clock.statements import CLOCKS
from taskapi.database.executor import Executor
from taskapi.database.owner import SWEEPING
from taskapi.database.statement import Constant, Statement, compiled

MAX_CLOCKS = 1000
"""In one statement, so that no user's writes wait for long."""

COUNT = compiled(select(func.count().label("clocks")).select_from(CLOCKS).where(SWEEPING))


def _begin(*behind: ColumnElement[bool]) -> Statement:
    """Begin it for the next users; `begun` is how many those are, and `last` the last of them."""
    clocks = (
        select(CLOCKS.c.user_id, func.statement_timestamp().label("now"))
        .where(*behind, SWEEPING)
        .order_by(CLOCKS.c.user_id)
        .limit(Constant(MAX_CLOCKS))
        .cte("next")
    )
    begun = (
        update(CLOCKS)
        .where(CLOCKS.c.user_id == clocks.c.user_id, SWEEPING)
        .values(
            started_at=clocks.c.now,
            changed_at=func.greatest(CLOCKS.c.changed_at, clocks.c.now),
        )
        .returning(CLOCKS.c.user_id)
        .cte("begun")
    )
    # Not `max`, which PostgreSQL has for uuids from 18 on.
    last = select(begun.c.user_id).order_by(begun.c.user_id.desc()).limit(Constant(1))
    count = select(func.count()).select_from(begun)
    return compiled(
        select(count.scalar_subquery().label("begun"), last.scalar_subquery().label("last"))
    )


FIRST = _begin()
NEXT = _begin(CLOCKS.c.user_id > bindparam("after"))


async def begin_epoch(executor: Executor) -> AsyncIterator[int]:
    """Begin a new epoch for every user; yields how many clocks have it now, after each step."""
    # Repeated after a lost connection, a step only begins once more.
    row = await executor.fetch_row(FIRST, {}, idempotent=True)
    done = row["begun"]
    yield done
    while row["last"] is not None:
        row = await executor.fetch_row(NEXT, {"after": row["last"]}, idempotent=True)
        done += row["begun"]
        yield done


async def count_clocks(executor: Executor) -> int:
    """How many users have a clock."""
    count: int = (await executor.fetch_row(COUNT, {}))["clocks"]
    return count
