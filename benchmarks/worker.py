"""A service of one process, to which files of tasks are sent, and what each costs."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import httpx

from benchmarks.operations import token
from benchmarks.peers import Peer
from benchmarks.processes import BenchmarkError, cpu_seconds

CLIENT = httpx.Client(timeout=300)
"""One for all: each new one reads the certificates of the machine, which takes 40 ms."""

LOOK_SECONDS = 0.02


class Cost(NamedTuple):
    """What a file costs.

    Attributes:
        seconds: it took.
        api_cpu: seconds of CPU of the service.
        database_cpu: the same of PostgreSQL.
        megabytes: by which the resident memory of the service grew at the most.
        pause: seconds that another client waited for a response at the most.
    """

    seconds: float
    api_cpu: float
    database_cpu: float
    megabytes: float
    pause: float


class Worker:
    """The service.

    Args:
        peer: a service with one worker, which is the process itself.
    """

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._url = f"http://127.0.0.1:{peer.server.port}"
        self._process = Path(f"/proc/{peer.server.pid}")

    def export(self, user: int, form: str, path: Path) -> None:
        """Write the tasks of a user to a file."""
        with (
            CLIENT.stream("GET", self._tasks(user, "export", form), headers=_as(user)) as response,
            path.open("wb") as file,
        ):
            if response.status_code != httpx.codes.OK:
                raise BenchmarkError(f"export as {form}: {response.read()!r}")
            for part in response.iter_bytes():
                file.write(part)

    def import_file(self, user: int, form: str, path: Path, tasks: int) -> None:
        """Give a user the tasks of a file, of which they have none."""
        url = self._tasks(user, "import", form)
        response = CLIENT.post(url, content=path.read_bytes(), headers=_as(user))
        if response.json().get("created") != tasks:
            raise BenchmarkError(f"import of {form}: {response.text}")

    def _tasks(self, user: int, what: str, form: str) -> str:
        return f"{self._url}/api/{user}/tasks/{what}?format={form}"

    @contextmanager
    def measured(self) -> Iterator[list[Cost]]:
        """Measure what happens meanwhile; the list then has what it has cost."""
        costs: list[Cost] = []
        service, database = [self._peer.server.pid], self._peer.database_pids
        before = self._memory("VmRSS")
        (self._process / "clear_refs").write_text("5")  # the peak begins anew: proc(5)
        with self._others() as pauses:
            api, of_database = cpu_seconds(service), cpu_seconds(database)
            start = time.perf_counter()
            yield costs
            seconds = time.perf_counter() - start
        costs.append(
            Cost(
                seconds,
                cpu_seconds(service) - api,
                cpu_seconds(database) - of_database,
                (self._memory("VmHWM") - before) / 1e6,
                max(pauses, default=0.0),
            )
        )

    def _memory(self, name: str) -> int:
        """Bytes, as the kernel has them under this name."""
        status = (self._process / "status").read_text()
        return int(status.partition(f"{name}:")[2].split()[0]) * 1024

    @contextmanager
    def _others(self) -> Iterator[list[float]]:
        """Another client, who asks now and then: how long each response took."""
        pauses: list[float] = []
        ended = threading.Event()

        def ask() -> None:
            with httpx.Client(base_url=self._url) as client:
                while not ended.wait(LOOK_SECONDS):
                    start = time.perf_counter()
                    client.get("/livez").raise_for_status()
                    pauses.append(time.perf_counter() - start)

        thread = threading.Thread(target=ask)
        thread.start()
        try:
            yield pauses
        finally:
            ended.set()
            thread.join()


def _as(user: int) -> dict[str, str]:
    return {"Authorization": f"Bearer {token(user)}"}
