"""What every attack is made of: connections that do something again and again until the end."""

import socket
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

HOST = "127.0.0.1"

ELSEWHERE = ("127.0.0.2", 0)
"""The attacker's own address: what limits this address must not limit the polite user's."""


PAUSE = 1.0
"""Seconds until a connection that has ended is opened again: how many a second an address may open
is a balancer's to limit."""

LINGER = 30
"""Seconds that an attack waits beyond its time for a response: each request is seen through."""


class Request(NamedTuple):
    """A well-formed request; the path starts behind the attacker's tasks."""

    method: str
    path: str = ""
    body: bytes = b""
    headers: dict[str, str] = {}  # noqa: RUF012 - nobody changes it


@dataclass
class Sent:
    """What an attack sent, and what it got.

    Attributes:
        requests: how many that got a response.
        body_bytes: of the bodies of these.
        answers: by status, or by the error where there was no response.
    """

    requests: int = 0
    body_bytes: int = 0
    answers: Counter[str] = field(default_factory=Counter)


class Attacker:
    """A user, or a stranger, who wants too much.

    Args:
        port: of the service.
        user_id: whose tasks are meant.
        token: a valid one, or nothing for a stranger.
        seconds: after which the attack ends.
    """

    def __init__(self, port: int, user_id: str, token: str, seconds: float) -> None:
        self.sent = Sent()
        self.tasks = f"/api/{user_id}/tasks"
        self.authorization = {"Authorization": f"Bearer {token}"}
        self._address = (HOST, port)
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()

    @property
    def over(self) -> bool:
        """Whether the time of the attack is over."""
        return time.monotonic() >= self._end

    def repeat(self, connections: int, request: Callable[[], Request]) -> None:
        """Send requests on so many connections, each as soon as the one before was answered."""

        def work() -> None:
            http = HTTPConnection(*self._address, timeout=LINGER, source_address=ELSEWHERE)
            while not self.over:
                self._exchange(http, request())
            http.close()

        self._at_once(connections, work)

    def reopen(self, connections: int, use: Callable[[socket.socket], str]) -> None:
        """Use so many connections, and open another one for each that has ended.

        Args:
            connections: how many at once.
            use: what to do with a new one; gives what became of it.
        """

        def work() -> None:
            while not self.over:
                try:
                    with self._connect() as connection:
                        self._count(use(connection))
                except OSError as error:
                    self._count(type(error).__name__)
                time.sleep(min(PAUSE, max(self._end - time.monotonic(), 0)))

        self._at_once(connections, work)

    def ask(self, request: Request) -> bytes:
        """The body of the response to one request, before the attack begins."""
        http = HTTPConnection(*self._address, timeout=LINGER, source_address=ELSEWHERE)
        self._send(http, request)
        return http.getresponse().read()

    def head(self, method: str, path: str, *lines: str) -> bytes:
        """The head of a request, without the empty line that ends it."""
        fields = [f"{name}: {value}" for name, value in self.authorization.items()]
        lines = (f"{method} {self.tasks}{path} HTTP/1.1", "Host: abuse", *fields, *lines)
        return "".join(f"{line}\r\n" for line in lines).encode()

    def _exchange(self, http: HTTPConnection, request: Request) -> None:
        try:
            self._send(http, request)
            response = http.getresponse()
            response.read()
        except (OSError, HTTPException) as error:
            http.close()  # the next request opens it again
            self._count(type(error).__name__)
            return
        self._count(str(response.status), len(request.body))

    def _send(self, http: HTTPConnection, request: Request) -> None:
        kind = {"Content-Type": "application/json"} if request.body else {}
        headers = self.authorization | kind | request.headers
        http.request(request.method, self.tasks + request.path, request.body or None, headers)

    def _connect(self) -> socket.socket:
        connection = socket.socket()
        # A small window, so that what a slow reader leaves unread stays with the service.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(max(self._end - time.monotonic(), 0.1))
        connection.bind(ELSEWHERE)
        connection.connect(self._address)
        return connection

    def _count(self, answer: str, body_bytes: int = 0) -> None:
        with self._lock:
            self.sent.answers[answer] += 1
            self.sent.requests += answer.isdecimal()
            self.sent.body_bytes += body_bytes

    @staticmethod
    def _at_once(connections: int, work: Callable[[], None]) -> None:
        with ThreadPoolExecutor(connections) as threads:
            for done in [threads.submit(work) for _ in range(connections)]:
                done.result()
