"""What is measured once in a run: starts, memory over many requests."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.database import Database
from benchmarks.load import Schedule
from benchmarks.measure import measure
from benchmarks.operations import CREATE, LIST_100, ONE, UPDATE, Operation
from benchmarks.peers import taskapi
from benchmarks.processes import ROOT, BenchmarkError, Server, worker_megabytes

SETTLED, MANY = 100_000, 1_000_000
"""Requests: by the first, everything that is kept is filled."""

MIX: Sequence[tuple[Operation, int]] = ((ONE, 20), (UPDATE, 4), (CREATE, 4), (LIST_100, 4))
"""Operations with their seconds."""

COLD_SECONDS = 600


def warm_starts(database: Database, count: int) -> list[float]:
    """Seconds from `taskapi serve` to its first response; its database is there, but stopped."""
    return [_warm_start(database) for _ in range(count)]


def _warm_start(database: Database) -> float:
    with taskapi(database, workers=1) as peer:
        return peer.server.start_seconds


def unused_megabytes(database: Database, count: int) -> list[float]:
    """How much larger a worker is for agents that never come."""
    return [
        _megabytes(database, MCP_ENABLED="true") - _megabytes(database, MCP_ENABLED="false")
        for _ in range(count)
    ]


def _megabytes(database: Database, **settings: str) -> float:
    """Resident memory of a worker that has just started."""
    with taskapi(database, workers=1, **settings) as peer:
        return worker_megabytes([peer.server.pid])


def growth_megabytes(database: Database) -> float:
    """By how much a worker grows from its 100,000th request to its millionth."""
    sizes: dict[int, float] = {}
    with taskapi(database, workers=1) as peer:
        done = 0
        while done < MANY:
            for operation, seconds in MIX:
                sample = measure(peer, operation, 0, Schedule(seconds))
                done += sample.requests
                sizes[done] = sample.worker_megabytes
    settled = next(size for requests, size in sizes.items() if requests >= SETTLED)
    return sizes[done] - settled


def cold_run_seconds() -> float:
    """Seconds from `make run` in a new clone to its first response; pip has the packages.

    It is done twice, because the first one may have to fetch them.
    """
    _cold_run()
    return _cold_run()


def _cold_run() -> float:
    with tempfile.TemporaryDirectory(prefix="taskapi-clone-") as folder:
        home, clone = Path(folder) / "home", Path(folder) / "taskapi"
        home.mkdir()
        Path(folder).chmod(0o711)  # where root starts it, the database server is another user
        _told("git", "clone", "--quiet", str(ROOT), str(clone))
        environment = {"HOME": str(home), "PYTHONPATH": "", "DATABASE_URL": ""}
        environment |= _settings_of_pip()
        python = f"PYTHON={getattr(sys, '_base_executable', sys.executable)}"
        command = ["make", python, "API_PORT={port}", "run"]  # make hands its variables on
        with Server(command, clone, "make-run", environment) as server:
            server.wait_until_ready("/readyz", seconds=COLD_SECONDS)
            return server.start_seconds


def _settings_of_pip() -> dict[str, str]:
    """Where pip looks for packages, and its cache, which another HOME would hide."""
    kept = {"PIP_CACHE_DIR": _told(sys.executable, "-m", "pip", "cache", "dir")}
    own = Path.home() / ".config" / "pip" / "pip.conf"
    if own.exists() and "PIP_CONFIG_FILE" not in os.environ:
        kept["PIP_CONFIG_FILE"] = str(own)
    return kept


def _told(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr}")
    return done.stdout.strip()
