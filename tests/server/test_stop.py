"""A stop resets nobody: what has connected is answered, and who comes later is refused."""

import re
import signal
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from support.prepared import prepared_service
from support.programs import (
    READY,
    Service,
    as_ordinary_user,
    ordinary_folder,
)
from support.waiting import PATIENCE, eventually

REQUEST = b"GET /livez HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n"

CLIENTS = 8

STARTED = re.compile("Started server process")


class Caller(threading.Thread):
    """A client that opens a connection for every request, until it is refused.

    Attributes:
        outcomes: how often it was answered, refused, reset, or left without a response.
    """

    def __init__(self, address: tuple[str, int]) -> None:
        super().__init__()
        self._address = address
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        while "refused" not in self.outcomes:
            self.outcomes[self._call()] += 1

    def _call(self) -> str:
        try:
            connection = socket.create_connection(self._address, timeout=PATIENCE)
        except ConnectionRefusedError:
            return "refused"
        except ConnectionResetError:
            return "reset"
        with connection:
            return answered(connection)


def answered(connection: socket.socket, request: bytes = REQUEST) -> str:
    try:
        connection.sendall(request)
        response = b"".join(iter(lambda: connection.recv(65536), b""))
    except (ConnectionResetError, BrokenPipeError):
        return "reset"
    return "answered" if response.startswith(b"HTTP/1.1 200 ") else "no response"


@pytest.fixture(params=[1, 2], ids=["one worker", "two workers"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Service, str]]:
    """As an ordinary user: what the kernel does for it needs no right."""
    folder, prefix = ordinary_folder(tmp_path / "service"), as_ordinary_user()
    with prepared_service(folder, "--workers", request.param, prefix=prefix) as started:
        service, person = started
        if request.param == 2:  # the first has started, and perhaps not the second
            service.wait_for(READY)
        yield service, str(person.http.base_url)


def place(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return parts.hostname, parts.port


def test_clients_that_connect_for_each_request_are_answered_or_refused(
    served: tuple[Service, str],
) -> None:
    service, url = served
    callers = [Caller(place(url)) for _ in range(CLIENTS)]
    for caller in callers:
        caller.start()
    eventually(lambda: all(each.outcomes["answered"] for each in callers), "all are served")
    assert service.end(signal.SIGTERM) == 0
    for caller in callers:
        caller.join(PATIENCE)
    outcomes = sum((caller.outcomes for caller in callers), Counter())
    assert outcomes.keys() == {"answered", "refused"}, outcomes
    assert outcomes["refused"] == CLIENTS


def test_the_first_request_of_a_connection_made_before_the_stop_is_answered(
    served: tuple[Service, str],
) -> None:
    """Also where it is sent, or ends, after the process has stopped accepting."""
    service, url = served
    silent, partial = (socket.create_connection(place(url), timeout=PATIENCE) for _ in range(2))
    with silent, partial:
        partial.sendall(REQUEST[:10])
        service.process.send_signal(signal.SIGTERM)
        wait_until_refused(place(url))
        assert answered(silent) == "answered"
        assert answered(partial, REQUEST[10:]) == "answered"
        assert service.wait() == 0


def test_a_stop_does_not_wait_for_a_connection_that_stays_silent(
    served: tuple[Service, str],
) -> None:
    service, url = served
    with socket.create_connection(place(url), timeout=PATIENCE) as silent:
        assert service.end(signal.SIGTERM) == 0
        assert silent.recv(1) == b""


def test_a_stop_does_not_wait_for_the_rest_of_a_head(served: tuple[Service, str]) -> None:
    """Not until the time for a head is over, and not as long again for the client to close."""
    service, url = served
    with socket.create_connection(place(url), timeout=PATIENCE) as partial:
        partial.sendall(REQUEST[:10])
        assert service.end(signal.SIGTERM) == 0
        assert "timeout graceful shutdown exceeded" not in service.output
        assert partial.recv(65536).startswith(b"HTTP/1.1 408 ")


def test_a_stop_does_not_wait_until_all_workers_have_been_replaced(tmp_path: Path) -> None:
    folder, prefix = ordinary_folder(tmp_path / "service"), as_ordinary_user()
    with prepared_service(folder, "--workers", 2, prefix=prefix) as (service, _):
        service.wait_for(READY)
        service.process.send_signal(signal.SIGHUP)
        service.wait_for(STARTED)
        assert service.end(signal.SIGTERM) == 0
    assert len(STARTED.findall(service.output)) == 3


def wait_until_refused(address: tuple[str, int]) -> None:
    """Wait until nobody listens, without joining the queue of a process that still does."""
    host, port = address
    wanted = f"{int.from_bytes(socket.inet_aton(host), 'little'):08X}:{port:04X}"
    eventually(lambda: wanted not in listening(), "nobody listens")


def listening() -> set[str]:
    """The addresses on which some process listens, as /proc has them: state 0A."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    return {fields[1] for line in lines if (fields := line.split())[3] == "0A"}
