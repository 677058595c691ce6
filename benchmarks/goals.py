"""The goals, and whether a run meets them."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.comparison import FEW, HALF_RATE, MANY
from benchmarks.growth import KINDS, POINTS, table_name
from benchmarks.operations import (
    COMMON,
    CREATE,
    FIND_20,
    KNOWN_100,
    KNOWN_1000,
    LIST_20,
    LIST_100,
    LIST_1000,
    ONE,
    UPDATE,
    Operation,
)
from benchmarks.peers import FLOOR, ONE_WORKER, POCKETBASE, TWO_WORKERS
from benchmarks.results import Result

AT_LEAST, AT_MOST = "\N{GREATER-THAN OR EQUAL TO}", "\N{LESS-THAN OR EQUAL TO}"
TIMES = "\N{MULTIPLICATION SIGN}"

Figure = Callable[[Result], Sequence[float]]
"""A figure in each round of a run; empty where it was not measured."""


@dataclass(frozen=True, slots=True)
class Goal:
    """A bound that the medians of some figures must keep.

    Attributes:
        text: what is compared.
        sense: AT_LEAST or AT_MOST.
        bound: in the unit.
        unit: TIMES, or what stands behind the number.
        figures: each by its name, where they are several.
    """

    text: str
    sense: str
    bound: float
    unit: str
    figures: Mapping[str, Figure]


def figure(name: str, peer: str, operation: Operation, connections: int | None = None) -> Figure:
    """A figure of the samples; of the operation's own number of connections by default."""
    connections = connections or operation.connections
    asked = {"peer": peer, "operation": operation.name, "connections": connections}
    return lambda run: run.figures(name, **asked)


def ratio(one: Figure, other: Figure) -> Figure:
    """One figure to another, round by round; empty where one of them was not measured."""
    return lambda run: [
        mine / theirs if theirs else math.inf
        for mine, theirs in zip(one(run), other(run), strict=False)
    ]


def rates(one: tuple[str, Operation], other: tuple[str, Operation]) -> Figure:
    """Requests per second of one peer and operation to those of another."""
    return ratio(figure("rate", *one), figure("rate", *other))


def _failed(run: Result) -> Sequence[float]:
    return [sum(each.errors for each in run.samples if each.peer.startswith("taskapi"))]


def _told(run: Result, name: str) -> Sequence[float]:
    """What is measured once; runs that were kept earlier lack it."""
    return [run.about[name]] if name in run.about else []


AHEAD = {ONE: 1.3, LIST_100: 4, LIST_1000: 7, CREATE: 1.3, UPDATE: 1.4}
P95 = {operation: figure("p95", HALF_RATE, operation, MANY) for operation in COMMON}
"""At half of the rate, from many connections."""

GOALS = (
    *(
        Goal(
            f"{operation.name}: requests per second, 2 workers to PocketBase",
            *(AT_LEAST, bound, TIMES),
            {"": rates((TWO_WORKERS, operation), (POCKETBASE, operation))},
        )
        for operation, bound in AHEAD.items()
    ),
    Goal(
        "one task: CPU of the service per request, 1 worker to the floor",
        *(AT_MOST, 1.25, TIMES),
        {"": ratio(figure("api_cpu", ONE_WORKER, ONE), figure("api_cpu", FLOOR, ONE))},
    ),
    Goal(
        "an unchanged list (304): requests per second to those of one task",
        *(AT_LEAST, 1.2, TIMES),
        {it.name: rates((ONE_WORKER, it), (ONE_WORKER, ONE)) for it in (KNOWN_100, KNOWN_1000)},
    ),
    Goal(
        f"at half of the rate, {FEW} connections: p99 to p50",
        *(AT_MOST, 3, TIMES),
        {
            it.name: ratio(figure("p99", HALF_RATE, it, FEW), figure("p50", HALF_RATE, it, FEW))
            for it in COMMON
        },
    ),
    Goal(
        f"at half of the rate: p95 of {MANY} connections to that of {FEW}",
        *(AT_MOST, 2, TIMES),
        {it.name: ratio(P95[it], figure("p95", HALF_RATE, it, FEW)) for it in COMMON},
    ),
    Goal(
        f"at half of the rate, {MANY} connections: p95 of the list of 1000",
        *(AT_MOST, 200, " ms"),
        {"": P95[LIST_1000]},
    ),
    Goal(
        f"at half of the rate, {MANY} connections: p95 of everything else",
        *(AT_MOST, 100, " ms"),
        {it.name: p95 for it, p95 in P95.items() if it is not LIST_1000},
    ),
    Goal("failed requests", AT_MOST, 0, "", {"": _failed}),
    Goal(
        "memory of a worker at the most",
        *(AT_MOST, 110, " MB"),
        {"": lambda run: [max(run.figures("worker_megabytes", peer=ONE_WORKER))]},
    ),
    Goal(
        "from `taskapi serve` to the first response, warm",
        *(AT_MOST, 1.5, " s"),
        {"": lambda run: [run.about["start_seconds"]]},
    ),
    Goal(
        "find_tasks of 20: CPU per request to that of the same list",
        *(AT_MOST, 1.5, TIMES),
        {"": ratio(figure("cpu", ONE_WORKER, FIND_20), figure("cpu", ONE_WORKER, LIST_20))},
    ),
    Goal(
        "memory of a worker for agents that never come",
        *(AT_MOST, 2, " MB"),
        {"": lambda run: _told(run, "unused_megabytes")},
    ),
)


def growth_goals(sizes: Sequence[int]) -> Iterator[Goal]:
    """The goals of a run with tables of these sizes."""
    for operation in POINTS:
        costs = {
            f"{tasks} per user": [
                figure("cpu", table_name(size, tasks), operation) for size in (sizes[0], sizes[-1])
            ]
            for tasks in KINDS
        }
        yield Goal(
            f"{operation.name}: CPU per request, {sizes[-1]:,} tasks to {sizes[0]:,}",
            *(AT_MOST, 1.2, TIMES),
            {name: ratio(last, first) for name, (first, last) in costs.items()},
        )


def verdicts(goals: Iterable[Goal], run: Result) -> Iterator[str]:
    """For each goal that a run can tell about: whether it is met, and by which figures."""
    for goal in goals:
        figures = {name: measured for name, it in goal.figures.items() if (measured := it(run))}
        if figures:
            yield _verdict(goal, figures)


def _verdict(goal: Goal, figures: Mapping[str, Sequence[float]]) -> str:
    medians = {name: statistics.median(each) for name, each in figures.items()}
    name = (min if goal.sense == AT_LEAST else max)(medians, key=medians.__getitem__)
    worst, spread = medians[name], figures[name]
    met = worst >= goal.bound if goal.sense == AT_LEAST else worst <= goal.bound
    notes = [f"worst of {len(figures)}: {name}"] if len(figures) > 1 else []
    notes += [f"{min(spread):.3g} to {max(spread):.3g}"] if len(spread) > 1 else []
    said = f"{worst:.3g}{goal.unit}" + (f" ({'; '.join(notes)})" if notes else "")
    wanted = f"{goal.sense} {goal.bound:g}{goal.unit}"
    return f"{'met' if met else '**not met**'}: {goal.text}: {said}, wanted {wanted}"
