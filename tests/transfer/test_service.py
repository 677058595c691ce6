"""Exports and imports of a service in its own process: full disk, stop, memory."""

import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from support.calls import assert_refused
from support.files import at, export_in, exported, fill, json_lines, send, spools, taking_nothing
from support.machine import free_ports
from support.people import SECRET, Person
from support.programs import READY, Service, started
from support.service import as_service, client_of
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

MEBIBYTE = 1024 * 1024

MAX_FILE_BYTES = 2 * MEBIBYTE
"""What a file may have on the full disk; a spool stays in memory up to half of that."""


@contextmanager
def own_service(
    database: DatabaseUrl, folder: Path, *prefix: str
) -> Iterator[tuple[Service, httpx.Client]]:
    (port,) = free_ports(1)
    settings = {
        "DATABASE_URL": as_service(database).dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "CREATE_UNKNOWN_USERS": "true",
        "API_HOST": "127.0.0.1",
        "API_PORT": port,
    }
    command = ("taskapi", "serve")
    with (
        started(*command, folder=folder, prefix=prefix, settings=settings) as service,
        client_of(f"http://127.0.0.1:{port}") as http,
    ):
        service.wait_for(READY)
        yield service, http


def test_a_full_disk_is_503_and_the_service_goes_on(
    database: DatabaseUrl, tmp_path: Path, alice: Person, bob: Person
) -> None:
    """The kernel refuses to make a file longer, as on a disk that is full (RLIMIT_FSIZE)."""
    fill(database, alice, 600, 5000)
    limit = f"--fsize={MAX_FILE_BYTES}"
    with own_service(database, tmp_path, "prlimit", limit) as (service, http):
        alice, bob = at(alice, http), at(bob, http)
        for _ in range(3):
            refused = alice.get("/export?format=jsonl")
            assert_refused(refused, 503, "overloaded")
            assert int(refused.headers["Retry-After"]) >= 1
        lines = ({"title": str(each), "description": "x" * 5000} for each in range(600))
        assert_refused(send(bob, json_lines(lines)), 503, "overloaded")
        assert bob.get().json()["total"] == 0
        assert len(exported(alice, created_since="2099-01-01T00:00:00Z").tasks) == 0
        bob.create("Still here")
        assert len(exported(bob).tasks) == 1
        assert spools(service.process.pid) == 0
        service.end()
    assert "spool_failed" in service.output
    assert "Traceback" not in service.output


def test_a_stop_lets_an_export_under_way_be_taken_to_its_end(
    database: DatabaseUrl, tmp_path: Path, alice: Person
) -> None:
    fill(database, alice, 1500, 5000)
    with own_service(database, tmp_path) as (service, http):
        with taking_nothing(at(alice, http)) as wire:
            head = wire.head()
            service.process.send_signal(signal.SIGTERM)
            eventually(lambda: http.get("/readyz").status_code == 503, "the stop has begun")
            export = export_in(wire.rest(int(head.headers["content-length"])))
            assert len(export.tasks) == 1500
        assert service.wait() in {0, -signal.SIGTERM}
    assert "Traceback" not in service.output


# --- Memory ---


def peak_of(process: int) -> int:
    """The most memory that a process has had since `forget_peak`, in bytes."""
    status = Path(f"/proc/{process}/status").read_text()
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1024


def forget_peak(process: int) -> None:
    Path(f"/proc/{process}/clear_refs").write_text("5")


def test_long_files_pass_through_little_memory(
    database: DatabaseUrl, tmp_path: Path, alice: Person, bob: Person
) -> None:
    """10,000 tasks of 5 kB go out, and 10 MiB come in, in less than 16 MiB each (issue 18)."""
    fill(database, alice, 10_000, 5000)
    fill(database, bob, 300, 5000)
    line = json_lines([{"title": "A task", "description": "x" * 900}])
    file = line * (10 * MEBIBYTE // len(line))
    with own_service(database, tmp_path) as (service, http):
        pid = service.process.pid
        for way in (_export, _import):
            way(at(bob, http), file[: len(line) * 300])  # what is loaded once
            forget_peak(pid)
            before = peak_of(pid)
            way(at(alice, http), file)
            assert peak_of(pid) - before < 16 * MEBIBYTE


def _export(person: Person, _: bytes) -> None:
    headers = {"Authorization": f"Bearer {person.token}"}
    url = f"{person.tasks}/export?format=jsonl"
    with person.http.stream("GET", url, headers=headers) as response:
        assert response.status_code == 200
        last = list(response.iter_raw())[-1]
    assert b'{"end":' in last


def _import(person: Person, file: bytes) -> None:
    assert send(person, file).status_code == 200
