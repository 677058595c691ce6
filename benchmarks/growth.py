"""`make bench-growth`: how the costs grow with the table and with a user's tasks.

A third of each table belongs to users with one task, a third to users with a hundred, a third to
users with a thousand. A user's tasks are spread over the whole table.
"""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path

from benchmarks.comparison import progress
from benchmarks.database import Database, Users
from benchmarks.load import Schedule
from benchmarks.machine import facts
from benchmarks.measure import measure
from benchmarks.operations import CREATE, DELETE, LIST_1000, ONE, TOGGLE, UPDATE, Operation
from benchmarks.peers import Peer, embedded, taskapi
from benchmarks.results import RESULTS, Result, Sample

KINDS = (1, 100, 1000)
"""Tasks per user."""

LIST = replace(LIST_1000, name="list of all")
POINTS = (ONE, CREATE, UPDATE, TOGGLE, DELETE)
"""Operations on one task."""

PLAN_SETTINGS = {
    "session_preload_libraries": "auto_explain",
    "auto_explain.log_min_duration": "0",
    "auto_explain.log_analyze": "on",
    "auto_explain.log_buffers": "on",
}

BEFORE_A_GENERIC_PLAN = 6
"""After five executions PostgreSQL decides whether a plan for these values is worth making."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often each operation by each kind of user is.
        schedule: each time.
        sizes: tasks in the table.
        operations: which.
    """

    rounds: int
    schedule: Schedule
    sizes: Sequence[int] = (10_000, 1_000_000, 10_000_000)
    operations: Sequence[Operation] = (*POINTS, LIST)


def population(size: int) -> list[Users]:
    """The kinds of users of a table, which together have about that many tasks."""
    groups: list[Users] = []
    for tasks in KINDS:
        first = groups[-1].last + 1 if groups else 1
        users = max(1, round(size / len(KINDS) / tasks))
        groups.append(Users(first, first + users - 1, tasks))
    return groups


def table_name(size: int, tasks: int) -> str:
    """What stands in place of a peer's name."""
    return f"{size} tasks, {tasks} per user"


def grow(plan: Plan) -> tuple[Result, str]:
    """Fill the table to each size and measure; gives the execution plans too, as text."""
    samples: list[Sample] = []
    plans: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as directory,
        embedded(Path(directory)) as peer,
    ):
        about: dict[str, object] = {**facts(peer.database)}
        for size in plan.sizes:
            groups = population(size)
            peer.database.fill(groups)
            plans += _plans(plan, peer.database, groups[-1])
            samples += _measured(plan, peer, size, groups)
    about |= {"rounds": plan.rounds, "seconds": plan.schedule.seconds, "sizes": list(plan.sizes)}
    return Result(about, samples), "\n".join(plans)


def _measured(plan: Plan, peer: Peer, size: int, groups: Sequence[Users]) -> Iterator[Sample]:
    for number, users, operation in product(range(plan.rounds), groups, plan.operations):
        shown = users.tasks if operation is LIST else operation.tasks
        asked = replace(operation, users=users, tasks=shown)
        sample = measure(peer, asked, number, plan.schedule)
        yield progress(replace(sample, peer=table_name(size, users.tasks)))


def _plans(plan: Plan, database: Database, users: Users) -> Iterator[str]:
    """How PostgreSQL executes what the service sends, by its own log (auto_explain)."""
    with _logged_plans(database), taskapi(database, workers=1) as peer:
        for operation in plan.operations:
            asked = peer.requests(replace(operation, users=users), BEFORE_A_GENERIC_PLAN)
            for request in asked[:BEFORE_A_GENERIC_PLAN]:
                peer.send(request)
            *_, last = database.log.read_text().split("plan:\n")
            lines = [line[1:] for line in last.splitlines() if line.startswith("\t")]
            first = next(number for number, line in enumerate(lines) if "(cost=" in line)
            title = f"{operation.name} by one of {len(users):,} users with {users.tasks} tasks each"
            yield "\n".join([title, *lines[first:], ""])


@contextmanager
def _logged_plans(database: Database) -> Iterator[None]:
    """New connections log their plans meanwhile; that would slow down the measured ones."""
    reload = "SELECT pg_reload_conf()"
    settings = [f"ALTER SYSTEM SET {name} = '{value}'" for name, value in PLAN_SETTINGS.items()]
    database.run("LOAD 'auto_explain'", *settings, reload)
    try:
        yield
    finally:
        resets = [f"ALTER SYSTEM RESET {name}" for name in PLAN_SETTINGS]
        database.run("LOAD 'auto_explain'", *resets, reload)


def save(result: Result, plans: str) -> None:
    """Keep the figures and the plans."""
    result.save("growth")
    (RESULTS / "plans.txt").write_text(plans)
