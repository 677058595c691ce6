"""The units of deploy/systemd: valid, hardened, and what they start serves and stops in time."""

import re
import shutil
import signal
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from support.machine import PROGRAMS, ROOT
from support.people import SECRET, Person, token_for
from support.postgres import Postgres
from support.programs import ADDRESS, READY, started
from support.service import client_of
from taskapi.config import Settings
from taskapi.embedded.database import SERVICE_ROLE
from taskapi.server.drain import DRAIN_SECONDS
from taskapi.server.process import GRACE_SECONDS

UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
INSTALLED = "/opt/taskapi/bin/"

MAX_EXPOSURE = 15
"""Tenths, of 100: what a service that serves the network cannot do without."""

DENY_WRITE_EXECUTE = """
import ctypes, os, sys
PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 38, 65
for option in (PR_SET_NO_NEW_PRIVS, PR_SET_MDWE):
    ctypes.CDLL(None).prctl(option, 1, 0, 0, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""What NoNewPrivileges and MemoryDenyWriteExecute ask of the kernel (prctl(2))."""


def directives(unit: Path) -> dict[str, list[str]]:
    """What a unit says, each directive as often as it does."""
    found = defaultdict(list)
    for name, value in re.findall(r"^(\w+)=(.*)$", unit.read_text(), re.MULTILINE):
        found[name].append(value)
    return found


SERVE, MIGRATE = (
    directives(ROOT / "deploy" / "systemd" / f"{name}.service")
    for name in ("taskapi", "taskapi-migrate")
)


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.name)
def test_systemd_takes_the_unit_and_finds_it_hardened(unit: Path, tmp_path: Path) -> None:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed")
    # It also looks whether the program is there.
    copy = tmp_path / unit.name
    copy.write_text(unit.read_text().replace(INSTALLED, f"{PROGRAMS}/"))
    for command in (
        ("verify", "--man=no"),
        ("security", "--offline=true", f"--threshold={MAX_EXPOSURE}", "--no-pager"),
    ):
        done = subprocess.run(
            [program, *command, copy], capture_output=True, text=True, check=False
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout


def test_both_units_are_hardened_alike() -> None:
    parts = [
        unit.read_text().partition("DynamicUser")[2].partition("[Install]")[0].strip()
        for unit in UNITS
    ]
    assert parts[0] == parts[1] != ""


def test_a_stop_has_time_for_the_requests_under_way() -> None:
    longest = DRAIN_SECONDS + Settings.model_fields["request_timeout"].default + GRACE_SECONDS
    assert int(SERVE["TimeoutStopSec"][0]) > longest


def test_the_migration_gets_the_services_settings_and_an_address_of_its_own() -> None:
    assert MIGRATE["EnvironmentFile"] == [*SERVE["EnvironmentFile"], "/etc/taskapi/migrate.env"]
    assert MIGRATE["ExecStart"] == [f"{INSTALLED}taskapi migrate --grant {SERVICE_ROLE}"]


def test_what_the_units_start_migrates_serves_and_stops(postgres: Postgres, tmp_path: Path) -> None:
    """With their environment alone, and without a file of their own."""
    given = {
        "DATABASE_URL": postgres.address.as_role(SERVICE_ROLE).dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "CREATE_UNKNOWN_USERS": "true",
        "API_HOST": "127.0.0.1",
        "API_PORT": "0",
    } | dict(line.split("=", maxsplit=1) for line in SERVE["Environment"])
    prefix = [sys.executable, "-c", DENY_WRITE_EXECUTE]
    migrate, serve = (
        unit["ExecStart"][0].removeprefix(INSTALLED).split() for unit in (MIGRATE, SERVE)
    )
    owner = given | {"DATABASE_URL": postgres.address.dsn}
    with started(*migrate, folder=tmp_path, prefix=prefix, settings=owner) as migration:
        assert migration.wait() == 0, migration.output
    with started(*serve, folder=tmp_path, prefix=prefix, settings=given) as service:
        with client_of(service.wait_for(ADDRESS)["url"]) as http:
            service.wait_for(READY)
            Person("1", token_for("1"), http).create()
        assert service.end(signal.SIGTERM) == 0, service.output
    assert not [*tmp_path.iterdir()]
