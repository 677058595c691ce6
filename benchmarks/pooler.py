"""`make bench-pooler`: what a transaction pooler costs, with and without prepared statements.

Three services share one database: one connects to it, one through a pooler that gets every
statement whole, one through a pooler that keeps them. All have as many connections to the server.
"""

import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.comparison import progress
from benchmarks.database import Database
from benchmarks.goal import AT_MOST, TIMES, Goal, figure, ratio, verdicts
from benchmarks.load import Schedule
from benchmarks.machine import facts
from benchmarks.measure import measure
from benchmarks.operations import ASKING, CREATE, LIST_20, ONE, TOGGLE, UPDATE, Operation
from benchmarks.peers import Peer, embedded, taskapi
from benchmarks.results import Result
from support.pgbouncer import POOLED, PgBouncer, keeping

OPERATIONS = (ONE, LIST_20, CREATE, UPDATE, TOGGLE)

DIRECT, WHOLE, NAMED = "direct", "pooled, whole", "pooled, named"

MAX_RATIO = 1.25
"""Times PostgreSQL's CPU of a direct connection, by name through a pooler."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often each operation of each service is.
        schedule: each time.
        operations: which.
    """

    rounds: int
    schedule: Schedule
    operations: Sequence[Operation] = OPERATIONS


def pool(plan: Plan) -> Result:
    """Measure the services in turn; without the last where no such PgBouncer is installed."""
    with tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as folder, ExitStack() as stack:
        database = stack.enter_context(embedded(Path(folder))).database
        database.fill(ASKING)
        peers = list(_peers(database, stack))
        samples = [
            progress(measure(peer, operation, number, plan.schedule))
            for number in range(plan.rounds)
            for operation in plan.operations
            for peer in [*peers[number % len(peers) :], *peers[: number % len(peers)]]
        ]
        about = {"rounds": plan.rounds, "seconds": plan.schedule.seconds}
        return Result({**facts(database), **about}, samples)


def _peers(database: Database, stack: ExitStack) -> Iterator[Peer]:
    as_service = database.dsn.replace("taskapi@", "taskapi_service@")
    yield stack.enter_context(_named(DIRECT, database, as_service))
    programs = keeping()
    for name, keeps in ((WHOLE, False), (NAMED, True))[: 1 + bool(programs)]:
        pooler = stack.enter_context(PgBouncer(database, *programs[-1:]))
        if keeps:
            pooler.keep(keeps=True)
        address = pooler.address().as_role("taskapi_service").dsn
        yield stack.enter_context(_named(name, database, address))


@contextmanager
def _named(name: str, database: Database, address: str) -> Iterator[Peer]:
    settings = {"DATABASE_URL": address, "DATABASE_POOL_SIZE": str(POOLED)}
    with taskapi(database, workers=1, **settings) as peer:
        peer.name = name
        yield peer


def goals() -> list[Goal]:
    """What a pooler that keeps statements may cost."""
    by_name = {
        operation.name: ratio(
            *(figure("database_cpu", peer, operation) for peer in (NAMED, DIRECT))
        )
        for operation in OPERATIONS
    }
    return [Goal("PostgreSQL's CPU by name through a pooler", AT_MOST, MAX_RATIO, TIMES, by_name)]


def show(run: Result) -> None:
    """Print a table, which is Markdown: microseconds of CPU a request, and ratios to direct."""
    table = Table(box=box.MARKDOWN)
    table.add_column("service + PostgreSQL, µs")
    names = run.distinct("peer")
    for column in (*names, *(f"PostgreSQL, {name} / direct" for name in names[1:])):
        table.add_column(column, justify="right")
    for operation in run.distinct("operation"):
        table.add_row(operation, *_row(run, operation, names))
    console = Console(highlight=False, width=200)
    console.print(table)
    console.print(", ".join(map(str, run.about.values())), soft_wrap=True)
    if NAMED not in names:
        console.print("No PgBouncer from 1.21 on: name one in OTHER_PGBOUNCERS to measure it too.")
    else:
        console.print("\n".join(verdicts(goals(), run)))


def _row(run: Result, operation: str, names: Sequence[str]) -> Iterator[str]:
    cpu = {name: run.figures("database_cpu", peer=name, operation=operation) for name in names}
    for name in names:
        api = run.median("api_cpu", peer=name, operation=operation)
        yield f"{api:,.0f} + {statistics.median(cpu[name]):,.0f}"
    for name in names[1:]:
        yield f"{statistics.median(map(float.__truediv__, cpu[name], cpu[DIRECT])):.2f}"
