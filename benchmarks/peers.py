"""The servers that are compared, and how each is started."""

import http.client
import json
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.database import Database, Task
from benchmarks.operations import READER_OF_100, SECRET, UNIQUE, Operation, requests, token
from benchmarks.processes import BenchmarkError, Server

ONE_WORKER, TWO_WORKERS = "taskapi, 1 worker", "taskapi, 2 workers"
POCKETBASE, TEXTBOOK, FLOOR = "PocketBase", "textbook", "floor"

MAX_CONNECTIONS = 300
"""Of PostgreSQL, for all peers at once: the textbook needs a hundred."""

NEW_TASKS_PER_SECOND = 12_000
"""Tasks that are added before deletes are measured. A faster peer would get 404, and that counts
as an error."""


class Peer:
    """A server on the shared database, with the paths of taskapi.

    Args:
        name: in tables.
        server: what responds.
        database: where its tasks are.
    """

    def __init__(self, name: str, server: Server, database: Database) -> None:
        self.name = name
        self.server = server
        self.database = database

    @property
    def database_pids(self) -> list[int]:
        """First processes of the database, where it is not part of the server."""
        return [self.database.postmaster]

    def own(self, operation: Operation) -> Operation:
        """An operation as this peer has it."""
        return operation

    def requests(self, operation: Operation, new: int) -> list[bytes]:
        """Restore the tasks, and give requests: as many as `new`, where each consumes a task."""
        tasks = self.database.targets(operation.users, new if operation.consumes else 0)
        if operation.one_each:
            tasks = list({task.owner: task for task in tasks}.values())
        if not operation.remembers:
            return requests(operation, tasks)
        return [each for task in tasks for each in requests(operation, [task], *self._got(task))]

    def _got(self, task: Task) -> tuple[str, str]:
        """What its owner has when everything has been read: the list's tag, the feed's token."""
        listed, _ = self.send(requests(Operation("list"), [task])[0])
        page = {"next": "", "has_more": True}
        while page["has_more"]:
            since = f"?since={page['next']}" if page["next"] else ""
            changes = Operation("changes", path=f"/changes{since}")
            page = json.loads(self.send(requests(changes, [task])[0])[1])
        return listed.headers["ETag"], str(page["next"])

    def send(self, request: bytes) -> tuple[http.client.HTTPResponse, bytes]:
        """The response to a request on a connection of its own, and its body."""
        with socket.create_connection(("127.0.0.1", self.server.port)) as connection:
            number = str(time.time_ns())[: len(UNIQUE)]
            connection.sendall(request.replace(UNIQUE.encode(), number.encode()))
            response = http.client.HTTPResponse(connection)
            response.begin()
            return response, response.read()

    def check(self, operation: Operation) -> bytes:
        """The body of the response to one request of an operation.

        Raises:
            BenchmarkError: the response is wrong.
        """
        operation = self.own(operation)
        response, body = self.send(self.requests(operation, new=1)[0])
        if (response.status, body.count(b'"is_completed"')) != (operation.status, operation.tasks):
            raise BenchmarkError(f"{self.name}, {operation.name}: {response.status} {body!r}")
        return body


@contextmanager
def taskapi(database: Database, workers: int, **settings: str) -> Iterator[Peer]:
    """This service as a user starts it: embedded PostgreSQL, access log as JSON to a file.

    Args:
        database: where its tasks are.
        workers: processes.
        settings: environment variables beside those.
    """
    environment = {"LOG_FORMAT": "json", "DATABASE_URL": "", "BETTER_AUTH_SECRET": SECRET}
    environment |= settings
    command = [sys.executable, "-m", "taskapi", "serve", "--port={port}", f"--workers={workers}"]
    with Server(command, database.directory, f"taskapi-{workers}", environment) as server:
        server.wait_until_ready("/readyz")
        yield Peer({1: ONE_WORKER, 2: TWO_WORKERS}[workers], server, database)


@contextmanager
def application(name: str, database: Database, *options: str) -> Iterator[Peer]:
    """An application of this folder, run by uvicorn with one worker."""
    environment = {"DATABASE_URL": database.dsn, "BETTER_AUTH_SECRET": SECRET}
    command = [sys.executable, "-m", "uvicorn", f"benchmarks.{name}:app", "--port={port}", *options]
    with Server(command, database.directory, name, environment) as server:
        user = READER_OF_100.first
        server.wait_until_ready(f"/api/{user}/tasks", {"Authorization": f"Bearer {token(user)}"})
        yield Peer(name, server, database)


@contextmanager
def embedded(directory: Path) -> Iterator[Peer]:
    """Taskapi with one worker. Its embedded PostgreSQL serves the other peers too."""
    directory.chmod(0o711)  # where root starts it, the server runs as another user
    database = Database(directory)
    with taskapi(database, workers=1):
        database.run(f"ALTER SYSTEM SET max_connections = {MAX_CONNECTIONS}")
    with taskapi(database, workers=1) as peer:
        yield peer
