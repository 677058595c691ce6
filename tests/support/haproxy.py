"""HAProxy, as deploy/haproxy.cfg has it; only who listens where is another for the tests."""

import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path
from typing import NamedTuple

import httpx

from support.machine import ROOT, cannot
from support.waiting import PATIENCE, eventually

CONFIG = ROOT / "deploy" / "haproxy.cfg"

CLOSED = ("/metrics", "/readyz", "/livez")
"""Paths for those who run the service."""


def program() -> str:
    """Where HAProxy is."""
    found = shutil.which("haproxy", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    if found is None:
        cannot("haproxy is not installed: apt-get install haproxy")
    return found


class Answer(NamedTuple):
    """What came back.

    Attributes:
        passed: whether it is the service's; HAProxy's own answers have no id of the request.
    """

    status: int
    passed: bool
    body: bytes


class Balancer:
    """A running HAProxy.

    Args:
        folder: for its files.
        ports: of the replicas.
        listener: a second place to take requests, whose clients have IP addresses.
        added: lines of configuration that belong to the frontend for the public.

    Attributes:
        socket: where it takes requests.
    """

    def __init__(
        self,
        folder: Path,
        ports: Sequence[int],
        listener: socket.socket | None = None,
        added: str = "",
    ) -> None:
        self.socket = folder / "public.sock"
        self._inherited = () if listener is None else (listener.fileno(),)
        self._figures = folder / "figures.sock"
        self._config = folder / "haproxy.cfg"
        self._config.write_text(_for_tests(folder, ports, self._inherited, added))

    @contextmanager
    def running(self) -> Iterator["Balancer"]:
        """Start it, and end it."""
        command = [program(), "-q", "-db", "-f", str(self._config)]
        process = subprocess.Popen(command, pass_fds=self._inherited)
        try:
            eventually(self.socket.is_socket, "haproxy listens")
            yield self
        finally:
            process.terminate()
            process.wait()

    def client(self) -> httpx.Client:
        """A client that talks to it."""
        return httpx.Client(
            transport=httpx.HTTPTransport(uds=str(self.socket)),
            base_url="http://balancer",
            timeout=PATIENCE,
        )

    def connected(self, seconds: float = PATIENCE) -> socket.socket:
        """A connection to it."""
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        connection.connect(str(self.socket))
        return connection

    def asked(self, target: str, method: str = "GET", version: str = "1.1") -> Answer:
        """The answer to a request whose target is sent as it stands."""
        lines = (f"{method} {target} HTTP/{version}", "Host: balancer", "Connection: close", "", "")
        with self.connected() as connection:
            connection.sendall("\r\n".join(lines).encode())
            response = HTTPResponse(connection, method=method)
            response.begin()
            return Answer(response.status, "x-request-id" in response.headers, response.read())

    def in_rotation(self) -> set[int]:
        """The ports of the replicas that get requests."""
        figures = httpx.HTTPTransport(uds=str(self._figures))
        with httpx.Client(transport=figures, timeout=PATIENCE) as http:
            text = http.get("http://balancer/metrics").text
        up = r'haproxy_server_status\{proxy="taskapi",server="replica(\d+)",state="UP"\} 1'
        return {int(port) for port in re.findall(up, text)}


def strip(prefix: str) -> str:
    """Lines with which it takes only paths below a prefix, and passes them on without it."""
    return "\n".join(
        (
            f"    http-request return status 404 unless {{ path_beg {prefix}/ }}",
            rf"    http-request replace-path {prefix}(/.*) \1",
        )
    )


def _for_tests(folder: Path, ports: Sequence[int], inherited: Sequence[int], added: str) -> str:
    """The configuration with these replicas, listening in this folder and on these sockets."""
    binds = [f"    bind unix@{folder}/public.sock", *(f"    bind fd@{it}" for it in inherited)]
    servers = "\n".join(f"    server replica{port} 127.0.0.1:{port}" for port in ports)
    text = CONFIG.read_text()
    for pattern, replacement in (
        (r"^    bind :8080$", "\n".join([*binds, added]).replace("\\", r"\\")),
        (r"^    bind :8405$", f"    bind unix@{folder}/figures.sock"),
        (r"^    server-template .*$", servers),
        (r"^    log stdout .*$", ""),
    ):
        text, changed = re.subn(pattern, replacement, text, flags=re.MULTILINE)
        assert changed == 1, f"{pattern} is not in {CONFIG}"
    return text
