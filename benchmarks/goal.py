"""What a goal is, and whether a run meets it."""

import math
import statistics
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.operations import Operation
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
        needs: what a run must be to measure it, unless every run does.
    """

    text: str
    sense: str
    bound: float
    unit: str
    figures: Mapping[str, Figure]
    needs: str = ""


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


def beyond(one: Figure, other: Figure) -> Figure:
    """By how much a figure is larger than another one, round by round."""
    return lambda run: list(map(float.__sub__, one(run), other(run)))


def told(name: str) -> dict[str, Figure]:
    """What is measured once; runs that were kept earlier lack some of it."""
    return {"": lambda run: run.about.get("once", {}).get(name, [])}


def verdicts(goals: Iterable[Goal], run: Result, *, of_all: bool = False) -> Iterator[str]:
    """For each goal that a run can tell about: whether it is met, and by which figures.

    Args:
        goals: which.
        run: has the figures.
        of_all: whether a goal about which it cannot tell gets a line too.
    """
    for goal in goals:
        figures = {name: measured for name, it in goal.figures.items() if (measured := it(run))}
        if figures:
            yield _verdict(goal, figures)
        elif of_all:
            yield f"not measured: {goal.text}" + (f": it needs {goal.needs}" if goal.needs else "")


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
