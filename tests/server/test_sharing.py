"""Several workers share connections evenly, and wait for none that does not respond."""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import psutil
import pytest

from support.fleet import Fleet, fleet_on
from support.waiting import PATIENCE, eventually
from support.wire import Wire, request
from taskapi.database.url import DatabaseUrl

CONNECTIONS = 32

FAIR = range(12, 21)
"""Connections of each of two workers."""


@pytest.fixture(scope="module")
def fleet(database: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_on(database, tmp_path_factory.mktemp("fleet")) as it:
        yield it


@contextmanager
def answered_connections(fleet: Fleet) -> Iterator[None]:
    """Connections that are opened at once, each of which gets an answer, and stays open."""
    place = urlsplit(fleet.address)
    with ExitStack() as stack:
        connections = [
            stack.enter_context(
                socket.create_connection((place.hostname, place.port), timeout=PATIENCE)
            )
            for _ in range(CONNECTIONS)
        ]
        for connection in connections:
            connection.sendall(request("GET", "/livez"))
        for connection in connections:
            assert Wire(connection).answer().status == 200
        yield


def held(fleet: Fleet) -> list[int]:
    """How many connections of clients each worker has, as the kernel counts them."""
    port = urlsplit(fleet.address).port
    return [
        sum(
            each.laddr.port == port and each.status == psutil.CONN_ESTABLISHED
            for each in psutil.Process(worker).net_connections("tcp")
        )
        for worker in fleet.workers
    ]


def is_shared_evenly(fleet: Fleet) -> bool:
    with answered_connections(fleet):
        shares = held(fleet)
    eventually(lambda: not any(held(fleet)), "all connections are closed")
    return all(share in FAIR for share in shares)


def assert_shared_evenly(fleet: Fleet) -> None:
    """On a busy machine the kernel may let a worker wait once, but not again and again."""
    assert sum(is_shared_evenly(fleet) for _ in range(5)) >= 4


def test_connections_at_once_are_shared_evenly(fleet: Fleet) -> None:
    assert_shared_evenly(fleet)


def test_a_worker_that_hangs_keeps_nobody_waiting(fleet: Fleet) -> None:
    """Every connection is answered, by the other one; and the first has its share afterwards."""
    first, second = fleet.workers
    for alone in (first, second):
        with fleet.only(alone), answered_connections(fleet), answered_connections(fleet):
            shares = dict(zip(fleet.workers, held(fleet), strict=True))
            assert shares == {first: 0, second: 0} | {alone: 2 * CONNECTIONS}
        eventually(lambda: not any(held(fleet)), "all connections are closed")
    assert_shared_evenly(fleet)


def test_a_worker_that_replaces_another_has_its_share(fleet: Fleet) -> None:
    victim = fleet.workers[0]
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in fleet.workers and _all_serve(fleet), "it is replaced")
    assert_shared_evenly(fleet)


def _all_serve(fleet: Fleet) -> bool:
    with answered_connections(fleet):
        return len(held(fleet)) == 2 and all(held(fleet))
