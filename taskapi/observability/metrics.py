"""What is counted, for Prometheus. No label takes a value that a client can invent.

One worker keeps its figures in memory. Several keep theirs in files of one directory, and whichever
of them is asked adds them up (prometheus_client's multiprocess mode, chosen when it is imported).
"""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""prometheus_client's name for where several processes keep their figures."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it, mode 0700
"""Preferred: the files are written with every request, and need not outlive the service."""

SAMPLE_SECONDS = 1.0
"""Between two looks of a worker at itself, for the others to show."""

disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series for each counter, which only repeats the start's time

REQUESTS = Counter("taskapi_requests", "Requests answered", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "taskapi_request_seconds",
    "From the request's head to the last byte of the answer",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10),
)
UNHANDLED = Counter("taskapi_unhandled_errors", "Requests that met a bug")
UNAVAILABLE = Counter("taskapi_unavailable", "Requests answered 503", ["code"])
TOKEN_REFUSALS = Counter("taskapi_token_refusals", "Requests refused as 401", ["reason"])
KEY_SET_FETCHES = Counter("taskapi_key_set_fetches", "Fetches of the key set", ["result"])
DATABASE_FAULTS = Counter(
    "taskapi_database_faults", "Requests answered 503 for the database", ["fault"]
)
DATABASE_RETRIES = Counter(
    "taskapi_database_retries", "Statements repeated after a fault", ["fault"]
)
CONNECTIONS_MAX = Gauge(
    "taskapi_database_connections_max",
    "Connections that may be open (DATABASE_POOL_SIZE)",
    multiprocess_mode="livesum",
)
CONNECTIONS_OPEN = Gauge(
    "taskapi_database_connections_open", "Connections that are open", multiprocess_mode="livesum"
)
CONNECTIONS_IN_USE = Gauge(
    "taskapi_database_connections_in_use",
    "Connections that run a statement",
    multiprocess_mode="livesum",
)
WAITING = Gauge(
    "taskapi_database_waiting", "Requests that wait for a connection", multiprocess_mode="livesum"
)
WAIT_SECONDS = Histogram(
    "taskapi_database_wait_seconds",
    "How long requests waited that found every connection in use",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
NO_CONNECTION = Counter(
    "taskapi_database_no_connection", "Requests that got no connection", ["reason"]
)
WORKERS = Gauge("taskapi_workers", "Processes that serve", multiprocess_mode="livesum")
BUILD = Gauge(
    "taskapi_build_info", "1, for the versions", ["version", "python"], multiprocess_mode="livemax"
)


_PROCESS_GAUGES: tuple[tuple[str, str, Literal["livesum", "livemax", "livemin"]], ...] = (
    ("process_virtual_memory_bytes", "Virtual memory of all workers", "livesum"),
    ("process_resident_memory_bytes", "Memory of all workers", "livesum"),
    ("process_start_time_seconds", "When the youngest worker started", "livemax"),
    ("process_open_fds", "Open files of the worker that has most", "livemax"),
    ("process_max_fds", "Files that a worker may open", "livemin"),
)


class ProcessMetrics:
    """What prometheus_client tells of one process, written where the other workers find it.

    By the same names. Files are limited for each process, so theirs are the figures of the worker
    that has most of them.
    """

    def __init__(self) -> None:
        self._collector = ProcessCollector(registry=None)
        self._seen = 0.0
        self._cpu = Counter(
            "process_cpu_seconds", "CPU time of all workers, ended ones too", registry=None
        )
        self._gauges = {
            name: Gauge(name, text, registry=None, multiprocess_mode=mode)
            for name, text, mode in _PROCESS_GAUGES
        }

    def sample(self) -> None:
        """Look, and write down."""
        for family in self._collector.collect():
            [sample] = family.samples
            if sample.name == "process_cpu_seconds_total":
                self._cpu.inc(sample.value - self._seen)
                self._seen = sample.value
            else:
                self._gauges[sample.name].set(sample.value)


def is_shared() -> bool:
    """Whether this process is one of several workers."""
    return DIRECTORY in os.environ


def exposition() -> bytes:
    """All figures, of all workers, in Prometheus' text format."""
    if not is_shared():
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    MultiProcessCollector(together)  # type: ignore[no-untyped-call]  # so prometheus_client has it
    return generate_latest(together)


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """Give the workers that are started meanwhile a directory for their figures."""
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="taskapi-metrics-", dir=memory) as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


def forget_worker(process_id: int) -> None:
    """Leave out what was true of a worker that has ended; what it counted stays."""
    mark_process_dead(process_id)  # type: ignore[no-untyped-call]  # so prometheus_client has it
