"""The peers: who answers, and how they are started."""

import sys
import sysconfig
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.load import Load, replay
from bench.operations import CALLS, READER_OF_100, STOCK_PER_SECOND, USERS, Operation
from bench.processes import BenchmarkError, Server, free_port
from bench.stage import Stage
from bench.wire import written

NAMES = {1: "taskapi, 1 worker", 2: "taskapi, 2 workers"}
"""The service's, by its number of workers."""

Job = Callable[[], Load]


class Peer(ABC):
    """Somebody who does the operations.

    Attributes:
        name: in tables.
        server: what answers requests, where that is not the database itself.
        database: processes that keep the data, where these are others.
    """

    name: str
    server: Server | None = None
    database: Sequence[int] = ()

    @property
    def api(self) -> Sequence[int]:
        """The processes that answer requests."""
        return [self.server.pid] if self.server else []

    @abstractmethod
    def job(self, operation: Operation, connections: int, seconds: int) -> Job:
        """Prepare data and load; what is returned runs it."""


class HttpPeer(Peer):
    """A server on the stage's database, with the service's paths."""

    def __init__(self, name: str, stage: Stage, server: Server, port: int) -> None:
        self.name = name
        self.port = port
        self.server = server
        self.database = [stage.postmaster]
        self._stage = stage
        self._loaded = stage.tasks.last_id()

    def job(
        self, operation: Operation, connections: int, seconds: int, rate: float | None = None
    ) -> Job:
        """Likewise; at a fixed rate, if one is given."""
        requests = self._requests(operation, seconds)
        return lambda: replay(requests, self.port, connections, seconds, rate)

    def _requests(self, operation: Operation, seconds: int) -> list[bytes]:
        """Put the table in order, and write the requests of an operation."""
        user, tasks = USERS[operation], self._stage.tasks
        tasks.remove_after(self._loaded)
        if operation is Operation.DELETE:
            tasks.add([user] * (STOCK_PER_SECOND * seconds))
        tasks.tidy()
        keys = tasks.ids_of(user) or [0]
        return written(CALLS[operation], keys, f"/api/{user}/tasks", self._stage.token(user))


@contextmanager
def taskapi(stage: Stage, workers: int) -> Iterator[HttpPeer]:
    """This service, with all of the contract on."""
    with _service(stage.directory, workers) as (server, port):
        server.wait_until_ready(f"http://127.0.0.1:{port}/readyz")
        yield HttpPeer(NAMES[workers], stage, server, port)


def start_seconds(directory: Path) -> float:
    """How long `taskapi serve` takes from nothing running to its first answer."""
    with _service(directory, workers=1) as (server, port):
        return server.wait_until_ready(f"http://127.0.0.1:{port}/readyz")


@contextmanager
def _service(directory: Path, workers: int) -> Iterator[tuple[Server, int]]:
    """As a user starts it, its logs kept in a file."""
    port = free_port()
    command = [program("taskapi"), "serve", f"--port={port}", f"--workers={workers}"]
    environment = {"LOG_FORMAT": "json", "DATABASE_URL": "", "BETTER_AUTH_SECRET": ""}
    with serving(command, directory, f"taskapi-{workers}", environment) as server:
        yield server, port


@contextmanager
def textbook(stage: Stage) -> Iterator[HttpPeer]:
    """The tutorials' way, by the tutorials' server."""
    with _application("textbook", stage, []) as peer:
        yield peer


@contextmanager
def floor(stage: Stage) -> Iterator[HttpPeer]:
    """The least that can answer."""
    with _application("floor", stage, ["--no-access-log", "--log-level=warning"]) as peer:
        yield peer


@contextmanager
def _application(module: str, stage: Stage, options: list[str]) -> Iterator[HttpPeer]:
    port = free_port()
    command = [sys.executable, "-m", "uvicorn", f"bench.{module}:app", f"--port={port}", *options]
    environment = {"DATABASE_URL": stage.dsn, "BETTER_AUTH_SECRET": stage.secret}
    with serving(command, stage.directory, module, environment) as server:
        server.wait_until_ready(
            f"http://127.0.0.1:{port}/api/{READER_OF_100}/tasks",
            {"Authorization": f"Bearer {stage.token(READER_OF_100)}"},
        )
        yield HttpPeer(module, stage, server, port)


@contextmanager
def serving(
    command: list[str], directory: Path, name: str, environment: dict[str, str]
) -> Iterator[Server]:
    """A server that is stopped in the end."""
    server = Server(command, directory, directory / f"{name}.log", environment)
    try:
        yield server
    finally:
        server.stop()


def program(name: str) -> str:
    """A program that a package of ours installed."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise BenchmarkError(f"{name} is missing: pip install --requirement requirements-bench.txt")
    return str(path)
