"""`make bench-growth`: how costs grow with the table and with a user's tasks.

One table holds three kinds of users at once, and a third of it belongs to each kind: users with one
task, with a hundred and with a thousand. A user's tasks lie scattered over the whole table, as they
do where everybody adds one now and then.
"""

import random
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle, islice, product, starmap
from pathlib import Path

from rich.progress import Progress

from bench import queries
from bench.load import replay
from bench.machine import facts
from bench.measure import measure
from bench.operations import CALLS, NEW, STOCK_PER_SECOND, Operation
from bench.peers import HttpPeer, Job, taskapi
from bench.plans import plan_of
from bench.results import Result, Sample
from bench.stage import Stage, stage
from bench.wire import written
from taskapi.database.statement import Statement

KINDS = (1, 100, 1000)
"""Tasks per user."""

OPERATIONS: dict[str, tuple[Statement, Operation]] = {
    "one task": (queries.GET, Operation.ONE),
    "list of all": (queries.PAGE, Operation.LIST_1000),
    "create": (queries.CREATE, Operation.CREATE),
    "update": (queries.UPDATE, Operation.UPDATE),
    "toggle": (queries.TOGGLE, Operation.TOGGLE),
    "delete": (queries.DELETE, Operation.DELETE),
}

SAMPLED = 20_000
"""Tasks of each kind that requests are about."""

CONNECTIONS = 32

Task = tuple[int, int]
"""Its id and its owner's."""


@dataclass(frozen=True, slots=True)
class Population:
    """Who owns what in a table.

    Attributes:
        parts: the table has that many times three thousand tasks, a thousand of each kind.
    """

    parts: int

    @property
    def size(self) -> int:
        """The number of tasks."""
        return self.parts * 1000 * len(KINDS)

    @property
    def users(self) -> int:
        """The number of users, of all kinds."""
        return sum(self._users(kind) for kind in KINDS)

    def owners(self) -> Iterator[int]:
        """The owner of each task, in their order."""
        return (self._owner(place) for place in range(self.size))

    def some(self, kind: int) -> list[Task]:
        """Some tasks of users of a kind, all over the table."""
        places = range(KINDS.index(kind), self.size, len(KINDS))
        chosen = random.Random(kind).sample(places, min(SAMPLED, len(places)))  # noqa: S311 - no secret
        return [(place + 1, self._owner(place)) for place in chosen]

    def _owner(self, place: int) -> int:
        number, kind = divmod(place, len(KINDS))
        before = sum(self._users(other) for other in KINDS[:kind])
        return 1 + before + number % self._users(KINDS[kind])

    def _users(self, kind: int) -> int:
        return self.parts * 1000 // kind


@dataclass(frozen=True, slots=True)
class Case:
    """What is measured: an operation by one kind of user in one table.

    Attributes:
        size: of the table.
        kind: tasks per user.
        operation: a key of `OPERATIONS`.
    """

    size: int
    kind: int
    operation: str

    @property
    def setting(self) -> str:
        """What it is without the operation, as results name it."""
        return f"{self.size} tasks, {self.kind} per user"

    @property
    def chosen(self) -> dict[str, object]:
        """What its samples have in common."""
        return {"peer": self.setting, "operation": self.operation}

    def __str__(self) -> str:
        return f"{self.operation}: {self.setting}"


class Growth:
    """One run.

    Args:
        sizes: of the table, one after the other.
        rounds: how often everything is measured.
        seconds: for how long each time.
        progress: shows how far it is.
    """

    def __init__(self, sizes: Sequence[int], rounds: int, seconds: int, progress: Progress) -> None:
        self._populations = [Population(max(1, round(size / 3000))) for size in sizes]
        self._rounds = rounds
        self._seconds = seconds
        self._progress = progress
        self._samples: list[Sample] = []
        self._plans: dict[str, str] = {}
        steps = len(sizes) * len(KINDS) * len(OPERATIONS) * rounds
        self._bar = progress.add_task("", total=steps)

    def run(self, directory: Path | None) -> Result:
        """Fill the table to each size, and measure each operation for each kind of user."""
        with (
            tempfile.TemporaryDirectory(prefix="taskapi-bench-", dir=directory) as name,
            stage(Path(name)) as ours,
            taskapi(ours, 1) as peer,
        ):
            for population in self._populations:
                self._fill(ours, population)
                cases = list(starmap(Case, product([population.size], KINDS, OPERATIONS)))
                for case in cases:
                    self._explain(ours, population, case)
                for number, case in product(range(self._rounds), cases):
                    self._progress.update(self._bar, advance=1, description=str(case))
                    job = self._job(ours, peer, population, case)
                    sample = measure(peer, case.operation, CONNECTIONS, number, job)
                    self._samples.append(replace(sample, peer=case.setting))
        about = {
            "rounds": self._rounds,
            "seconds": self._seconds,
            "sizes": [population.size for population in self._populations],
            "plans": self._plans,
        }
        return Result(facts() | about, self._samples)

    def _fill(self, ours: Stage, population: Population) -> None:
        rows = self._progress.add_task(f"loading {population.size:,} tasks", total=population.size)
        ours.tasks.load(
            population.users,
            population.owners(),
            lambda added: self._progress.advance(rows, added),
        )
        self._progress.remove_task(rows)

    def _explain(self, ours: Stage, population: Population, case: Case) -> None:
        task, owner = population.some(case.kind)[0]
        values = NEW | {"task_id": task, "owner": owner, "limit": 1000, "offset": 0}
        self._plans[str(case)] = plan_of(ours.dsn, OPERATIONS[case.operation][0], values)

    def _job(self, ours: Stage, peer: HttpPeer, population: Population, case: Case) -> Job:
        """Put the table in order, and write the requests of different users."""
        some = population.some(case.kind)
        _, operation = OPERATIONS[case.operation]
        ours.tasks.remove_after(population.size)
        if operation is Operation.DELETE:
            users = [owner for _, owner in islice(cycle(some), STOCK_PER_SECOND * self._seconds)]
            some = list(zip(ours.tasks.add(users), users, strict=True))
        ours.tasks.tidy()
        requests = [
            request
            for task, owner in some
            for request in written(
                CALLS[operation], [task], f"/api/{owner}/tasks", ours.token(owner)
            )
        ]
        return lambda: replay(requests, peer.port, CONNECTIONS, self._seconds)
