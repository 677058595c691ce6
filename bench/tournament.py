"""`make bench`: all peers in turn, in rounds."""

import statistics
import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

from rich.progress import Progress

from bench.machine import facts
from bench.measure import measure
from bench.operations import Operation, owners
from bench.peers import NAMES, HttpPeer, Peer, floor, start_seconds, taskapi, textbook
from bench.pocketbase import pocketbase
from bench.postgres import PgBench
from bench.results import Result, Sample
from bench.stage import Stage, stage

PACED = f"{NAMES[1]}, at half of its rate"
PACED_CONNECTIONS = (10, 100)

STARTS = 3


@dataclass(frozen=True)
class Plan:
    """How much is measured.

    Attributes:
        rounds: how often everything is.
        seconds: for how long each time.
        connections: with how many at once.
        strangers: other users in the table, with a thousand tasks each.
        warm_up: whether everything is done for a second before the first round.
        only: parts of names; they leave only those peers, and only those operations, that they
            are part of.
    """

    rounds: int
    seconds: int
    connections: Sequence[int]
    strangers: int
    warm_up: bool = True
    only: Sequence[str] = ()

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The names that are wanted: all, unless some were."""
        wanted = [name for name in names if any(part in name for part in self.only)]
        return wanted or list(names)


class Tournament:
    """One run.

    Args:
        plan: how much is measured.
        progress: shows how far it is.
    """

    def __init__(self, plan: Plan, progress: Progress) -> None:
        self._plan = plan
        self._progress = progress
        self._samples: list[Sample] = []
        self._operations = [Operation(name) for name in plan.chosen(list(Operation))]
        self._bar = progress.add_task("loading the tasks", total=None)

    def run(self) -> Result:
        """Start everybody, measure, stop everybody."""
        all_owners = owners(self._plan.strangers)
        with tempfile.TemporaryDirectory(prefix="taskapi-bench-") as name:
            directory = Path(name)
            with stage(directory) as ours, ExitStack() as started:
                ours.tasks.load(max(all_owners), all_owners)
                ways = contenders(ours, all_owners)
                chosen = self._plan.chosen(list(ways))
                peers = [started.enter_context(ways[name]()) for name in chosen]
                self._measure(peers)
            starts = [self._warm_start(directory) for _ in range(STARTS)]
        about = {
            "rounds": self._plan.rounds,
            "seconds": self._plan.seconds,
            "tasks": len(all_owners),
            "start_seconds": round(statistics.median(starts), 2),
        }
        return Result(facts() | about, self._samples)

    def _measure(self, peers: list[Peer]) -> None:
        plan = self._plan
        paced = next((peer for peer in peers if isinstance(peer, HttpPeer)), None)
        steps = (
            len(self._operations)
            * len(peers)
            * (plan.warm_up + plan.rounds * len(plan.connections))
        )
        if paced is not None:
            steps += len(self._operations) * len(PACED_CONNECTIONS) * plan.rounds
        self._progress.update(self._bar, total=steps)
        for operation in self._operations if plan.warm_up else ():
            for peer in peers:
                self._step(f"{operation}: {peer.name} warms up")
                peer.job(operation, max(plan.connections), 1)()
        for number in range(plan.rounds):
            for operation in self._operations:
                for connections in plan.connections:
                    # Each starts once, so that none is always the one after a certain other.
                    self._heat(peers[number:] + peers[:number], operation, connections, number)
        if paced is not None:
            self._at_half_rate(paced)

    def _heat(
        self, peers: Sequence[Peer], operation: Operation, connections: int, number: int
    ) -> None:
        """One after the other, so close together that the machine is the same for all."""
        for peer in peers:
            self._step(f"round {number + 1}, {operation} from {connections}: {peer.name}")
            job = peer.job(operation, connections, self._plan.seconds)
            self._samples.append(measure(peer, operation, connections, number, job))

    def _at_half_rate(self, peer: HttpPeer) -> None:
        """The same load from few connections and from many: what being many costs."""
        result = Result({}, self._samples)
        most = max(self._plan.connections)
        for number in range(self._plan.rounds):
            for operation in self._operations:
                asked = {"peer": peer.name, "operation": operation, "connections": most}
                rate = (result.median("rate", **asked) or 0) / 2
                for connections in PACED_CONNECTIONS:
                    self._step(f"{operation} from {connections} at {rate:,.0f}/s: {peer.name}")
                    job = peer.job(operation, connections, self._plan.seconds, rate)
                    sample = measure(peer, operation, connections, number, job)
                    self._samples.append(replace(sample, peer=PACED))

    def _warm_start(self, directory: Path) -> float:
        """Seconds from `taskapi serve`, its database stopped but there, to its first answer."""
        self._step("a warm start")
        return start_seconds(directory)

    def _step(self, what: str) -> None:
        self._progress.update(self._bar, advance=1, description=what)


def contenders(
    ours: Stage, all_owners: Sequence[int]
) -> dict[str, Callable[[], AbstractContextManager[Peer]]]:
    """How each of the peers starts."""
    return {
        NAMES[1]: lambda: taskapi(ours, 1),
        NAMES[2]: lambda: taskapi(ours, 2),
        "PocketBase": lambda: pocketbase(ours.directory, all_owners),
        "textbook": lambda: textbook(ours),
        "floor": lambda: floor(ours),
        "PostgreSQL alone": lambda: nullcontext(PgBench(ours)),
    }
