"""The official client of npm, which checks results with another validator of JSON Schema."""

import json
import subprocess
from pathlib import Path

from support.agent import LEGACY, MODERN
from support.client_page import add_packages, node
from support.people import Person
from support.tools import TOOLS
from support.waiting import PATIENCE

PROGRAM = Path(__file__).with_name("agent.mjs")


def test_the_typescript_client_uses_the_tools_with_a_handshake_and_without(
    alice: Person, service: str, tmp_path: Path
) -> None:
    add_packages(tmp_path)
    (tmp_path / PROGRAM.name).write_text(PROGRAM.read_text())
    done = subprocess.run(
        [node(), PROGRAM.name, service, alice.token],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each.pop("revision") for each in told] == [LEGACY, MODERN]
    right = {"tools": list(TOOLS), "task": ["Buy milk", True, 1], "wrong": True}
    assert told == [right, right]
    assert alice.get().json()["total"] == 0
