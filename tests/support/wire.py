"""A connection to the service byte by byte, and a strict reader of what comes back."""

import json
import re
import select
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import httpx

from support.waiting import PATIENCE

HEAD = re.compile(rb"HTTP/1\.1 (\d{3}) [A-Za-z ]+\r\n((?:[a-z-]+: [^\r\n]*\r\n)*)\r\n")

BODILESS = {100, 204, 304}


class Answer(NamedTuple):
    """One answer; the names of its headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Wire:
    """One connection."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._received = b""

    def send(self, *parts: bytes) -> None:
        """Send what a service will read that has perhaps heard enough already."""
        try:
            for part in parts:
                self._connection.sendall(part)
        except (BrokenPipeError, ConnectionResetError):
            pass  # what it said before is there to be read

    def ended(self) -> bool:
        """Whether the service has closed the connection; does not wait for it."""
        while select.select([self._connection], [], [], 0)[0]:
            if not self._receive():
                return True
        return False

    def answer(self, *, bodiless: bool = False) -> Answer:
        """The next answer, whole; without a body where the request was a HEAD."""
        head = self.head()
        bodiless = bodiless or head.status in BODILESS
        return head._replace(body=self.rest(0 if bodiless else int(head.headers["content-length"])))

    def head(self) -> Answer:
        """The head of the next answer, and nothing of its body."""
        head = self._until(HEAD)
        fields = [line.split(": ", 1) for line in head[2].decode("latin-1").splitlines()]
        headers = dict(fields)
        assert len(headers) == len(fields), f"a header twice: {fields}"
        assert "transfer-encoding" not in headers
        return Answer(int(head[1]), headers, b"")

    def rest(self, size: int) -> bytes:
        """So many bytes of a body."""
        while len(self._received) < size:
            assert self._receive(), "an answer that is cut off"
        body, self._received = self._received[:size], self._received[size:]
        return body

    def answers(self) -> list[Answer]:
        """Every answer up to the end of the connection, which has to come from the service."""
        received = []
        while self._received or self._receive():
            received.append(self.answer())
        return received

    def _until(self, head: re.Pattern[bytes]) -> re.Match[bytes]:
        while (found := head.match(self._received)) is None:
            assert self._receive(), f"no answer, but {self._received!r}"
        self._received = self._received[found.end() :]
        return found

    def _receive(self) -> bool:
        try:
            part = self._connection.recv(65536)
        except ConnectionResetError:
            part = b""
        self._received += part
        return part != b""


def connection_to(http: httpx.Client) -> socket.socket:
    """A connection to the service that this client calls."""
    address = (http.base_url.host, http.base_url.port)
    return socket.create_connection(address, timeout=PATIENCE)


@contextmanager
def connected(http: httpx.Client) -> Iterator[Wire]:
    """A new connection to the service that this client talks to."""
    with connection_to(http) as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield Wire(connection)


def exchange(http: httpx.Client, *parts: bytes) -> list[Answer]:
    """Everything that the service answers to these bytes until it closes the connection."""
    with connected(http) as wire:
        wire.send(*parts)
        return wire.answers()


def request(method: str, target: str, *headers: str, body: bytes = b"") -> bytes:
    """A well-formed request, but for what is wrong with its parts."""
    fields = ["Host: test", *headers]
    if body:
        fields.append(f"Content-Length: {len(body)}")
    lines = [f"{method} {target} HTTP/1.1", *fields, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def assert_refused(answer: Answer, status: int, code: str) -> None:
    """Hold that this is the refusal with this status and code, in the one shape of all errors."""
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    said = answer.json()
    assert list(said) == ["detail", "code", "request_id"]
    assert (said["code"], said["request_id"]) == (code, answer.headers["x-request-id"])
    assert said["detail"]


# For those who look at the very bytes of one answer


def answer_to(http: httpx.Client, *sent: bytes) -> bytes:
    """What the service sends back, up to the end of one answer or of the connection."""
    with connection_to(http) as connection:
        for part in sent:
            connection.sendall(part)
        received = b""
        while not _complete(received):
            part = connection.recv(65536)
            if not part:
                break
            received += part
    return received


def _complete(received: bytes) -> bool:
    head, end, body = received.partition(b"\r\n\r\n")
    if head.startswith(b"HTTP/1.1 100"):
        return _complete(body)
    if not end:
        return False
    for line in head.lower().split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name == b"content-length":
            return len(body) >= int(value)
    return True


def head_of(method: str, path: str, *headers: str) -> bytes:
    """The head of a request, after whose answer the service closes the connection."""
    return request(method, path, "Connection: close", *headers)
