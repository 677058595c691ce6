"""The examples of docs/clients.md, run as they stand on the page against the running service."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from support.machine import cannot
from support.people import Person
from support.waiting import PATIENCE

PAGE = Path(__file__).parent.parent.parent / "docs" / "clients.md"

LINES = r"(?:(?!```).*\n)*"
BLOCK = re.compile(
    rf"^```js\n// (?P<name>\S+\.mjs)\n(?P<code>{LINES})```\n"
    rf"(?:\n```text\n(?P<printed>{LINES})```\n)?",
    re.MULTILINE,
)
"""A file, and what it prints where it is a program."""

TEXT = PAGE.read_text()
BLOCKS = list(BLOCK.finditer(TEXT))
FILES = {block["name"]: block["code"] for block in BLOCKS}
PROGRAMS = {block["name"]: block["printed"] for block in BLOCKS if block["printed"] is not None}


@pytest.fixture(scope="module")
def node() -> str:
    """A program that runs JavaScript."""
    program = shutil.which("node")
    if program is None:
        cannot("Node is not installed: the examples of docs/clients.md are not run")
    return program


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_prints_what_the_page_says(
    node: str, service: str, alice: Person, tmp_path: Path, name: str
) -> None:
    for file, code in FILES.items():
        (tmp_path / file).write_text(code)
    done = subprocess.run(
        [node, name],
        cwd=tmp_path,
        env={
            "TASKAPI_URL": service,
            "TASKAPI_USER": alice.id,
            "TASKAPI_TOKEN": alice.token,
            "NO_COLOR": "1",
        },
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (PROGRAMS[name], "", 0)


def test_every_example_of_the_page_is_run() -> None:
    """Each block of JavaScript is a program, or a file that programs import."""
    assert (TEXT.count("```js"), TEXT.count("```text")) == (len(FILES), len(PROGRAMS))
    imported = {name for code in FILES.values() for name in re.findall(r'"\./(.*?)"', code)}
    assert FILES.keys() == PROGRAMS.keys() | imported
    assert not PROGRAMS.keys() & imported
