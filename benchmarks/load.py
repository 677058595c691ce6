"""The load generator: wrk, which replays prepared requests."""

import json
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.operations import Operation
from benchmarks.processes import BenchmarkError

SCRIPT = Path(__file__).with_name("replay.lua")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How requests are sent.

    Attributes:
        seconds: for how long.
        connections: at once; each waits for a response before it sends the next request. None
            for as many as the operation has.
        rate: requests per second over all connections; None for as many as possible.
        verify: whether status and number of tasks of each response are checked, which costs the
            generator CPU. Otherwise only statuses from 400 on are errors.
    """

    seconds: int = 1
    connections: int | None = None
    rate: float | None = None
    verify: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """How a server has responded.

    Attributes:
        requests: the number of responses, errors included.
        seconds: it took.
        errors: wrong responses, broken connections, timeouts.
        p50: half of the requests took at most so many milliseconds; p95 and p99 likewise.
    """

    requests: int
    seconds: float
    errors: int
    p50: float
    p95: float
    p99: float


def wrk() -> str:
    """The path of the load generator."""
    path = shutil.which("wrk")
    if path is None:
        raise BenchmarkError("wrk, which generates the load, is missing: apt-get install wrk")
    return path


def replay(requests: Sequence[bytes], port: int, schedule: Schedule, operation: Operation) -> Load:
    """Send the requests of an operation to a port, again and again."""
    connections = schedule.connections or operation.connections
    command = [wrk(), "--threads=1", f"--connections={connections}", "--timeout=10s"]
    command += [f"--duration={schedule.seconds}s", f"--script={SCRIPT}"]
    pause = 1000 * connections / schedule.rate if schedule.rate else 0
    with tempfile.NamedTemporaryFile() as file:
        file.writelines(request + b"\0" for request in requests)
        file.flush()
        command += [f"http://127.0.0.1:{port}", "--", file.name, str(pause)]
        if schedule.verify:
            command += [str(operation.status), str(operation.tasks)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"^RESULT (.*)$", done.stdout, re.MULTILINE)
    if found is None:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
    return Load(**json.loads(found[1]))
