"""The sweeper deletes expired responses, a few at a time."""

import asyncio
import random

from taskapi.database.executor import Executor
from taskapi.errors import Unavailable
from taskapi.idempotency.statements import MAX_SWEPT_ROWS, SWEEP

SWEEP_SECONDS = 600.0
"""Between two sweeps of one process, give or take half, so that a fleet does not sweep at once."""


async def keep_sweeping(executor: Executor) -> None:
    """Sweep now and then, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            await sweep(executor)
        except Unavailable:
            continue  # it has been logged, and the next sweep finds the same rows


async def sweep(executor: Executor) -> int:
    """Delete all responses that have expired; returns how many there were."""
    total, swept = 0, MAX_SWEPT_ROWS
    while swept == MAX_SWEPT_ROWS:
        swept = (await executor.fetch_row(SWEEP, {}))["swept"]
        total += swept
    return total
