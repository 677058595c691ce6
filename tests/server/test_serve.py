"""`taskapi serve` as a person meets it: what it prints, how it stops, and why it does not start."""

import json
import re
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest

from support.machine import cannot
from support.people import SECRET, Person
from support.prepared import prepared_service
from support.programs import (
    ADDRESS,
    READY,
    Service,
    members_of,
    processes_of,
    run,
    started,
)
from support.service import client_for, client_of, settings_for
from support.waiting import PATIENCE, eventually
from taskapi.database.url import DatabaseUrl

SERVE = ("taskapi", "serve", "--port", "0")
UVICORN = ("uvicorn", "taskapi.main:app", "--port", "0")


def test_the_banner_is_all_that_the_first_request_needs(
    development: tuple[Service, Person],
) -> None:
    if shutil.which("curl") is None:
        cannot("curl is not installed, and the banner prints a line for it")
    service, alice = development
    (line,) = [line for line in service.lines if line.startswith("curl ")]
    pasted = subprocess.run(
        ["bash", "-c", line],  # noqa: S607 - the shell of whoever pastes it
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    task = json.loads(pasted.stdout)
    assert task["title"] == "Buy milk"
    assert alice.get(f"/{task['id']}").json() == task
    docs = re.search(r"docs +(\S+)", service.output)
    assert docs is not None
    assert alice.http.get(docs[1]).status_code == 200
    assert str(service.folder / ".taskapi") in service.output


def test_it_listens_on_loopback_only_unless_a_database_is_named(
    development: tuple[Service, Person],
) -> None:
    _, alice = development
    port = alice.http.base_url.port
    listeners = [line.split()[1] for line in Path("/proc/net/tcp").read_text().splitlines()]
    assert f"0100007F:{port:04X}" in listeners
    assert f"00000000:{port:04X}" not in listeners


def test_the_banner_has_no_token_signed_with_a_secret_of_the_operator(tmp_path: Path) -> None:
    """What is printed may be kept in a log, and that secret signs for real users."""
    with started(*SERVE, folder=tmp_path, settings={"BETTER_AUTH_SECRET": SECRET}) as service:
        service.wait_for(READY)
        assert "docs" in service.output
        assert "eyJ" not in service.output


@pytest.mark.parametrize(
    ("number", "workers"),
    [
        *((signal.SIGINT, 1), (signal.SIGINT, 2), (signal.SIGTERM, 1), (signal.SIGTERM, 2)),
        (signal.SIGHUP, 1),  # with several it replaces them: test_stop.py
    ],
)
def test_a_signal_stops_it_and_everything_that_it_started(
    number: signal.Signals, workers: int, tmp_path: Path
) -> None:
    with prepared_service(tmp_path, "--workers", workers) as (service, alice):
        for _ in range(workers - 1):
            service.wait_for(READY)
        alice.create()
        assert service.end(number) == 0, service.output
        assert "Traceback" not in service.output
    # The kernel may still be at it: a process that has exited is there for another moment.
    eventually(lambda: not processes_of(tmp_path) and not members_of(service), "all have ended")


@pytest.mark.parametrize("workers", [1, 2])
def test_a_hangup_that_is_to_be_ignored_is_ignored(workers: int, tmp_path: Path) -> None:
    """`nohup`: the service goes on when its terminal is gone."""
    nohup = ["nohup"]
    with prepared_service(tmp_path, "--workers", workers, prefix=nohup) as (service, alice):
        for _ in range(workers - 1):
            service.wait_for(READY)
        service.process.send_signal(signal.SIGHUP)
        alice.create()
        assert service.end(signal.SIGTERM) == 0, service.output
    assert service.output.count("Started server process") == workers


def test_a_platforms_directory_for_metrics_that_is_not_there_is_ignored(tmp_path: Path) -> None:
    for unusable in ({"PROMETHEUS_MULTIPROC_DIR": ""}, {"prometheus_multiproc_dir": "/nowhere"}):
        done = run("taskapi", "openapi", folder=tmp_path, settings=unusable)
        assert (done.returncode, done.stderr) == (0, "")
    settings = {"PROMETHEUS_MULTIPROC_DIR": "/nowhere"}
    with started(*SERVE, folder=tmp_path, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        service.wait_for(READY)
        with client_of(address) as http:
            assert "\ntaskapi_workers 1.0\n" in http.get("/metrics").text


def test_a_start_does_not_wait_for_a_database_that_says_nothing() -> None:
    """It is there after a few seconds, and not after the limits of a request."""
    patient = {"request_timeout": 300, "database_connect_timeout": 300}
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        settings = settings_for(
            DatabaseUrl(f"postgresql://taskapi@127.0.0.1:{port}/postgres?sslmode=disable"),
            **patient,
        )
        with client_for(settings) as http:
            assert http.get("/livez").status_code == 200


@pytest.mark.parametrize("program", [SERVE, UVICORN], ids=["taskapi", "uvicorn"])
def test_every_wrong_setting_is_said_in_a_line_of_its_own(
    program: tuple[str, ...], tmp_path: Path
) -> None:
    wrong = {
        "DATABASE_URL": "mysql://root:hidden@db/tasks",
        "BETTER_AUTH_SECRET": "hidden and short",
        "WORKERS": "many",
        "CORS_ORIGINS": "*",
    }
    result = run(*program, folder=tmp_path, settings=wrong)
    assert result.returncode != 0
    first, *mistakes = result.stderr.strip().splitlines()
    assert first == "taskapi cannot start:"
    assert sorted(line.split()[0] for line in mistakes) == sorted(wrong)
    assert "hidden" not in result.stderr


def test_a_port_in_use_is_said_before_anything_is_started(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as occupied:
        port = occupied.getsockname()[1]
        result = run("taskapi", "serve", "--port", port, folder=tmp_path)
    assert result.returncode != 0
    first, mistake = result.stderr.strip().splitlines()
    assert first == "taskapi cannot start:"
    assert "Address already in use" in mistake
    assert f"'127.0.0.1', {port}" in mistake
    assert list(tmp_path.iterdir()) == []
