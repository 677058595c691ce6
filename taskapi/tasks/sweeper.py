"""The sweeper: removes the answers that were kept for a day, a few at a time."""

import asyncio
import random

from taskapi.database.executor import Executor
from taskapi.errors import Unavailable
from taskapi.tasks.statements import SWEEP, SWEPT_AT_ONCE

SWEEP_SECONDS = 600.0
"""Between two sweeps of one process, give or take half, so that a fleet does not sweep at once."""


async def keep_sweeping(database: Executor) -> None:
    """Sweep now and then, until cancelled."""
    while True:
        await asyncio.sleep(SWEEP_SECONDS * random.uniform(0.5, 1.5))  # noqa: S311 - no secret
        try:
            await sweep(database)
        except Unavailable:
            continue  # it has been logged, and the next sweep finds the same answers


async def sweep(database: Executor) -> int:
    """Remove all answers that have expired; how many there were."""
    total, swept = 0, SWEPT_AT_ONCE
    while swept == SWEPT_AT_ONCE:
        swept = (await database.fetch_row(SWEEP, {}))["swept"]
        total += swept
    return total
