"""`make bench-transfer`: what files of tasks cost, out and in.

Each file meets a new worker, so that the growth of its memory is that of this file. Before, a small
file of the same format has loaded what the format needs.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import NamedTuple

from rich import box
from rich.console import Console
from rich.table import Table

from benchmarks.database import DESCRIPTION, Database
from benchmarks.machine import facts
from benchmarks.peers import taskapi
from benchmarks.task_files import EXPORTED, FOREIGN, Maker, TaskFile, fill, texts
from benchmarks.worker import Cost, Worker

MEBIBYTE = 1024**2
MILLISECONDS = 1000

LONG, SHORT = texts(5000), [DESCRIPTION]

FEW = 20
"""Tasks of the small files."""

WHO_HAS_LONG, WHO_HAS_FEW, WHO_MAKES_FILES, WHO_IMPORTS = 1, 2, 100, 1000
"""Users; of the latter two each file has its own, from these on."""


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        tasks: of each file but the large ones.
        large: bytes of those.
        anew: whether each file meets a new worker.
    """

    tasks: int = 10_000
    large: int = 10 * MEBIBYTE
    anew: bool = True


class Job(NamedTuple):
    """A file to be sent.

    Attributes:
        way: in which direction, and which tasks.
        file: which.
        small: sends a small one of its format.
        send: sends it.
    """

    way: str
    file: TaskFile
    small: Callable[[Worker], None]
    send: Callable[[Worker], None]


class Sample(NamedTuple):
    """A file that was sent, its bytes, and what it has cost."""

    way: str
    file: TaskFile
    size: int
    cost: Cost


def transfer(plan: Plan) -> tuple[dict[str, str], list[Sample]]:
    """Make all files and send each; gives the facts about the machine, too."""
    with tempfile.TemporaryDirectory(prefix="taskapi-benchmark-") as folder:
        Path(folder).chmod(0o711)  # where root starts it, the database runs as another user
        database = Database(Path(folder))
        with taskapi(database, workers=1) as peer:
            about = facts(database)
            worker = Worker(peer)
            jobs = list(_jobs(plan, database, Maker(database, worker, WHO_MAKES_FILES)))
            if not plan.anew:
                return about, [_sample(job, worker) for job in jobs]
        return about, [_sample_of_new_worker(job, database) for job in jobs]


def _jobs(plan: Plan, database: Database, maker: Maker) -> Iterator[Job]:
    fill(database, WHO_HAS_LONG, LONG, plan.tasks)
    fill(database, WHO_HAS_FEW, SHORT, FEW)
    for form in EXPORTED:
        file = TaskFile(form, database.directory / f"out.{form}", plan.tasks)
        small = partial(Worker.export, user=WHO_HAS_FEW, form=form, path=Path("/dev/null"))
        send = partial(Worker.export, user=WHO_HAS_LONG, form=form, path=file.path)
        yield Job("out, long tasks", file, small, send)
    users = count(WHO_IMPORTS)
    for form in (*EXPORTED, *FOREIGN):
        few = maker.make(form, SHORT, FEW)
        short = maker.make(form, SHORT, plan.tasks)
        for way, file in (
            ("in, short tasks", short),
            ("in, large file", maker.make_large(form, LONG, plan.large)),
        ):
            yield Job(way, file, _importing(next(users), few), _importing(next(users), file))


def _importing(user: int, file: TaskFile) -> Callable[[Worker], None]:
    return partial(Worker.import_file, user=user, form=file.form, path=file.path, tasks=file.tasks)


def _sample_of_new_worker(job: Job, database: Database) -> Sample:
    with taskapi(database, workers=1) as peer:
        return _sample(job, Worker(peer))


def _sample(job: Job, worker: Worker) -> Sample:
    job.small(worker)
    with worker.measured() as costs:
        job.send(worker)
    sample = Sample(job.way, job.file, job.file.path.stat().st_size, costs[0])
    print(  # noqa: T201 - a run takes minutes
        f"{sample.way:16} {sample.file.form:8} {sample.cost.seconds:6.2f} s",
        file=sys.stderr,
        flush=True,
    )
    return sample


COLUMNS = (
    *("tasks", "MiB", "s", "MiB/s", "CPU, ms", "PostgreSQL, ms"),
    *("growth, MB", "longest wait, ms"),
)


def show(about: dict[str, str], samples: list[Sample]) -> None:
    """Print a table, which is Markdown."""
    table = Table(box=box.MARKDOWN)
    table.add_column("")
    table.add_column("format")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for sample in samples:
        table.add_row(*_row(sample))
    console = Console(highlight=False, width=200)
    console.print(table)
    # Names with a capital are those of programs, of which the value is the version.
    console.print(
        ", ".join(f"{name} {fact}" if name[0].isupper() else fact for name, fact in about.items())
    )


def _row(sample: Sample) -> Iterator[str]:
    cost, mebibytes = sample.cost, sample.size / MEBIBYTE
    yield from (sample.way, sample.file.form, f"{sample.file.tasks:,}")
    yield from (f"{mebibytes:.1f}", f"{cost.seconds:.2f}", f"{mebibytes / cost.seconds:.1f}")
    for seconds in (cost.api_cpu, cost.database_cpu):
        yield f"{seconds * MILLISECONDS:,.0f}"
    yield from (f"{cost.megabytes:.1f}", f"{cost.pause * MILLISECONDS:.0f}")
