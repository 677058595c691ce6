"""`make bench`: the peers in turn, in several rounds."""

import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.database import Database, Users
from benchmarks.load import Schedule
from benchmarks.machine import facts
from benchmarks.measure import measure
from benchmarks.operations import (
    ASKING,
    COMMON,
    LIST_100,
    LIST_1000,
    ONE,
    OURS,
    STRANGERS,
    Operation,
)
from benchmarks.peers import FLOOR, ONE_WORKER, TEXTBOOK, Peer, application, embedded, taskapi
from benchmarks.pocketbase import pocketbase
from benchmarks.processes import BenchmarkError, worker_megabytes
from benchmarks.results import Result, Sample

HALF_RATE = f"{ONE_WORKER}, at half of its rate"
FEW, MANY = 10, 100
"""Connections at half of the rate."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often each operation of each peer is.
        schedule: each time.
        common: operations of all peers.
        ours: operations of taskapi only.
        users: whose tasks are in the table.
        warm_up: whether each is run for a second before the first round.
        starts: how many warm starts of taskapi are timed.
    """

    rounds: int
    schedule: Schedule
    common: Sequence[Operation] = COMMON
    ours: Sequence[Operation] = OURS
    users: Sequence[Users] = (*ASKING, STRANGERS)
    warm_up: bool = True
    starts: int = 3


def compare(plan: Plan) -> Result:
    """Start all peers, measure them in turn, stop them."""
    with tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as directory:
        with _peers(Path(directory), plan.users) as peers:
            ours = peers[0]
            about: dict[str, object] = {**facts(ours.database)}
            _check(peers)
            samples = list(_rounds(plan, peers))
            samples += _at_half_rate(plan, ours, Result({}, samples))
            unused = [_unused_megabytes(ours.database) for _ in range(plan.starts)]
        starts = [_warm_start(ours.database) for _ in range(plan.starts)]
    about |= {"rounds": plan.rounds, "seconds": plan.schedule.seconds}
    about |= {"start_seconds": round(statistics.median(starts), 2)}
    return Result(about | {"unused_megabytes": round(statistics.median(unused), 2)}, samples)


@contextmanager
def _peers(directory: Path, users: Sequence[Users]) -> Iterator[list[Peer]]:
    """All servers, with the same tasks; taskapi with one worker is first, the floor last."""
    with ExitStack() as stack:
        start: Callable[..., Peer] = stack.enter_context
        ours = start(embedded(directory))
        database = ours.database
        database.fill(users)
        yield [
            ours,
            start(taskapi(database, workers=2)),
            start(pocketbase(database)),
            start(application(TEXTBOOK, database)),
            start(application(FLOOR, database, "--no-access-log")),
        ]


def _check(peers: Sequence[Peer]) -> None:
    """Check one response of each operation; the floor's bytes must be those of taskapi.

    Raises:
        BenchmarkError: a response is wrong.
    """
    for operation in COMMON:
        bodies = [peer.check(operation) for peer in peers]
        if operation in (ONE, LIST_100, LIST_1000) and bodies[0] != bodies[-1]:
            raise BenchmarkError(f"{operation.name}: {bodies[0]!r} is not {bodies[-1]!r}")
    for operation in OURS:
        peers[0].check(operation)


def _rounds(plan: Plan, peers: Sequence[Peer]) -> Iterator[Sample]:
    cases = [(operation, peers) for operation in plan.common]
    cases += [(operation, peers[:1]) for operation in plan.ours]
    for operation, who in cases if plan.warm_up else ():
        for peer in who:
            measure(peer, operation, 0, Schedule())
    for number in range(plan.rounds):
        for operation, who in cases:
            # Close together, so that the machine is the same for all; and each is first once.
            for peer in [*who[number:], *who[:number]]:
                yield progress(measure(peer, operation, number, plan.schedule))


def _at_half_rate(plan: Plan, peer: Peer, full: Result) -> Iterator[Sample]:
    """The same load from few connections and from many, which shows what being many costs."""
    for number in range(plan.rounds):
        for operation in plan.common:
            rate = full.median("rate", peer=peer.name, operation=operation.name) / 2
            for connections in (FEW, MANY):
                schedule = replace(plan.schedule, connections=connections, rate=rate)
                sample = measure(peer, operation, number, schedule)
                yield progress(replace(sample, peer=HALF_RATE))


def _warm_start(database: Database) -> float:
    """Seconds from `taskapi serve` to its first response; its database is there, but stopped."""
    with taskapi(database, workers=1) as peer:
        return peer.server.start_seconds


def _unused_megabytes(database: Database) -> float:
    """How much larger a worker is for agents that never come."""
    with_them, without = (_megabytes(database, MCP_ENABLED=value) for value in ("true", "false"))
    return with_them - without


def _megabytes(database: Database, **settings: str) -> float:
    """Resident memory of a worker that has just started."""
    with taskapi(database, workers=1, **settings) as peer:
        return worker_megabytes([peer.server.pid])


def progress(sample: Sample) -> Sample:
    """Print a sample on its way."""
    print(  # noqa: T201 - a run takes many minutes
        f"round {sample.round + 1}  {sample.operation:23} {sample.peer:36} {sample.rate:8,.0f}/s"
        f" {sample.api_cpu:8,.0f} + {sample.database_cpu:<6,.0f} µs {sample.errors:4} errors",
        file=sys.stderr,
        flush=True,
    )
    return sample
