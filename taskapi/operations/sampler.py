"""Sets the gauges: what is true now, where counters add up what has happened."""

import asyncio
import platform
from collections.abc import Iterator
from typing import get_args

from taskapi import __version__
from taskapi.database import faults
from taskapi.database.executor import Executor
from taskapi.database.faults import Fault
from taskapi.edge.memory import ResponseMemory
from taskapi.edge.turns import Turns
from taskapi.errors import Limit, Refusal, Unavailable
from taskapi.observability import figures, metrics


class Sampler:
    """Reads the pool, the turns, the responses' memory and, with several workers, this process."""

    def __init__(self, database: Executor, turns: Turns, memory: ResponseMemory) -> None:
        self._pool = database.pool
        self._turns = turns
        self._memory = memory
        self._process = metrics.ProcessMetrics() if metrics.is_shared() else None
        metrics.BUILD.labels(__version__, platform.python_version()).set(1)
        self.sample()  # before the worker counts: whoever counts it finds its gauges
        metrics.WORKERS.set(1)
        _create_counters()

    def sample(self) -> None:
        """Set every gauge to its present value, and write what the other workers are to show."""
        metrics.CONNECTIONS_MAX.set(self._pool.size)
        metrics.CONNECTIONS_OPEN.set(self._pool.open)
        metrics.CONNECTIONS_IN_USE.set(self._pool.in_use)
        metrics.WAITING.set(self._pool.waiting)
        metrics.TURNS_WAITING.set(self._turns.waiting)
        metrics.RESPONSE_BYTES.set(self._memory.held)
        if self._process is not None:
            self._process.sample()
        figures.write_all()

    async def keep_sampling(self) -> None:
        """Sample every second, because any worker may be asked for all of them.

        When it is cancelled, at the end, it takes a last sample: counters outlive their worker.
        """
        try:
            while metrics.is_shared():
                self.sample()
                await asyncio.sleep(metrics.SAMPLE_SECONDS)
        finally:
            self.sample()


def _create_counters() -> None:
    """Create every counter at 0: from nothing to 1, Prometheus would see no increase."""
    for fault in vars(faults).values():
        if isinstance(fault, Fault):
            metrics.DATABASE_FAULTS.labels(fault.kind)
            metrics.DATABASE_RETRIES.labels(fault.kind)
    for reason in get_args(Refusal):
        metrics.TOKEN_REFUSALS.labels(reason)
    for limit in get_args(Limit):
        metrics.LIMITED.labels(limit)
    for result in ("ok", "failed"):
        metrics.KEY_SET_FETCHES.labels(result)
    for cause in ("queue_full", "timed_out"):
        metrics.NO_CONNECTION.labels(cause)
    for cut in ("idle", "full", "slow", "stalled"):
        metrics.CLIENT_CONNECTIONS_CUT.labels(cut)
    for kind in _with_subclasses(Unavailable):
        metrics.UNAVAILABLE.labels(kind.code)


def _with_subclasses(parent: type[Unavailable]) -> Iterator[type[Unavailable]]:
    yield parent
    for child in parent.__subclasses__():
        yield from _with_subclasses(child)
