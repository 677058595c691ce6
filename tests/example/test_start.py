"""What `make example` starts, and how it ends on machines that lack something."""

import os
import subprocess
from http import HTTPStatus
from pathlib import Path

import httpx

from support.example import COMMAND, PASSWORD, Example
from support.machine import ROOT

OLD_NODE = """#!/bin/sh
echo v18.20.4
"""


def started_with(path: Path) -> str:
    """What the start prints where the PATH has this folder alone, and no such Node."""
    done = subprocess.run(
        COMMAND,
        cwd=ROOT,
        env={**os.environ, "PATH": str(path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    return done.stderr


def test_a_request_that_better_auth_cannot_take_ends_nothing(example: Example) -> None:
    """TRACE has no `Request`, which Better Auth makes of everything."""
    with httpx.Client(base_url=example.url) as http:
        assert http.request("TRACE", "/api/auth/ok").status_code == HTTPStatus.INTERNAL_SERVER_ERROR
        assert http.get("/api/auth/ok").is_success


def test_the_page_may_be_opened_by_the_name_of_this_machine(example: Example) -> None:
    alice = {"name": "Alice", "email": "alice@localhost.example", "password": PASSWORD}
    origin = example.url.replace("127.0.0.1", "localhost")
    response = example.client().post(
        "/api/auth/sign-up/email", json=alice, headers={"Origin": origin}
    )
    assert response.is_success, response.text


def test_a_machine_without_node_is_told_what_is_missing(tmp_path: Path) -> None:
    told = started_with(tmp_path)
    assert told.startswith("The example needs Node.js 20.19, or 22.12 or later, with npm (https://")
    assert told.endswith("and there is no node on the PATH.\n")


def test_a_node_that_is_too_old_is_named(tmp_path: Path) -> None:
    for name in ("node", "npm"):
        (tmp_path / name).write_text(OLD_NODE)
        (tmp_path / name).chmod(0o755)
    assert f", and {tmp_path / 'node'} is v18.20.4.\n" in started_with(tmp_path)
