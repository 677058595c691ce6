"""Servers under test: started, measured and stopped."""

import os
import random
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Self

import httpx
import psutil

ROOT = Path(__file__).parent.parent

START_SECONDS = 60
STOP_SECONDS = 15


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


def program(name: str) -> str:
    """The path of a program that a package of the lock has installed."""
    path = Path(sysconfig.get_path("scripts")) / name
    if not path.exists():
        raise BenchmarkError(f"{name} is missing: run `make bench`, which installs it")
    return str(path)


def free_port() -> int:
    """A port of the loopback interface on which nothing listens.

    It is below those that Linux gives out itself, so nothing gets it before the server does.
    """
    while True:
        port = random.randrange(20_000, 32_000)  # noqa: S311 - no secret
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Server:
    """A server process with its children; its output goes to a file.

    Args:
        command: starts it; `{port}` in it becomes the port.
        directory: its working directory, and where its log is.
        name: of the log file.
        environment: variables in addition to those of this process.
    """

    def __init__(
        self, command: list[str], directory: Path, name: str, environment: dict[str, str]
    ) -> None:
        self.port = free_port()
        self._log = directory / f"{name}.log"
        self._started = time.monotonic()
        with self._log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the benchmark only, which stops the server.
            self._process = subprocess.Popen(
                [part.format(port=self.port) for part in command],
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=_compiling() | {"PYTHONPATH": str(ROOT)} | environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        # Not SIGTERM, after which a service waits until its balancer has noticed. And to the whole
        # group, as Ctrl-C does: make hands it on to nobody.
        os.killpg(self.pid, signal.SIGINT)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def wait_until_ready(
        self, path: str, headers: Mapping[str, str] | None = None, seconds: float = START_SECONDS
    ) -> None:
        """Wait until GET of a path succeeds; `start_seconds` has how long that took."""
        url = f"http://127.0.0.1:{self.port}{path}"
        with httpx.Client(headers=headers) as client:  # one, because making it takes 20 ms of CPU
            while time.monotonic() - self._started < seconds and self._process.poll() is None:
                try:
                    if client.get(url).is_success:
                        self.start_seconds = time.monotonic() - self._started
                        return
                except httpx.TransportError:
                    pass
                time.sleep(0.01)
        raise BenchmarkError(f"{url} does not respond:\n{self._log.read_text()[-2000:]}")

    def truncate_log(self) -> None:
        """Empty the log: thousands of lines per second would fill the disk."""
        os.truncate(self._log, 0)


def _compiling() -> dict[str, str]:
    """The environment, but files are compiled once, as on a user's machine, not at each start."""
    hindrances = ("PYTHONDONTWRITEBYTECODE", "PYTHONPYCACHEPREFIX")
    return {name: value for name, value in os.environ.items() if name not in hindrances}


def cpu_seconds(roots: Iterable[int]) -> float:
    """CPU time (user and system) of these processes and their children, ended ones included."""
    return sum(_of_each(roots, _process_seconds))


def _process_seconds(process: psutil.Process) -> float:
    """By the process's own clock, in nanoseconds: ticks of 10 ms would hide an idle backend's."""
    of_ended_children = float(sum(process.cpu_times()[2:4]))
    try:
        return time.clock_gettime(~process.pid << 3 | 2) + of_ended_children
    except OSError:  # the clock ends with its process
        raise psutil.NoSuchProcess(process.pid) from None


def busy_seconds() -> float:
    """CPU time that the whole machine has used, and that its host has taken away (steal)."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - times.iowait)


def megabytes(roots: Iterable[int]) -> float:
    """Memory of these processes and their children; a shared page counts in parts (PSS)."""
    return sum(_of_each(roots, lambda process: process.memory_full_info().pss)) / 1e6


def worker_megabytes(roots: Iterable[int]) -> float:
    """Resident memory of the largest of these processes and their children: of one worker."""
    return max(_of_each(roots, lambda process: process.memory_info().rss)) / 1e6


def _of_each(roots: Iterable[int], figure: Callable[[psutil.Process], float]) -> list[float]:
    while True:
        parents = [psutil.Process(root) for root in roots]
        children = [child for parent in parents for child in parent.children(recursive=True)]
        try:
            return [float(figure(process)) for process in (*parents, *children)]
        except psutil.NoSuchProcess:
            continue  # PostgreSQL has closed a connection meanwhile: its parent knows more now
