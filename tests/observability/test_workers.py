"""Figures of several workers: whichever of them is asked, it tells of all."""

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from support.fleet import WORKERS, Fleet, fleet_on
from support.metrics import figures, value
from support.people import SECRET
from support.programs import ADDRESS, READY, started
from support.service import as_service, client_of
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl
from taskapi.observability.metrics import DIRECTORY

NOVEMBER_2023 = 1_700_000_000


@pytest.fixture(scope="module")
def fleet(database: DatabaseUrl, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with fleet_on(database, tmp_path_factory.mktemp("fleet")) as it:
        yield it


def count(fleet: Fleet) -> None:
    """Ask for `/livez`, and wait until the worker has counted that, which follows the response.

    The worker that is asked writes its own figures first, so they are in its files then.
    """
    before = fleet.livez()
    fleet.get("/livez")
    eventually(lambda: fleet.livez() > before, "the request is counted")


def test_each_worker_tells_of_all(fleet: Fleet) -> None:
    before = fleet.livez()
    for worker in fleet.workers:
        with fleet.only(worker):
            count(fleet)
    for worker in fleet.workers:
        with fleet.only(worker):
            assert fleet.livez() == before + WORKERS


def test_the_workers_connections_are_added_up(fleet: Fleet) -> None:
    def shown(name: str) -> float:
        return value(fleet.figures(), name)

    for worker in fleet.workers:
        with fleet.only(worker):
            assert fleet.get("/readyz").status_code == 200
    eventually(lambda: shown("taskapi_database_connections_open") >= WORKERS, "all are shown")
    assert shown("taskapi_database_connections_max") == 2 * WORKERS
    assert shown("taskapi_workers") == WORKERS


def test_the_figures_of_the_process_are_there_with_several_workers_too(fleet: Fleet) -> None:
    seen = fleet.figures()
    assert value(seen, "process_cpu_seconds_total") > 0
    assert value(seen, "process_resident_memory_bytes") > WORKERS * 10_000_000
    assert 0 < value(seen, "process_open_fds") < value(seen, "process_max_fds")
    assert value(seen, "process_start_time_seconds") > NOVEMBER_2023
    assert value(seen, "taskapi_build_info") == 1


def test_a_file_in_which_a_worker_has_not_written_yet_is_passed_over(fleet: Fleet) -> None:
    begun = fleet.directory / "counter_0.db"
    begun.touch()
    assert value(fleet.figures(), "taskapi_workers") == WORKERS
    begun.unlink()


def test_what_a_killed_worker_counted_stays_and_what_it_held_does_not(fleet: Fleet) -> None:
    victim = fleet.workers[0]
    with fleet.only(victim):
        count(fleet)
    counted = fleet.livez()
    os.kill(victim, signal.SIGKILL)
    eventually(
        lambda: not list(fleet.directory.glob(f"gauge_live*_{victim}.db")), "it is forgotten"
    )
    assert list(fleet.directory.glob(f"counter_{victim}.db"))
    eventually(lambda: value(fleet.figures(), "taskapi_workers") == WORKERS, "it is replaced")
    assert fleet.livez() == counted
    assert value(fleet.figures(), "taskapi_database_connections_max") == 2 * WORKERS


SERVE_WITHOUT_SAMPLES = """
from taskapi.cli import main
from taskapi.observability import metrics

metrics.SAMPLE_SECONDS = 1_000_000
main()
"""


def test_counting_writes_to_no_file_and_the_end_of_a_worker_does(
    database: DatabaseUrl, tmp_path: Path
) -> None:
    directory = tmp_path / "metrics"
    directory.mkdir()
    settings = {
        "DATABASE_URL": as_service(database).dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "API_HOST": "127.0.0.1",
        DIRECTORY: directory,  # as one of several workers, of another process manager
    }
    command = ("python", "-c", SERVE_WITHOUT_SAMPLES, "serve", "--port", 0)
    with (
        started(*command, folder=tmp_path, settings=settings) as service,
        client_of(service.wait_for(ADDRESS)["url"]) as http,
    ):
        service.wait_for(READY)

        def wait_until_counted(route: str) -> None:
            """Wait for its line of the log: it follows the count, which follows the response."""
            service.wait_for(re.compile(f'"route": "{route}"'))

        def count_one() -> None:
            assert http.get("/livez").status_code == 200
            wait_until_counted("/livez")

        count_one()
        assert value(figures(http), "taskapi_requests_total", route="/livez") == 1
        wait_until_counted("/metrics")
        # The series of both routes are in the files now, where a new one is put at once.
        before = contents(directory)
        for _ in range(5):
            count_one()
        assert contents(directory) == before
        assert in_files(directory) == 1
        assert service.end(signal.SIGTERM) == 0
    assert in_files(directory) == 6


def contents(directory: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in directory.glob("*.db")}


def in_files(directory: Path) -> float:
    """How many requests to `/livez` the files tell of."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry, str(directory))  # type: ignore[no-untyped-call]  # so prometheus_client has it
    asked = {"method": "GET", "route": "/livez", "status": "200"}
    return registry.get_sample_value("taskapi_requests_total", asked) or 0


def test_nothing_is_left_behind(fleet: Fleet) -> None:
    """The last of these tests: it ends the service."""
    directory = fleet.directory
    assert list(directory.glob("*.db"))
    assert fleet.end() == 0
    assert not directory.exists()
