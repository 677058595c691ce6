"""Start the example of examples/web: PostgreSQL, the service, Better Auth and the page.

    python -m scripts.example [--port 5173] [--data examples/web] [--dev]

The page's server has Better Auth in it and passes the rest of `/api` on to the service: one origin.
"""

import argparse
import os
import select
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from scripts.node import install, node
from taskapi.config import LOCAL_DIRECTORY, Settings
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.embedded.secret import local_secret
from taskapi.embedded.server import EmbeddedServer
from taskapi.server.process import exit_on_signals

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "examples" / "web"

START_SECONDS = 60
"""In which a server has started, on a slow machine too."""

_open = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
"""Without the proxy of `http_proxy`, which does not know this machine's servers."""

BANNER = """
taskapi example
  URL       {url}
  data      {data}

Sign up with any name and address, and open it in a second window or browser too. Enter stops the
service and starts it again, which shows the page without it. Ctrl-C ends all; the data stays.
"""


def free_port(first: int) -> int:
    """The first port from there on to which nobody listens."""
    for port in range(first, first + 100):
        with suppress(OSError, OverflowError):  # ports end at 65535
            socket.create_server(("127.0.0.1", port)).close()
            return port
    sys.exit(f"The ports {first} to {first + 99} are taken: --port names another.")


class Server:
    """A server of the example. What it prints is kept in a file.

    Args:
        name: of the server and of its file.
        command: what starts it.
        variables: of its environment, beside those of this one without the service's settings.
        url: answers when it is ready.
    """

    def __init__(
        self, name: str, command: list[str], variables: dict[str, object], url: str
    ) -> None:
        self._name, self._command, self._url = name, command, url
        self._log = LOCAL_DIRECTORY / f"{name}.log"
        self._log.unlink(missing_ok=True)
        kept = {k: v for k, v in os.environ.items() if k.lower() not in Settings.model_fields}
        self._environment = kept | {name: str(value) for name, value in variables.items()}

    @contextmanager
    def running(self) -> Iterator[subprocess.Popen[bytes]]:
        """Run it, and give it when it is ready."""
        with self._log.open("ab") as log:
            # In a session of its own: Ctrl-C is for this script, which stops them in order.
            process = subprocess.Popen(
                self._command,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        try:
            self._wait_for(process)
            yield process
        finally:
            process.terminate()
            process.wait()

    def _wait_for(self, process: subprocess.Popen[bytes]) -> None:
        end = time.monotonic() + START_SECONDS
        while time.monotonic() < end and process.poll() is None:
            with suppress(OSError):
                _open(self._url).close()
                return
            time.sleep(0.05)
        sys.exit(f"{self._log.read_text()}\nThe {self._name} has not started.")


def servers(port: int, database: str, *, dev: bool) -> tuple[Server, Server]:
    """The page with Better Auth, and the service that trusts it."""
    url, service_port = f"http://127.0.0.1:{port}", free_port(port + 1)
    service_url = f"http://127.0.0.1:{service_port}"
    page = Server(
        "page",
        [
            node(),
            str(PAGE / "node_modules/vite/bin/vite.js"),
            "dev" if dev else "preview",
            str(PAGE),
        ],
        {
            "NODE_ENV": "development",  # no limit of sign-ups for each address: all have this one
            "PORT": port,
            "TASKAPI_URL": service_url,
            "DATABASE_URL": database,
            "BETTER_AUTH_URL": url,
            "BETTER_AUTH_SECRET": local_secret(LOCAL_DIRECTORY / "better-auth"),
        },
        f"{url}/api/auth/ok",
    )
    service = Server(
        "service",
        [sys.executable, "-P", "-m", "taskapi", "serve"],
        {
            "API_PORT": service_port,
            "BETTER_AUTH_URL": url,
            "USERS_TABLE": "user",
            "USER_ID_TYPE": "text",
            "CREATE_UNKNOWN_USERS": "false",
        },
        f"{service_url}/readyz",
    )
    return page, service


def run(page: Server, service: Server, banner: str) -> None:
    """Run both until one of them ends by itself; a line stops the service, the next starts it."""
    with page.running() as page_process:
        while True:
            with service.running() as service_process:
                print(banner, flush=True)
                wait_for_line([page_process, service_process])
            banner = "The service runs again."
            print("The service is stopped: the page keeps what you do until Enter.", flush=True)
            wait_for_line([page_process])


def wait_for_line(processes: list[subprocess.Popen[bytes]]) -> None:
    """Return at a line on standard input; where it is at its end, wait for a signal."""
    inputs = [sys.stdin]
    while all(process.poll() is None for process in processes):
        if select.select(inputs, [], [], 0.5)[0]:
            if sys.stdin.readline():
                return
            inputs = []
    sys.exit(f"A server has ended by itself: see {LOCAL_DIRECTORY.absolute()}/*.log")


def main() -> None:
    """Install, start everything in its order, and stop it in the other one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=5173, help="the first to try")
    parser.add_argument("--data", type=Path, default=PAGE, help="where .taskapi is, or is made")
    parser.add_argument("--dev", action="store_true", help="Vite's own server, which reloads")
    arguments = parser.parse_args()
    with exit_on_signals(), ExitStack() as last:
        node()
        for folder in (ROOT / "clients" / "typescript", PAGE):
            install(folder)
        os.chdir(arguments.data)
        port, database = free_port(arguments.port), EmbeddedServer(LOCAL_DIRECTORY)
        last.callback(database.stop)
        page, service = servers(port, database.start().dsn, dev=arguments.dev)
        url, data = f"http://127.0.0.1:{port}", LOCAL_DIRECTORY.absolute()
        run(page, service, BANNER.format(url=url, data=data))


try:
    main()
except EmbeddedServerError as error:
    sys.exit(f"The example cannot start:\n{error}")
