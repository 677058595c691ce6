"""`make bench`: the peers in turn, in several rounds."""

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from benchmarks import once
from benchmarks.database import Database, Users
from benchmarks.load import Schedule
from benchmarks.machine import facts, speed
from benchmarks.measure import measure
from benchmarks.operations import (
    ASKING,
    BATCH,
    COMMON,
    FIND_20,
    IMPORT,
    LIST_20,
    LIST_100,
    LIST_1000,
    NO_CHANGES,
    ONE,
    ONE_WRITER,
    OURS,
    POLLS,
    STRANGERS,
    UPDATE,
    WRITERS,
    Operation,
)
from benchmarks.peers import FLOOR, TEXTBOOK, TWO_WORKERS, Peer, application, embedded, taskapi
from benchmarks.pinned import CORES, gain_of_two_workers
from benchmarks.pocketbase import pocketbase
from benchmarks.processes import BenchmarkError
from benchmarks.results import Result, Sample
from benchmarks.streams import idle_streams

HALF_RATE = f"{TWO_WORKERS}, at half of its rate"
ONE_TOKEN = f"{TWO_WORKERS}, one token, at half"
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
        at_half: operations of taskapi that are measured at half of the rate too.
        users: whose tasks are in the table.
        with_textbook: whether the slowest peer takes part.
        warm_up: whether each is run for a second before the first round.
        starts: how many warm starts of taskapi are timed.
        with_streams: whether a thousand event streams are opened.
        in_full: whether that is measured too which takes minutes.
    """

    rounds: int
    schedule: Schedule
    common: Sequence[Operation] = COMMON
    ours: Sequence[Operation] = OURS
    at_half: Sequence[Operation] = COMMON
    users: Sequence[Users] = (*ASKING, STRANGERS)
    with_textbook: bool = True
    warm_up: bool = True
    starts: int = 3
    with_streams: bool = True
    in_full: bool = True


QUICK = Plan(
    1,
    Schedule(),
    ours=(BATCH, IMPORT, LIST_20, FIND_20, *POLLS),
    at_half=(ONE, UPDATE),
    with_textbook=False,
    warm_up=False,
    starts=1,
    in_full=False,
)

SMOKE = Plan(
    1,
    Schedule(verify=True),
    common=(ONE,),
    ours=(IMPORT, NO_CHANGES),
    at_half=(ONE,),
    users=ASKING,
    warm_up=False,
    starts=1,
    with_streams=False,
    in_full=False,
)


def compare(plan: Plan) -> Result:
    """Start all peers, measure them in turn, stop them."""
    with tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as directory:
        with _peers(Path(directory), plan) as peers:
            database = peers[0].database
            about: dict[str, object] = {**facts(database)}
            _check(peers)
            samples = list(_rounds(plan, peers))
            samples += _at_half_rate(plan, peers[1], Result({}, samples))
            about["speed at the end"] = f"at the end {speed()}"
        about["once"] = _once(plan, database)
    about |= {"rounds": plan.rounds, "seconds": plan.schedule.seconds}
    return Result(about, samples)


def _once(plan: Plan, database: Database) -> dict[str, list[float]]:
    """What is not measured in rounds, each by its name. No other server runs meanwhile."""
    found = {"start_seconds": once.warm_starts(database, plan.starts)}
    with taskapi(database, workers=1):  # keeps the database running
        found["unused_megabytes"] = once.unused_megabytes(database, plan.starts)
        if plan.with_streams:
            found |= idle_streams(database)
        if plan.in_full:
            found["growth_megabytes"] = [once.growth_megabytes(database)]
            if (os.cpu_count() or 1) >= CORES:
                gain = gain_of_two_workers(database, plan.rounds, plan.schedule)
                found["pinned_workers_gain"] = gain
    if plan.in_full:
        found["cold_run_seconds"] = [once.cold_run_seconds()]
    return {name: [round(each, 3) for each in figures] for name, figures in found.items()}


@contextmanager
def _peers(directory: Path, plan: Plan) -> Iterator[list[Peer]]:
    """All servers, with the same tasks; taskapi with one worker is first, the floor last."""
    with ExitStack() as stack:
        start: Callable[..., Peer] = stack.enter_context
        ours = start(embedded(directory))
        database = ours.database
        database.fill(plan.users)
        textbook = (application(TEXTBOOK, database),) if plan.with_textbook else ()
        yield [
            ours,
            start(taskapi(database, workers=2)),
            start(pocketbase(database)),
            *(start(each) for each in textbook),
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
    # Polls and one task, which are compared, one after the other.
    cases = [(operation, peers[:1]) for operation in plan.ours]
    cases += [(operation, peers) for operation in plan.common]
    for operation, who in cases if plan.warm_up else ():
        for peer in who:
            measure(peer, operation, 0, Schedule())
    for number in range(plan.rounds):
        for operation, who in cases:
            # Close together, so that the machine is the same for all; and each is first once.
            first = number % len(who)
            for peer in [*who[first:], *who[:first]]:
                yield progress(measure(peer, operation, number, plan.schedule))


def _at_half_rate(plan: Plan, peer: Peer, full: Result) -> Iterator[Sample]:
    """From few connections and from many of one user, which shows what being many costs."""
    for operation in plan.at_half:
        everybody = full.median("rate", peer=peer.name, operation=operation.name)
        by_one = replace(operation, users=ONE_WRITER) if operation.users is WRITERS else operation
        alone = measure(peer, by_one, 0, plan.schedule).rate
        cases = [(HALF_RATE, operation, everybody, FEW)]
        cases += [(ONE_TOKEN, by_one, alone, connections) for connections in (FEW, MANY)]
        for number, (name, asked, rate, connections) in product(range(plan.rounds), cases):
            schedule = replace(plan.schedule, connections=connections, rate=rate / 2)
            yield progress(replace(measure(peer, asked, number, schedule), peer=name))


def progress(sample: Sample) -> Sample:
    """Print a sample on its way."""
    print(  # noqa: T201 - a run takes many minutes
        f"round {sample.round + 1}  {sample.operation:23} {sample.peer:36} {sample.rate:8,.0f}/s"
        f" {sample.api_cpu:8,.0f} + {sample.database_cpu:<6,.0f} µs {sample.errors:4} errors",
        file=sys.stderr,
        flush=True,
    )
    return sample
