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
from threading import Thread
from types import FrameType
from typing import Any

import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.supervisors import ChangeReload, Multiprocess

import taskapi
from taskapi.config import Settings
from taskapi.observability import metrics
from taskapi.server import shares
from taskapi.server.accepting import WorkerLoop
from taskapi.server.connections import Connections, max_connections
from taskapi.server.drain import DRAIN_SECONDS, HANDLED
from taskapi.server.listener import BACKLOG, CLOSING_SECONDS, drop_new_connections
from taskapi.server.protocol import HttpProtocol, overloaded

GRACE_SECONDS = 5
"""Added to `REQUEST_TIMEOUT`, for requests that were accepted before the stop."""

POLL_SECONDS = 0.05

WORKER_HEALTHCHECK_SECONDS = 60
"""A worker that does not respond to its supervisor for so long is replaced. It does not while it
starts, and on a busy machine that takes longer than uvicorn's 5 seconds: none would ever serve."""

WORKER_LOOP = f"{WorkerLoop.__module__}:{WorkerLoop.__qualname__}"
"""As uvicorn takes it."""


@contextmanager
def exit_on_signals() -> Iterator[None]:
    """Make these signals raise SystemExit, so that contexts that are open are closed.

    uvicorn finishes its requests first, and then raises the signal again. A SIGHUP that is ignored
    (`nohup`) stays so.
    """
    numbers = [number for number in HANDLED if signal.getsignal(number) != signal.SIG_IGN]
    before = {number: signal.signal(number, _exit) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _exit(_number: int, _frame: FrameType | None) -> None:
    for number in HANDLED:
        signal.signal(number, signal.SIG_IGN)  # so that a second one does not interrupt this
    sys.exit(0)


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """The options of uvicorn for these settings: one HTTP parser, and nothing logged twice.

    Raises:
        SettingsError: `MAX_CONNECTIONS` is more than this process can have.
    """
    return {
        "http": partial(
            HttpProtocol,
            connections=Connections(max_connections(settings)),
            overloaded=overloaded(settings.allowed_origins),
            timeout=settings.request_timeout,
        ),
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
    """uvicorn's server, but it resets no connection when it stops."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for listener in sockets or []:
            drop_new_connections(listener)
        await asyncio.sleep(CLOSING_SECONDS)  # queued connections are accepted meanwhile
        await super().shutdown(sockets)


class Workers(Multiprocess):
    """uvicorn's supervisor of worker processes, which replaces them when they die, or on SIGHUP.

    This one also removes the gauges of workers that have ended, and resets no connection when it
    closes the socket that they share.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        hangup = signal.getsignal(signal.SIGHUP)
        super().__init__(config, sockets)
        if hangup == signal.SIG_IGN:
            signal.signal(signal.SIGHUP, hangup)  # `nohup`
        self._seen: set[int] = set()
        self._signalled = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._on_signal)

    def _on_signal(self, _number: int, _frame: FrameType | None) -> None:
        # The workers may have got the same signal, and begun to drain, at this moment.
        self._signalled = time.monotonic()
        # By a thread: nothing reads uvicorn's queue while it replaces workers, and this thread may
        # hold the event's lock.
        Thread(target=self.should_exit.set, daemon=True).start()

    def keep_subprocess_alive(self) -> None:
        for process in self.processes:
            # The worker's end of the pipe. If it were open here too, a worker that has ended would
            # look like one that does not respond.
            process.child_conn.close()
        super().keep_subprocess_alive()
        known = {process.pid for process in self.processes if process.pid is not None}
        for process_id in self._seen - known:
            metrics.forget_worker(process_id)
        self._seen = known

    def join_all(self) -> None:
        """Wait for the workers, and close the socket just before they stop accepting."""
        closing = self._signalled + DRAIN_SECONDS - CLOSING_SECONDS
        while time.monotonic() < closing and any(each.exitcode is None for each in self.processes):
            time.sleep(POLL_SECONDS)
        for listener in self.sockets:
            drop_new_connections(listener)
            listener.close()  # the workers have their own copies
        super().join_all()


def run(settings: Settings, listener: socket.socket, *, reload: bool) -> None:
    """Serve on this socket until SIGINT or SIGTERM. A start that fails exits the program."""
    config = uvicorn.Config(
        "taskapi.main:app",
        workers=settings.workers,
        reload=reload,
        # Not the working directory, which may hold a virtual environment with thousands of files.
        reload_dirs=[str(Path(taskapi.__file__).parent)] if reload else None,
        backlog=BACKLOG,
        timeout_worker_healthcheck=WORKER_HEALTHCHECK_SECONDS,
        timeout_graceful_shutdown=int(settings.request_timeout) + GRACE_SECONDS,
        **uvicorn_options(settings) | ({"loop": WORKER_LOOP} if settings.workers > 1 else {}),
    )
    server = Server(config)
    if reload:
        ChangeReload(config, target=server.run, sockets=[listener]).run()
    elif settings.workers > 1:
        with metrics.shared_by_workers():
            shares.create(settings.workers)
            supervisor = Workers(config, sockets=[listener])
            supervisor.run()
        if any(worker.exitcode == STARTUP_FAILURE for worker in supervisor.processes):
            sys.exit(STARTUP_FAILURE)
    else:
        server.run(sockets=[listener])
