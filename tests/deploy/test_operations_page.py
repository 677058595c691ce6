"""docs/operations.md, carried out from top to bottom by somebody who has only that page."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.background import Background
from support.machine import PROGRAMS, ROOT, free_ports
from support.people import SECRET
from support.postgres import Postgres
from support.programs import environment
from support.waiting import PATIENCE

PAGE = ROOT / "docs" / "operations.md"
ENGINES = ("docker ", "kubectl ")

BUSINESS = """
psql "$DIRECT_URL" --quiet --command "INSERT INTO users (id) VALUES (1)" \
    --command "INSERT INTO tasks (title, user_id) SELECT n, 1 FROM generate_series(1, 7) n"
"""
"""What happens meanwhile, so that there is something to back up."""


def blocks() -> list[str]:
    """The commands of the page, but those that need an engine or a cluster."""
    found = re.findall(r"^```sh\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [it for it in found if not it.startswith(ENGINES)]


def test_only_whole_blocks_are_left_out() -> None:
    assert not [it for it in blocks() if any(name in it for name in ENGINES)]


@pytest.fixture
def postgres(background: Background) -> Iterator[Postgres]:
    """A server without the service's role, and with an operator who is not its superuser."""
    with Postgres(background) as postgres:
        postgres.run("DROP OWNED BY taskapi_service")
        postgres.run("DROP ROLE taskapi_service")
        postgres.run("CREATE ROLE operator LOGIN CREATEROLE CREATEDB")
        yield postgres


def test_the_page_can_be_followed(postgres: Postgres, tmp_path: Path) -> None:
    """On an empty database: roles, schema, rights, doctor, service, backup, restore, log, stop."""
    (tmp_path / ".venv").symlink_to(PROGRAMS.parent)
    postgres.run("CREATE DATABASE production OWNER operator")
    owner = postgres.address.as_role("operator").dsn.replace("/postgres?", "/production?")
    (port,) = free_ports(1)
    given = {
        "DIRECT_URL": owner,
        "RESTORED_URL": owner.replace("/production?", "/restored?"),
        "RESTORED_DATABASE_URL": owner.replace("/production?", "/restored?").replace(
            "//operator@", "//taskapi_service@"
        ),
        "SERVICE_PASSWORD": "a password",
        "NEW_SERVICE_PASSWORD": "another password",
        "CHECKOUT": ROOT,
        "DATABASE_URL": owner.replace("//operator@", "//taskapi_service@"),
        "BETTER_AUTH_SECRET": SECRET,
        "API_HOST": "127.0.0.1",
        "API_PORT": port,
    }
    steps = blocks()
    steps.insert(next(n for n, it in enumerate(steps) if it.startswith("taskapi doctor")), BUSINESS)
    script = "set -euo pipefail -m; trap 'kill -KILL %1 || true' ERR\n" + "\n".join(steps)
    done = subprocess.run(
        ["/bin/bash", "-c", script],
        cwd=tmp_path,
        env=environment(given),
        capture_output=True,
        text=True,
        check=False,
        timeout=5 * PATIENCE,
    )
    if done.returncode != 0:
        pytest.fail(f"{done.stdout}\n{done.stderr}")
    said = done.stdout
    for line in ("schema: current", "rights: complete", "row security: in force"):
        assert said.count(f"ok  {line}\n") == 2, "the doctor was content, before and after"
    assert '{"status":"ready"}' in said
    found = re.findall(r"^ +(\d+) \| +(\d+) \|", said, re.MULTILINE)
    assert found == [("7", "7"), ("7", "7")], "everything was restored"
    assert '"status": 401' in said, "the log line of the request"
    print(said, done.stderr)  # noqa: T201 - for who runs it with -s
