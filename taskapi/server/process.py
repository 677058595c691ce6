"""The process around the application: its socket, its workers and its signals."""

import signal
import socket
import sys
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
from taskapi.config import Settings, SettingsError
from taskapi.observability import metrics
from taskapi.server.protocol import Protocol

BACKLOG = 2048

GRACE_SECONDS = 5
"""Beyond `REQUEST_TIMEOUT`, for requests that were accepted before a stop was asked for."""

WORKER_SECONDS = 60
"""After which a worker that says nothing is replaced. It says nothing while it starts, which on a
busy machine takes longer than uvicorn's 5 seconds: every worker would be ended before it serves."""


def listen(settings: Settings) -> socket.socket:
    """Listen on `API_HOST` and `API_PORT`, before anything that would have to be stopped again.

    Raises:
        SettingsError: somebody else listens there, or there is no such address.
    """
    place = (settings.host, settings.api_port)
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
    try:
        return socket.create_server(place, family=family, dualstack_ipv6=both, backlog=BACKLOG)
    except OSError as error:
        raise SettingsError(f"  API_HOST and API_PORT: {error.strerror}") from None


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


def manners(settings: Settings) -> dict[str, Any]:
    """How the application is served, by uvicorn's names: one parser, nothing logged twice."""
    return {
        "http": partial(Protocol, patience=settings.request_timeout),
        "ws": "none",
        "loop": "uvloop",
        "lifespan": "on",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "log_config": None,
    }


class Workers(Multiprocess):
    """uvicorn's supervisor, which also keeps the figures of workers that have ended out of sight.

    It replaces a worker that dies, and all of them on SIGHUP.
    """

    def __init__(self, config: uvicorn.Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._seen: set[int] = set()

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
        **manners(settings),
    )
    server = uvicorn.Server(config)
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
