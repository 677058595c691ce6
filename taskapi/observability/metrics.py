"""Metrics, for Prometheus. No label has a value that a client can invent.

Each worker counts in memory. Several also write their figures, once a second, into files of one
directory, which are added up by the worker that is asked: prometheus_client's multiprocess mode.
"""

import os
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from prometheus_client import (
    REGISTRY,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Metric,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from prometheus_client.registry import Collector

from taskapi.observability import figures

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable in which prometheus_client looks for that directory."""

SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - only a folder of our own in it, mode 0700
"""Preferred, because the files are written all the time and need not outlive the service."""

SAMPLE_SECONDS = 1.0
"""Between two samples that a worker takes of itself, for the others to show.

One that is killed loses what it has counted since the last."""


def is_shared() -> bool:
    """Whether this process is one of several workers."""
    return DIRECTORY in os.environ


figures.keep_in_memory(shared=is_shared())
disable_created_metrics()  # type: ignore[no-untyped-call]  # they would double the series, and only repeat when the process started

REQUESTS = Counter("taskapi_requests", "Requests, by their response", ["method", "route", "status"])
REQUEST_SECONDS = Histogram(
    "taskapi_request_seconds",
    "From the head of a request to the last byte of its response",
    ["method", "route"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.5, 1, 2.5, 5, 10),
)
UNHANDLED = Counter("taskapi_unhandled_errors", "Requests that ended in an unexpected exception")
UNAVAILABLE = Counter("taskapi_unavailable", "Requests with response 503", ["code"])
LIMITED = Counter("taskapi_limited", "Requests with response 429", ["reason"])
TURNS_WAITING = Gauge(
    "taskapi_turns_waiting",
    "Requests that wait because USER_CONCURRENCY others of their user are under way",
    multiprocess_mode="livesum",
)
TOKEN_REFUSALS = Counter(
    "taskapi_token_refusals", "Requests with a token that is refused", ["reason"]
)
KEY_SET_FETCHES = Counter("taskapi_key_set_fetches", "Fetches of the key set", ["result"])
DATABASE_FAULTS = Counter(
    "taskapi_database_faults", "Requests with response 503 because of the database", ["fault"]
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
    "Seconds that requests waited because every connection was in use",
    buckets=(0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
NO_CONNECTION = Counter(
    "taskapi_database_no_connection", "Requests that got no connection", ["reason"]
)
RESPONSE_BYTES = Gauge(
    "taskapi_response_bytes",
    "Bytes that responses under way hold, or may once they are rendered",
    multiprocess_mode="livesum",
)
RESPONSES_REFUSED = Counter(
    "taskapi_responses_refused", "Requests for which there was no memory in time"
)
CLIENT_CONNECTIONS = Gauge(
    "taskapi_client_connections", "Connections of clients", multiprocess_mode="livesum"
)
CLIENT_CONNECTIONS_MAX = Gauge(
    "taskapi_client_connections_max",
    "Connections of clients that may be open (MAX_CONNECTIONS)",
    multiprocess_mode="livesum",
)
CLIENT_CONNECTIONS_CUT = Counter(
    "taskapi_client_connections_cut", "Connections that the service closed early", ["reason"]
)
EVENT_STREAMS = Gauge(
    "taskapi_event_streams", "Event streams that are open", multiprocess_mode="livesum"
)
WAITING_READS = Gauge(
    "taskapi_waiting_reads",
    "Requests that wait for changes (Prefer: wait)",
    multiprocess_mode="livesum",
)
EXPORTS = Gauge("taskapi_exports", "Exports under way", multiprocess_mode="livesum")
IMPORTS = Gauge("taskapi_imports", "Imports under way", multiprocess_mode="livesum")
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
    """prometheus_client's metrics of one process, under the same names, but for all workers.

    Files are limited for each process, so these gauges are those of the worker that has most open.
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
        """Read the metrics of this process, and set those of all workers."""
        for family in self._collector.collect():
            [sample] = family.samples
            if sample.name == "process_cpu_seconds_total":
                self._cpu.inc(sample.value - self._seen)
                self._seen = sample.value
            else:
                self._gauges[sample.name].set(sample.value)


def exposition() -> bytes:
    """All metrics of all workers, in Prometheus' text format."""
    if not is_shared():
        return generate_latest(REGISTRY)
    together = CollectorRegistry()
    together.register(_AllWorkers())
    return generate_latest(together)


class _AllWorkers(Collector):
    """What the files of all workers say."""

    def collect(self) -> Iterable[Metric]:
        files = [str(it) for it in Path(os.environ[DIRECTORY]).glob("*.db") if _has_begun(it)]
        merged: Iterable[Metric] = MultiProcessCollector.merge(files)  # type: ignore[no-untyped-call]  # so prometheus_client has it
        return merged


def _has_begun(file: Path) -> bool:
    """Whether there is anything in the file of a worker.

    One that starts makes it empty and then writes, and prometheus_client cannot read an empty one.
    """
    try:
        return file.stat().st_size > 0
    except FileNotFoundError:  # its worker has ended
        return False


@contextmanager
def shared_by_workers() -> Iterator[None]:
    """While the context is open, give new workers a directory for their metrics."""
    memory = SHARED_MEMORY if os.access(SHARED_MEMORY, os.W_OK | os.X_OK) else None
    with tempfile.TemporaryDirectory(prefix="taskapi-metrics-", dir=memory) as directory:
        os.environ[DIRECTORY] = directory
        try:
            yield
        finally:
            del os.environ[DIRECTORY]


def forget_worker(process_id: int) -> None:
    """Remove the gauges of a worker that has ended. Its counters stay."""
    mark_process_dead(process_id)  # type: ignore[no-untyped-call]  # so prometheus_client has it
