"""The sweeper deletes rows that have expired, a few at a time.

It does so only after users have written, so that a service which nobody uses lets its database
suspend (docs/decisions/0036).
"""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import asyncpg

from taskapi.database.executor import Executor
from taskapi.database.statement import Statement
from taskapi.errors import Unavailable
from taskapi.jitter import jittered

MAX_SWEPT_ROWS = 1000

SWEEP_SECONDS = 600.0
"""Between two sweeps of one process, give or take half, so that a fleet does not sweep at once."""


class Sweep(NamedTuple):
    """What is swept.

    Attributes:
        statement: deletes up to `MAX_SWEPT_ROWS` expired rows, and none that a request or another
            replica holds; its column `swept` says how many.
        unlocked: the same for a server that refuses to lock rows of several users; it waits for
            whoever holds one.
        values: their parameters.
    """

    statement: Statement
    unlocked: Statement
    values: Mapping[str, object]


async def keep_sweeping(executor: Executor, sweeps: Sequence[Sweep]) -> None:
    """Sweep now and then if this process has written since the last time, until cancelled."""
    writes = 0
    while True:
        await asyncio.sleep(jittered(SWEEP_SECONDS))
        if executor.writes > writes:
            writes = executor.writes
            for each in sweeps:
                try:
                    await sweep(executor, each)
                except Unavailable:
                    writes = -1  # it has been logged, and the next sweep finds the same rows


async def sweep(executor: Executor, what: Sweep) -> int:
    """Delete all rows that have expired; returns how many there were."""
    total, swept = 0, MAX_SWEPT_ROWS
    while swept == MAX_SWEPT_ROWS:
        swept = (await _sweep_some(executor, what))["swept"]
        total += swept
    return total


async def _sweep_some(executor: Executor, what: Sweep) -> Any:
    try:
        return await executor.fetch_row(what.statement, what.values)
    except asyncpg.FeatureNotSupportedError:  # Citus takes no row locks on several shards
        return await executor.fetch_row(what.unlocked, what.values)
