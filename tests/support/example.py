"""The example of examples/web, started with the script of `make example`."""

import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from support.machine import ROOT, cannot, free_ports
from support.programs import environment, processes_of
from support.service import client_of
from support.typescript_client import built
from support.waiting import PATIENCE

PAGE = ROOT / "examples" / "web"
COMMAND = (sys.executable, "-m", "scripts.example")
PASSWORD = "correct horse battery staple"

TOKEN_SECONDS = 80


def needs() -> None:
    """Skip where Node or the packages are missing, which the script would install by itself.

    The client is built here, because the script would build it beside other test processes.
    """
    built()
    if not (PAGE / "node_modules").is_dir():
        cannot("The packages of the example are not installed: npm ci --prefix examples/web")


class Example:
    """The example, running.

    Args:
        data: where its users and tasks are.
    """

    def __init__(self, data: Path) -> None:
        self.data = data
        # The first port is taken, so the page comes to the next one.
        self._taken = socket.create_server(("127.0.0.1", free_ports(3)[0]))
        self._clients = ExitStack()

    @property
    def taken_port(self) -> int:
        """The port that it is told to take, where somebody listens already."""
        return int(self._taken.getsockname()[1])

    def start(self) -> None:
        """Start it, and wait until it prints its URL."""
        command = [*COMMAND, f"--port={self.taken_port}", f"--data={self.data}"]
        self._process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment({"TOKEN_LIFETIME": f"{TOKEN_SECONDS}s", "CI": "true"}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        self.url = self._told(r"URL +(http\S+)")[1]

    def _read(self) -> None:
        for line in self._process.stdout or ():
            self._lines.put(line)
        self._lines.put("")

    def _told(self, pattern: str) -> re.Match[str]:
        """The next line in which this stands."""
        seen = ""
        while line := self._lines.get(timeout=PATIENCE):
            seen += line
            if found := re.search(pattern, line):
                return found
        raise AssertionError(f"{pattern!r} was not printed:\n{seen}")

    @contextmanager
    def without_service(self) -> Iterator[None]:
        """Stop the service by a line, as the banner says, and start it by another one."""
        self._press_enter()
        self._told("The service is stopped")
        try:
            yield
        finally:
            self._press_enter()
            self._told("The service runs again")

    def _press_enter(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()

    def restart(self) -> None:
        """End it with Ctrl-C, and start it again."""
        assert self._end() == 0
        assert processes_of(self.data) == []
        self.start()

    def close(self) -> None:
        """Leave nothing behind."""
        self._clients.close()
        self._taken.close()
        self._end()

    def _end(self) -> int:
        """Press Ctrl-C, and wait for the end; gives the exit status."""
        self._process.send_signal(signal.SIGINT)
        status = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()
        return status

    def client(self) -> httpx.Client:
        """A client that keeps cookies and sends what a browser does from the page."""
        return self._clients.enter_context(client_of(self.url, headers={"Origin": self.url}))


@contextmanager
def running(data: Path) -> Iterator[Example]:
    """Run the example."""
    needs()
    example = Example(data)
    try:
        example.start()
        yield example
    finally:
        example.close()


class Device:
    """Another device of a user, without a browser: it signs up and calls the API.

    Attributes:
        name: of the user.
        http: a client with the cookies of the session.
    """

    def __init__(self, example: Example, name: str, email: str) -> None:
        self.name = name
        self.http = example.client()
        body = {"name": name, "email": email, "password": PASSWORD}
        response = self.http.post("/api/auth/sign-up/email", json=body)
        assert response.is_success, response.text
        self._tasks = f"/api/{response.json()['user']['id']}/tasks"

    def _call(self, method: str, path: str = "", body: object = None) -> Any:
        token = self.http.get("/api/auth/token").json()["token"]
        headers = {"Authorization": f"Bearer {token}"}
        response = self.http.request(method, self._tasks + path, json=body, headers=headers)
        assert response.is_success, response.text
        return response.json()

    def create(self, *tasks: dict[str, Any]) -> None:
        """Create tasks, up to 100. The last one is the newest."""
        self._call("POST", "/batch", {"operations": [{"op": "create", **task} for task in tasks]})

    def change(self, title: str, **fields: object) -> None:
        """Change the task with this title."""
        self._call("PATCH", f"/{self._task(title)['id']}", fields)

    def titles(self) -> list[str]:
        """The titles of all tasks, newest first."""
        return [task["title"] for task in self._call("GET")["tasks"]]

    def is_done(self, title: str) -> bool:
        """Whether the task with this title is completed."""
        return bool(self._task(title)["is_completed"])

    def description(self, title: str) -> str:
        """Of the task with this title."""
        return str(self._task(title)["description"])

    def _task(self, title: str) -> dict[str, Any]:
        [task] = [task for task in self._call("GET")["tasks"] if task["title"] == title]
        return dict(task)


SCREENSHOTS = PAGE / "screenshots" if os.environ.get("EXAMPLE_SCREENSHOTS") else None
"""Where screenshots are written, if they are asked for."""
