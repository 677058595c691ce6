"""The system calls of a request, counted by the kernel: a fifth of the service's CPU is theirs."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from support.machine import cannot
from support.people import Person
from support.programs import Service

REQUESTS = 50

OTHERS = 10
"""Calls of the whole time that no request has caused, such as those of a timer."""


class Calls(NamedTuple):
    """Of a process."""

    reads: int
    writes: int


def calls_of(service: Service) -> Calls:
    """Those of a process so far (proc_pid_io(5)); those of files and of sockets count alike."""
    counters = Path(f"/proc/{service.process.pid}/io").read_text()
    counts = dict(re.findall(r"^(\w+): (\d+)$", counters, re.MULTILINE))
    return Calls(int(counts["syscr"]), int(counts["syscw"]))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux counts them")
@pytest.mark.parametrize("method", ["GET", "PUT"])
def test_a_request_reads_twice_and_writes_three_times(
    development: tuple[Service, Person], method: str
) -> None:
    """To the database and back, and the response with its head in one; and the line of the log."""
    service, alice = development
    if not Path(f"/proc/{service.process.pid}/io").exists():
        cannot("this kernel does not count the calls of a process")
    path = f"/{alice.create()['id']}"
    body = {"title": "Buy oat milk"} if method == "PUT" else None
    before = calls_of(service)
    for _ in range(REQUESTS):
        assert alice.request(method, path, json=body).is_success
    after = calls_of(service)
    assert after.writes - before.writes <= 3 * REQUESTS + OTHERS
    assert after.reads - before.reads <= (2 if method == "GET" else 3) * REQUESTS + OTHERS
