"""The process around the application: its socket, its workers and its signals."""

import asyncio
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload, Multiprocess

import taskapi
from taskapi.config import Settings
from taskapi.observability import metrics
from taskapi.server.drain import DRAIN_SECONDS
from taskapi.server.listener import BACKLOG, CLOSING_SECONDS, drop_new_connections
from taskapi.server.protocol import HttpProtocol

GRACE_SECONDS = 5
"""Beyond `REQUEST_TIMEOUT`, for requests that were accepted before a stop was asked for."""

POLL_SECONDS = 0.05

WORKER_SECONDS = 60
"""After which a worker that says nothing is replaced. It says nothing while it starts, which on a
busy machine takes longer than uvicorn's 5 seconds: every worker would be ended before it serves."""


@contextmanager
def leaving_in_order() -> Iterator[None]:
    """Make a signal to stop end the program as an exception does, so that what was begun is undone.

    uvicorn finishes its requests first, and then repeats the signal that it was sent.
    """
    before = {number: signal.signal(number, _leave) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave(_number: int, _frame: FrameType | None) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # an impatient second one must not cut this short
    sys.exit(0)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """How the application is served, by uvicorn's names: one parser, nothing logged twice."""
    return {
        "http": partial(HttpProtocol, patience=settings.request_timeout),
        "timeout_keep_alive": settings.keep_alive_timeout,
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,
    }


class Server(uvicorn.Server):
    """uvicorn's server, which resets no connection when it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            drop_new_connections(listener)
        await asyncio.sleep(CLOSING_SECONDS)  # what is queued is accepted meanwhile
        await super().shutdown(sockets)


class Workers(Multiprocess):
    """uvicorn's supervisor of worker processes.

    It replaces a worker that dies, and all of them on SIGHUP. Unlike uvicorn's own, it forgets the
    gauges of workers that have ended, and closes the socket they share without resetting anybody.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._seen: set[int] = set()
        self._signalled = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        # Workers may get the same signal from whoever sent this one: they count from now on too.
        self._signalled = time.monotonic()
        self.signal_queue.append(number)

    def keep_subprocess_alive(self) -> None:
        for process in self.processes:
            # The worker's end of the pipe. As long as we hold it too, a worker that has ended looks
            # like one that says nothing.
            process.child_conn.close()
        super().keep_subprocess_alive()
        known = {process.pid for process in self.processes if process.pid is not None}
        for process_id in self._seen - known:
            metrics.forget_worker(process_id)
        self._seen = known

    def join_all(self) -> None:
        """Wait for the workers, and close the socket a moment before they stop accepting."""
        closing = self._signalled + DRAIN_SECONDS - CLOSING_SECONDS
        while time.monotonic() < closing and any(each.exitcode is None for each in self.processes):
            time.sleep(POLL_SECONDS)
        for listener in self.sockets:
            drop_new_connections(listener)
            listener.close()  # the workers have their own copies
        super().join_all()


def run(settings: Settings, listener: socket.socket, *, reload: bool) -> None:
    """Serve on this socket until a signal to stop; a start that fails ends the program."""
    config = uvicorn.Config(
        "taskapi.main:app",
        workers=settings.workers,
        reload=reload,
        # Not the working directory, where a virtual environment has thousands of files to watch.
        reload_dirs=[str(Path(taskapi.__file__).parent)] if reload else None,
        backlog=BACKLOG,
        timeout_worker_healthcheck=WORKER_SECONDS,
        timeout_graceful_shutdown=int(settings.request_timeout) + GRACE_SECONDS,
        **uvicorn_options(settings),
    )
    server = Server(config)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
    elif settings.workers > 1:
        with metrics.shared_by_workers():
            supervisor = Workers(config, sockets=[listener])
            supervisor.run()
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            sys.exit(STARTUP_FAILURE)
    else:
        server.run(sockets=[listener])
