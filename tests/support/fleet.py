"""A service with several workers, whose processes a test can stop and kill."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.metrics import Series, figures, value
from support.people import SECRET
from support.programs import ADDRESS, READY, Service, members_of, started
from support.service import as_service, client_of
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl
from taskapi.observability.metrics import DIRECTORY

WORKERS = 2


class Fleet:
    """A service with several workers, and its clients, each of which asks once."""

    def __init__(self, service: Service, address: str) -> None:
        self._service = service
        self.address = address

    def get(self, path: str) -> httpx.Response:
        """Ask whichever worker takes a new connection."""
        return httpx.get(self.address + path, timeout=PATIENCE)

    def figures(self) -> Series:
        """What one of the workers says."""
        with client_of(self.address) as http:
            return figures(http)

    @property
    def workers(self) -> list[int]:
        """Their process ids."""
        return sorted(pid for pid in members_of(self._service) if "spawn_main" in _command(pid))

    @property
    def directory(self) -> Path:
        """Where the figures are."""
        variables = _read(self.workers[0], "environ").split("\0")
        [directory] = [text for text in variables if text.startswith(DIRECTORY)]
        return Path(directory.partition("=")[2])

    @contextmanager
    def only(self, worker: int) -> Iterator[None]:
        """Have one worker take all connections: the others stand still."""
        others = [pid for pid in self.workers if pid != worker]
        try:
            for pid in others:
                os.kill(pid, signal.SIGSTOP)
            yield
        finally:
            for pid in others:
                os.kill(pid, signal.SIGCONT)

    def end(self) -> int:
        """Have it stop; gives the exit status."""
        return self._service.end()

    def livez(self) -> float:
        """How many requests to `/livez` were counted."""
        return value(self.figures(), "taskapi_requests_total", route="/livez")


def _command(pid: int) -> str:
    return _read(pid, "cmdline")


def _read(pid: int, file: str) -> str:
    try:
        return Path(f"/proc/{pid}/{file}").read_text(errors="replace")
    except OSError:  # it has ended meanwhile
        return ""


@contextmanager
def fleet_on(database: DatabaseUrl, folder: Path) -> Iterator[Fleet]:
    """Several workers, each of which has started."""
    settings = {
        "DATABASE_URL": as_service(database).dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "API_HOST": "127.0.0.1",
        "WORKERS": WORKERS,
        "DATABASE_POOL_SIZE": 2 * WORKERS,
    }
    command = ("taskapi", "serve", "--port", 0)
    with started(*command, folder=folder, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        for _ in range(WORKERS):
            service.wait_for(READY)
        yield Fleet(service, address)
