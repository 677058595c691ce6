"""`make bench-against`: this checkout beside another revision of it, measured alternately.

Both use one embedded PostgreSQL and the packages of this checkout, so what differs is `taskapi/`.
"""

import statistics
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.comparison import progress
from benchmarks.database import Database
from benchmarks.load import Schedule
from benchmarks.machine import facts
from benchmarks.measure import measure
from benchmarks.operations import (
    ASKING,
    CREATE,
    KNOWN_100,
    LIST_100,
    ONE,
    STRANGERS,
    UPDATE,
    Operation,
)
from benchmarks.peers import Peer, embedded, taskapi
from benchmarks.processes import ROOT, BenchmarkError
from benchmarks.results import Result, Sample

OPERATIONS = (ONE, LIST_100, CREATE, UPDATE, KNOWN_100)

THIS = "this checkout"

FIGURES = {"api_cpu": "CPU of the service", "database_cpu": "of PostgreSQL", "rate": "rate"}


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often each operation of both is, one directly after the other.
        schedule: each time.
        workers: of each service.
        operations: which.
    """

    rounds: int
    schedule: Schedule
    workers: int = 1
    operations: Sequence[Operation] = OPERATIONS


def compare(plan: Plan, revision: str) -> Result:
    """Measure this checkout, with its uncommitted changes, and a revision of it in turn."""
    with (
        tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as folder,
        _checked_out(revision, Path(folder) / "revision") as (tree, name),
    ):
        directory = Path(folder) / "database"
        directory.mkdir()
        Path(folder).chmod(0o711)  # as `embedded` does, for the database server's user
        with embedded(directory) as peer:
            peer.database.fill((*ASKING, STRANGERS))
            with (
                _named(THIS, peer.database, plan.workers, ROOT) as ours,
                _named(name, peer.database, plan.workers, tree) as theirs,
            ):
                samples = [progress(each) for each in _rounds(plan, ours, theirs)]
            about = {
                "workers": f"{plan.workers} worker(s)",
                "seconds": f"{plan.schedule.seconds} s",
            }
            return Result({**facts(peer.database), **about}, samples)


@contextmanager
def _checked_out(revision: str, tree: Path) -> Iterator[tuple[Path, str]]:
    """A worktree of a revision, and its name."""
    commit = _git("rev-parse", "--short", f"{revision}^{{commit}}")
    _git("worktree", "add", "--detach", "--quiet", str(tree), commit)
    try:
        yield tree, commit
    finally:
        _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(ROOT), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout.strip()


@contextmanager
def _named(name: str, database: Database, workers: int, tree: Path) -> Iterator[Peer]:
    """The service of a tree: PYTHONPATH goes before the environment's packages."""
    with taskapi(database, workers, PYTHONPATH=str(tree)) as peer:
        peer.name = name
        yield peer


def _rounds(plan: Plan, *peers: Peer) -> Iterator[Sample]:
    for operation in plan.operations:
        for peer in peers:
            peer.check(operation)
            measure(peer, operation, 0, replace(plan.schedule, seconds=1))  # warms it up
    for number in range(plan.rounds):
        for operation in plan.operations:
            for peer in peers if number % 2 else reversed(peers):
                yield measure(peer, operation, number, plan.schedule)


def show(run: Result) -> None:
    """Print a table, which is Markdown: both costs, and the ratios of this checkout, in pairs."""
    _, other = sorted(run.distinct("peer"), key=lambda name: name != THIS)
    table = Table(box=box.MARKDOWN)
    table.add_column("service + PostgreSQL, µs")
    for column in (THIS, other, *(f"{name}, ratio" for name in FIGURES.values())):
        table.add_column(column, justify="right")
    for operation in run.distinct("operation"):
        costs = [_costs(run, operation, name) for name in (THIS, other)]
        table.add_row(operation, *costs, *(_ratios(run, operation, it, other) for it in FIGURES))
    console = Console(highlight=False, width=200)
    console.print(table)
    pairs = max(run.distinct("round")) + 1
    console.print(f"{THIS} / {other}: the median of {pairs} pairs (least to greatest).")
    console.print("Both run with the packages of this checkout.")
    console.print(", ".join(map(str, run.about.values())), soft_wrap=True)


def _costs(run: Result, operation: str, peer: str) -> str:
    api, database = (
        run.median(figure, peer=peer, operation=operation) for figure in ("api_cpu", "database_cpu")
    )
    return f"{api:,.1f} + {database:,.1f}"


def _ratios(run: Result, operation: str, figure: str, other: str) -> str:
    ours, theirs = (run.figures(figure, peer=it, operation=operation) for it in (THIS, other))
    ratios = list(map(float.__truediv__, ours, theirs))
    return f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f})"
