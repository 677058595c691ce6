"""A thousand event streams on which nothing happens: what they cost the service."""

import resource
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from benchmarks.database import Database, Task
from benchmarks.operations import Operation, requests
from benchmarks.peers import Peer, taskapi
from benchmarks.processes import BenchmarkError, cpu_seconds, worker_megabytes

STREAMS = 1000
"""As many as a worker takes, each of another user: that costs most."""

EVENTS = Operation("events", path="/events")

BEGUN = b"event: ready\n"
"""What each stream begins with."""

FIRST_USER = 10_000
"""They need no tasks."""

SOME = 20
"""Before the others, so that what the first ones load is there; ended before the others begin."""

SETTLING_SECONDS = 3
"""For what each stream does once: it begins to look for a client that has left."""

SECONDS = 16
"""More than the 15 seconds between two comments."""


def idle_streams(database: Database) -> dict[str, list[float]]:
    """KiB of each stream, and percents of a core for all, of one worker."""
    with taskapi(database, workers=1) as peer:
        with _open(peer, SOME, FIRST_USER - SOME):
            before = worker_megabytes([peer.server.pid])
        with _open(peer, STREAMS, FIRST_USER):
            grown = worker_megabytes([peer.server.pid]) - before
            time.sleep(SETTLING_SECONDS)
            used = cpu_seconds([peer.server.pid])
            time.sleep(SECONDS)
            percent = (cpu_seconds([peer.server.pid]) - used) / SECONDS * 100
    kibibytes = grown * 1e6 / 1024 / STREAMS
    return {"stream_kibibytes": [round(kibibytes, 2)], "streams_percent": [round(percent, 3)]}


@contextmanager
def _open(peer: Peer, count: int, first_user: int) -> Iterator[None]:
    """So many streams, all of which have begun."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    with ExitStack() as stack:
        for user in range(first_user, first_user + count):
            stream = stack.enter_context(socket.create_connection(("127.0.0.1", peer.server.port)))
            stream.settimeout(10)
            stream.sendall(requests(EVENTS, [Task(user, 0)])[0])
            _wait_until_begun(stream)
        yield


def _wait_until_begun(stream: socket.socket) -> None:
    received = b""
    while BEGUN not in received:
        part = stream.recv(4096)
        if not part:
            raise BenchmarkError(f"An event stream did not begin: {received!r}")
        received += part
