"""The embedded PostgreSQL: it works wherever the service is started, and nothing is ever lost."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

from support.people import SECRET
from support.prepared import prepared_service
from support.programs import (
    READY,
    as_ordinary_user,
    development_service,
    environment,
    ordinary_folder,
    processes_of,
    run,
    started,
)
from support.waiting import eventually

UVICORN = ("uvicorn", "taskapi.main:app", "--port", "0")


def postmasters(folder: Path) -> list[str]:
    return [command for command in processes_of(folder) if "/postgres -D" in command]


def test_a_task_is_still_there_after_stop_and_start(tmp_path: Path) -> None:
    """FR-013, SC-006."""
    with development_service(tmp_path) as (service, alice):
        task = alice.create()
        assert service.end() == 0
    assert processes_of(tmp_path) == []
    with development_service(tmp_path) as (_, alice):
        assert alice.get(f"/{task['id']}").json() == task


def test_a_task_is_still_there_after_kill_9(tmp_path: Path) -> None:
    """FR-013, SC-006."""
    with prepared_service(tmp_path) as (service, alice):
        task = alice.create()
        service.end(signal.SIGKILL)
    assert len(postmasters(tmp_path)) == 1, "a killed service cannot stop its database"
    with development_service(tmp_path) as (service, alice):
        assert alice.get(f"/{task['id']}").json() == task
        assert service.end() == 0
    assert processes_of(tmp_path) == []


def test_a_task_is_still_there_after_kill_9_of_the_database_too(tmp_path: Path) -> None:
    """FR-013, SC-006: as after a loss of power; and its process id belongs to another by now."""
    note = tmp_path / ".taskapi" / "postgres" / "postmaster.pid"
    with prepared_service(tmp_path) as (service, alice):
        task = alice.create()
        service.end(signal.SIGKILL)
        pid, _, rest = note.read_text().partition("\n")
        os.kill(int(pid), signal.SIGKILL)
        eventually(lambda: not postmasters(tmp_path), "the database is gone")
        note.write_text(f"{os.getpid()}\n{rest}")
    with development_service(tmp_path) as (_, alice):
        assert alice.get(f"/{task['id']}").json() == task


def test_the_server_has_no_secret_of_the_service_in_its_environment(tmp_path: Path) -> None:
    """Its user can read it: for root's service, that is `nobody`."""
    settings = {"BETTER_AUTH_SECRET": SECRET, "MY_CLOUD_TOKEN": "secret-of-the-operator"}
    needed = {"PATH", "LD_LIBRARY_PATH", "LC_ALL", "TZ", "MALLOC_TOP_PAD_"}
    of_the_shell = {"PWD", "OLDPWD", "SHLVL", "_"}  # which pg_ctl starts the server with
    with started("taskapi", "serve", "--port", 0, folder=tmp_path, settings=settings) as service:
        service.wait_for(READY)
        pid = (tmp_path / ".taskapi/postgres/postmaster.pid").read_text().split()[0]
        variables = Path("/proc", pid, "environ").read_text().split("\0")
        names = {variable.partition("=")[0] for variable in variables}
    assert "MALLOC_TOP_PAD_" in names
    assert names & environment(settings).keys() <= needed | of_the_shell


def test_two_services_share_a_directory_and_the_last_one_stops_it(tmp_path: Path) -> None:
    """The second one by a symbolic link, whose own path would be too long for a socket."""
    linked = tmp_path / "long" / ("path" * 20)
    linked.mkdir(parents=True)
    (linked / ".taskapi").symlink_to(tmp_path / ".taskapi")
    with prepared_service(tmp_path) as (first, alice), development_service(linked) as (_, bob):
        task = alice.create()
        assert first.end() == 0
        assert bob.get(f"/{task['id']}").json() == task
        assert len(postmasters(tmp_path)) == 1
    assert processes_of(tmp_path) == []


def test_a_closed_folder_above_is_no_obstacle(tmp_path: Path) -> None:
    """Root's home is such a folder, and there PostgreSQL runs as somebody else."""
    above = tmp_path / "closed"
    folder = above / "project"
    folder.mkdir(parents=True)
    above.chmod(0o700)
    with development_service(folder) as (_, alice):
        alice.create()
    assert above.stat().st_mode & 0o777 == 0o700, "nobody else may be let in on the way"


def test_an_ordinary_user_can_run_it(tmp_path: Path) -> None:
    folder = ordinary_folder(tmp_path / "project")
    with development_service(folder, prefix=as_ordinary_user()) as (_, alice):
        alice.create()
    assert {file.owner() for file in folder.rglob("*")} == {folder.owner()}


def test_a_very_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A Unix socket's path has 107 bytes at most."""
    folder = tmp_path / ("d" * 200) / ("é" * 100)
    folder.mkdir(parents=True)
    with development_service(folder) as (_, alice):
        alice.create()


def test_an_odd_path_is_no_obstacle(tmp_path: Path) -> None:
    folder = tmp_path / """it's 100%, in a "quoted" $HOME `é`"""
    folder.mkdir()
    with development_service(folder) as (_, alice):
        alice.create()


def test_a_first_start_that_was_cut_short_is_begun_again(tmp_path: Path) -> None:
    unfinished = tmp_path / ".taskapi" / "postgres.unfinished"
    unfinished.mkdir(parents=True)
    (unfinished / "PG_VERSION").write_text("18\n")
    with development_service(tmp_path) as (_, alice):
        alice.create()


@pytest.mark.parametrize("program", [("taskapi", "serve"), ("uvicorn", "taskapi.main:app")])
def test_a_folder_of_somebody_else_ends_the_start_with_a_line(
    program: tuple[str, str], tmp_path: Path
) -> None:
    folder = ordinary_folder(tmp_path / "project")
    closed = folder / ".taskapi"
    closed.mkdir()
    closed.chmod(0o500)
    result = run(*program, folder=folder, prefix=as_ordinary_user())
    closed.chmod(0o700)
    assert_one_line(result, str(closed))


def test_a_database_that_cannot_start_says_why(tmp_path: Path) -> None:
    with prepared_service(tmp_path):
        pass
    configuration = tmp_path / ".taskapi" / "postgres" / "postgresql.conf"
    configuration.write_text("shared_buffers = 'rather few'\n")
    result = run("taskapi", "serve", "--port", 0, folder=tmp_path)
    assert result.returncode == 1
    assert "rather few" in result.stderr
    assert "Traceback" not in result.stderr


def assert_one_line(result: subprocess.CompletedProcess[str], what: str) -> None:
    said = result.stderr.strip().splitlines()
    assert result.returncode != 0
    assert said[0] == "taskapi cannot start:"
    assert len(said) == 2, result.stderr
    assert what in said[1]


SERVE = ("taskapi", "serve", "--port", 0)
OTHERS: list[tuple[object, ...]] = [
    UVICORN,
    ("taskapi", "migrate"),
    ("taskapi", "new-epoch"),
]


def assert_no_start(
    folder: Path, settings: dict[str, str], way_out: str, programs: list[tuple[object, ...]]
) -> None:
    """Hold that each program ends with a line that says what to do, and the doctor says it too."""
    ways_out = f"{way_out}, or move .taskapi away"
    for program in programs:
        refused = run(*program, folder=folder, settings=settings)
        assert refused.returncode != 0, program
        assert [line for line in (refused.stdout + refused.stderr).splitlines() if ways_out in line]
        assert "Traceback" not in refused.stderr
    assert processes_of(folder) == []
    told = run("taskapi", "doctor", folder=folder, settings=settings)
    assert told.returncode == 1
    assert ways_out in told.stdout.partition("What to do")[2]


def test_settings_that_the_data_do_not_fit_end_the_start_and_say_what_to_do(
    tmp_path: Path,
) -> None:
    with prepared_service(tmp_path) as (_, alice):
        task = alice.create()
    text = {"USER_ID_TYPE": "text"}
    pages = text | {"USERS_TABLE": "user"}
    assert_no_start(tmp_path, pages, "set USER_ID_TYPE=integer", [SERVE, *OTHERS])
    with development_service(tmp_path) as (_, alice):  # the first way
        assert alice.get(f"/{task['id']}").json() == task
    (tmp_path / ".taskapi").rename(tmp_path / "away")  # the second way
    with development_service(tmp_path, settings=pages) as (_, alice):
        assert alice.create()["user_id"] == "1"
    assert_no_start(tmp_path, text, "set USERS_TABLE=user", [SERVE])
    assert_no_start(tmp_path, {"USERS_TABLE": "user"}, "set USER_ID_TYPE=text", [SERVE])


def test_a_service_that_makes_no_users_offers_no_request_that_would_find_none(
    tmp_path: Path,
) -> None:
    settings = {"CREATE_UNKNOWN_USERS": "false"}
    with started("taskapi", "serve", "--port", 0, folder=tmp_path, settings=settings) as service:
        service.wait_for(READY)
        assert "those of the table users, no others" in service.output
        assert "curl" not in service.output
