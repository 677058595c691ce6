"""Servers under test: started, watched and stopped."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # its stubs are a package of their own

ROOT = Path(__file__).parent.parent

START_SECONDS = 30
STOP_SECONDS = 15


class BenchmarkError(Exception):
    """The benchmark cannot go on; the message says why and what to do."""


def free_port() -> int:
    """A port of the loopback interface that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


class Server:
    """One server process with its children, its output kept in a file.

    Args:
        command: what starts it.
        directory: where it runs.
        log: where its output goes.
        environment: what it gets beside ours.
    """

    def __init__(
        self, command: list[str], directory: Path, log: Path, environment: dict[str, str]
    ) -> None:
        self._log = log
        self._started = time.monotonic()
        with log.open("ab") as output:
            # A session of its own: Ctrl-C reaches the benchmark, and the benchmark stops it.
            self._process = subprocess.Popen(  # noqa: S603 - the benchmark's own commands
                command,
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | {"PYTHONPATH": str(ROOT)} | environment,
                start_new_session=True,
            )
        self.pid = self._process.pid

    def wait_until_ready(self, url: str, headers: Mapping[str, str] | None = None) -> float:
        """Wait until it answers there without an error of its own; seconds since its start."""
        while time.monotonic() - self._started < START_SECONDS:
            if self._process.poll() is not None:
                break
            try:
                if httpx.get(url, headers=dict(headers or {})).is_success:
                    return time.monotonic() - self._started
            except httpx.TransportError:
                pass
            time.sleep(0.01)
        raise BenchmarkError(f"{url} does not answer:\n{self._log.read_text()[-2000:]}")

    def forget_output(self) -> None:
        """Empty the log: at thousands of lines a second, it would fill the disk."""
        os.truncate(self._log, 0)

    def stop(self) -> None:
        """Stop it, gently first."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()


def cpu_seconds(roots: Iterable[int]) -> float:
    """CPU, user and system, that these processes and their children, ended ones too, have used."""
    return sum(_of_each(roots, _process_seconds))


def _process_seconds(process: psutil.Process) -> float:
    """To the nanosecond, by the process's own clock: twenty idle ones would round to nothing."""
    of_ended_children = float(sum(process.cpu_times()[2:4]))
    try:
        return time.clock_gettime(~process.pid << 3 | 2) + of_ended_children
    except OSError:  # its clock has ended with it
        raise psutil.NoSuchProcess(process.pid) from None


def busy_seconds() -> float:
    """CPU that the whole machine has used, and that its host has taken away."""
    times = psutil.cpu_times()
    return float(sum(times) - times.idle - getattr(times, "iowait", 0))


def megabytes(roots: Iterable[int]) -> float:
    """Memory of these processes and their children; shared pages count in parts (PSS)."""
    return sum(_of_each(roots, lambda process: process.memory_full_info().pss)) / 1e6


def largest_megabytes(roots: Iterable[int]) -> float:
    """Resident memory of the largest process among them: one worker's."""
    return max(_of_each(roots, lambda process: process.memory_info().rss), default=0) / 1e6


def _of_each(roots: Iterable[int], figure: Callable[[psutil.Process], float]) -> list[float]:
    """A figure of each of these processes and their children."""
    while True:
        parents = [psutil.Process(root) for root in roots]
        children = [child for parent in parents for child in parent.children(recursive=True)]
        try:
            return [figure(process) for process in (*parents, *children)]
        except psutil.NoSuchProcess:
            continue  # a connection of the database was closed meanwhile: its parent knows more now
