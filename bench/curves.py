"""The curves of growth: which are flat, which are linear, and which need an explanation."""

from collections.abc import Iterator, Sequence
from itertools import pairwise

from bench.growth import KINDS, OPERATIONS, Case
from bench.results import Result

FLAT = 1.2
"""The most that the dearest may cost of the cheapest."""

LINEAR = 1.5
"""The most that a further task may cost of what one more of the first hundred costs."""

LISTS = "list of all"


def cost(result: Result, size: int, kind: int, operation: str) -> float:
    """Microseconds of CPU for a request, API and database together."""
    return result.median("cpu", **Case(size, kind, operation).chosen) or 0.0


def over_sizes(result: Result, kind: int, operation: str) -> list[float]:
    """What an operation costs in each of the tables, the small ones first."""
    return [cost(result, size, kind, operation) for size in result.about["sizes"]]


def over_kinds(result: Result, size: int, operation: str) -> list[float]:
    """What an operation costs for each kind of user, those with few tasks first."""
    return [cost(result, size, kind, operation) for kind in KINDS]


def growth(costs: Sequence[float]) -> float:
    """What the dearest costs of the cheapest."""
    return max(costs) / min(costs)


def is_linear(costs: Sequence[float]) -> bool:
    """Whether each further task of a user costs about the same."""
    slopes = [
        (more - less) / (many - few)
        for (few, less), (many, more) in pairwise(zip(KINDS, costs, strict=True))
    ]
    return min(slopes) > 0 and max(slopes) / min(slopes) <= LINEAR


def explained(result: Result) -> Iterator[str]:
    """The names of the plans that explain the curves that are neither flat nor linear."""
    sizes = result.about["sizes"]
    found: dict[str, None] = {}
    for operation in OPERATIONS:
        for kind in KINDS:
            if growth(over_sizes(result, kind, operation)) > FLAT:
                for size in (sizes[0], sizes[-1]):
                    found[str(Case(size, kind, operation))] = None
        for size in sizes:
            costs = over_kinds(result, size, operation)
            if growth(costs) > FLAT and not (operation == LISTS and is_linear(costs)):
                for kind in KINDS:
                    found[str(Case(size, kind, operation))] = None
    yield from found
