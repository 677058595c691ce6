"""The goals."""

import os
from collections.abc import Iterator, Mapping, Sequence

from benchmarks.comparison import FEW, HALF_RATE, MANY, ONE_TOKEN
from benchmarks.goal import (
    AT_LEAST,
    AT_MOST,
    TIMES,
    Figure,
    Goal,
    beyond,
    figure,
    rates,
    ratio,
    told,
)
from benchmarks.growth import KINDS, POINTS, table_name
from benchmarks.operations import (
    COMMON,
    CREATE,
    DELETE,
    FIND_20,
    LIST_20,
    LIST_100,
    LIST_1000,
    ONE,
    POLLS,
    TOGGLE,
    UPDATE,
    Operation,
)
from benchmarks.peers import FLOOR, ONE_WORKER, POCKETBASE, TWO_WORKERS
from benchmarks.pinned import CORES
from benchmarks.results import Result

FULL_RUN = "a whole run"
MICROSECONDS = " \N{MICRO SIGN}s"

AHEAD = {ONE: 1.3, LIST_100: 4, LIST_1000: 7, CREATE: 1.3, UPDATE: 1.4}
WRITES = (CREATE, UPDATE, TOGGLE, DELETE)

WORKERS_GAIN = 1.7
"""Times the rate of one worker that two should have."""


def _failed(run: Result) -> Sequence[float]:
    return [sum(each.errors for each in run.samples if each.peer.startswith("taskapi"))]


def _start_seconds(run: Result) -> Sequence[float]:
    once: Sequence[float] = run.about.get("once", {}).get("start_seconds", [])
    return once or [run.about["start_seconds"]]  # where earlier runs have it


def _beyond_floor(operation: Operation) -> Figure:
    costs = beyond(*(figure("database_cpu", it, operation) for it in (ONE_WORKER, FLOOR)))
    # In runs that tell no speed, the floor had the SQL of the service.
    return lambda run: costs(run) if "speed" in run.about else []


def _at_half(name: str, peer: str, connections: int) -> Mapping[Operation, Figure]:
    return {it: figure(name, peer, it, connections) for it in COMMON}


def _by_name(figures: Mapping[Operation, Figure]) -> dict[str, Figure]:
    return {operation.name: it for operation, it in figures.items()}


P95 = _at_half("p95", ONE_TOKEN, MANY)
P95_OF_FEW = _at_half("p95", ONE_TOKEN, FEW)
P99, P50 = (_at_half(name, HALF_RATE, FEW) for name in ("p99", "p50"))

RATES = (
    *(
        Goal(
            f"{operation.name}: requests per second, 2 workers to PocketBase",
            *(AT_LEAST, bound, TIMES),
            {"": rates((TWO_WORKERS, operation), (POCKETBASE, operation))},
        )
        for operation, bound in AHEAD.items()
    ),
    Goal(
        "a poll with nothing new: requests per second to those of one task",
        *(AT_LEAST, 1.2, TIMES),
        {it.name: rates((ONE_WORKER, it), (ONE_WORKER, ONE)) for it in POLLS},
    ),
    Goal(
        "one task: requests per second, 2 workers to 1, on cores of their own",
        *(AT_LEAST, WORKERS_GAIN, TIMES),
        told("pinned_workers_gain"),
        f"{FULL_RUN} on {CORES} cores or more, and here are {os.cpu_count()}",
    ),
)

COSTS = (
    Goal(
        "one task: CPU of the service per request, 1 worker to the floor",
        *(AT_MOST, 1.25, TIMES),
        {"": ratio(figure("api_cpu", ONE_WORKER, ONE), figure("api_cpu", FLOOR, ONE))},
    ),
    Goal(
        "a write: CPU of PostgreSQL per request, 1 worker beyond the floor",
        *(AT_MOST, 60, MICROSECONDS),
        {it.name: _beyond_floor(it) for it in WRITES},
    ),
    Goal(
        f"CPU of the service per request, 2 workers to 1, of which {WORKERS_GAIN}{TIMES} the rate"
        " allows",
        *(AT_MOST, round(2 / WORKERS_GAIN, 2), TIMES),
        {
            it.name: ratio(*(figure("api_cpu", peer, it) for peer in (TWO_WORKERS, ONE_WORKER)))
            for it in AHEAD
        },
    ),
    Goal(
        "find_tasks of 20: CPU per request to that of the same list",
        *(AT_MOST, 1.5, TIMES),
        {"": ratio(figure("cpu", ONE_WORKER, FIND_20), figure("cpu", ONE_WORKER, LIST_20))},
    ),
)

LATENCIES = (
    Goal(
        f"at half of the rate, 2 workers, {FEW} connections: p99 to p50",
        *(AT_MOST, 3, TIMES),
        _by_name({it: ratio(P99[it], P50[it]) for it in COMMON}),
    ),
    Goal(
        f"at half of the rate, one token: p95 of {MANY} connections to that of {FEW}",
        *(AT_MOST, 2, TIMES),
        _by_name({it: ratio(P95[it], P95_OF_FEW[it]) for it in COMMON}),
    ),
    Goal(
        f"at half of the rate, one token, {MANY} connections: p95 of the list of 1000",
        *(AT_MOST, 200, " ms"),
        {"": P95[LIST_1000]},
    ),
    Goal(
        f"at half of the rate, one token, {MANY} connections: p95 of everything else",
        *(AT_MOST, 100, " ms"),
        _by_name({it: p95 for it, p95 in P95.items() if it is not LIST_1000}),
    ),
    Goal("failed requests", AT_MOST, 0, "", {"": _failed}),
)

STANDING = (
    Goal(
        "memory of a worker at the most",
        *(AT_MOST, 110, " MB"),
        {"": lambda run: [max(run.figures("worker_megabytes", peer=ONE_WORKER))]},
    ),
    Goal(
        "growth of a worker from 100,000 requests to a million",
        *(AT_MOST, 2, " MB"),
        told("growth_megabytes"),
        FULL_RUN,
    ),
    Goal(
        "memory of a worker for agents that never come",
        *(AT_MOST, 2, " MB"),
        told("unused_megabytes"),
    ),
    Goal("an idle event stream, of a thousand", AT_MOST, 32, " KiB", told("stream_kibibytes")),
    Goal(
        "a thousand idle event streams: CPU of the service",
        *(AT_MOST, 1, " % of a core"),
        told("streams_percent"),
    ),
    Goal(
        "from `taskapi serve` to the first response, warm",
        *(AT_MOST, 1.5, " s"),
        {"": _start_seconds},
    ),
    Goal(
        "from `make run` in a new clone to the first response, packages at hand",
        *(AT_MOST, 30, " s"),
        told("cold_run_seconds"),
        FULL_RUN,
    ),
)

GOALS = (*RATES, *COSTS, *LATENCIES, *STANDING)


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
