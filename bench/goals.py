"""The goals, and whether a run has met them."""

import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bench.operations import Operation
from bench.peers import NAMES
from bench.results import Result
from bench.tables import times
from bench.tournament import PACED

AHEAD_OF_POCKETBASE = {
    Operation.ONE: 1.0,
    Operation.LIST_100: 3.0,
    Operation.LIST_1000: 5.0,
    Operation.CREATE: 1.3,
    Operation.UPDATE: 1.0,
    Operation.TOGGLE: 1.0,
    Operation.DELETE: 1.0,
}
AHEAD_OF_TEXTBOOK = 10.0
ABOVE_FLOOR = 1.5

SLOWEST = dict.fromkeys(Operation, 100.0) | {Operation.LIST_1000: 200.0}
"""Milliseconds of p95 from a hundred clients."""

CROWDED = 2.0
"""How much longer a p95 may be from a hundred clients than from ten, at one rate."""

WORKER_MEGABYTES = 120.0
START_SECONDS = 2.0

COMPARED_AT = 32
"""Connections."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """One goal and what was measured.

    Attributes:
        goal: what is wanted.
        wanted: the bound, in words.
        measured: the figure, in words.
        met: whether it is.
    """

    goal: str
    wanted: str
    measured: str
    met: bool


def verdicts(result: Result) -> list[Verdict]:
    """All goals that this run can tell about."""
    return [
        *_ahead(result, NAMES[2], "PocketBase", AHEAD_OF_POCKETBASE),
        *_ahead(result, NAMES[1], "textbook", dict.fromkeys(Operation, AHEAD_OF_TEXTBOOK)),
        *_above_floor(result),
        *_latency(result),
        *_crowded(result),
        *_frugal(result),
    ]


def _ahead(
    result: Result, ours: str, theirs: str, factors: dict[Operation, float]
) -> Iterator[Verdict]:
    for operation, factor in factors.items():
        ratios = result.ratios("rate", ours, theirs, operation=operation, connections=COMPARED_AT)
        if ratios:
            goal = f"{operation}: throughput of {ours} to that of {theirs}"
            met = statistics.median(ratios) >= factor
            yield Verdict(goal, f"≥ {times(factor)}", _spread(ratios), met)


def _above_floor(result: Result) -> Iterator[Verdict]:
    for operation in Operation:
        ratios = result.ratios(
            "api_cpu", NAMES[1], "floor", operation=operation, connections=COMPARED_AT
        )
        if ratios:
            met = statistics.median(ratios) <= ABOVE_FLOOR
            goal = f"{operation}: CPU for a request, to the floor's"
            yield Verdict(goal, f"≤ {times(ABOVE_FLOOR)}", _spread(ratios), met)


def _latency(result: Result) -> Iterator[Verdict]:
    clients = max(result.distinct("connections"), default=0)
    for operation, bound in SLOWEST.items():
        p95 = result.median("p95", peer=NAMES[1], operation=operation, connections=clients)
        if p95 is not None:
            goal = f"{operation}: p95 from {clients} connections"
            yield Verdict(goal, f"< {bound:g} ms", f"{p95:.1f} ms", p95 < bound)


def _crowded(result: Result) -> Iterator[Verdict]:
    few, many = 10, 100
    for operation in Operation:
        asked = {"peer": PACED, "operation": operation}
        alone = result.median("p95", connections=few, **asked)
        crowded = result.median("p95", connections=many, **asked)
        if alone is None or crowded is None:
            continue
        errors = sum(sample.errors for sample in result.chosen(connections=many, **asked))
        goal = f"{operation}, at half of the rate: p95 from {many} connections to that from {few}"
        measured = f"{times(crowded / alone)}, {errors} errors"
        met = crowded <= CROWDED * alone and not errors
        yield Verdict(goal, f"≤ {times(CROWDED)}, 0 errors", measured, met)


def _frugal(result: Result) -> Iterator[Verdict]:
    samples = result.chosen(peer=NAMES[1])
    if samples:
        most = max(sample.worker_megabytes for sample in samples)
        answered = sum(sample.requests for sample in samples)
        goal = f"memory of a worker, over {answered:,} requests"
        wanted = f"≤ {WORKER_MEGABYTES:g} MB"
        yield Verdict(goal, wanted, f"{most:.0f} MB", most <= WORKER_MEGABYTES)
    start = result.about["start_seconds"]
    goal = "from `taskapi serve` to the first answer, warm"
    yield Verdict(goal, f"≤ {START_SECONDS:g} s", f"{start:.1f} s", start <= START_SECONDS)


def _spread(ratios: Sequence[float]) -> str:
    middle = times(statistics.median(ratios))
    if len(ratios) == 1:
        return middle
    return f"{middle} ({times(min(ratios))} to {times(max(ratios))})"
