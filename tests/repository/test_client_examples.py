"""The examples of docs/clients.md, run as they stand on the page against the running service."""

import re
import subprocess
from pathlib import Path

import pytest

from support.client_page import FILES, PROGRAMS, TEXT, node, write_files
from support.people import Person
from support.typescript_client import install
from support.waiting import PATIENCE

IMPORTS = re.compile(r'from "(.*?)"')


@pytest.mark.parametrize("name", PROGRAMS)
def test_an_example_prints_what_the_page_says(
    service: str, alice: Person, tmp_path: Path, name: str
) -> None:
    program = node()
    write_files(tmp_path)
    if not all(imported.startswith("./") for imported in IMPORTS.findall(FILES[name])):
        install(tmp_path)
    done = subprocess.run(
        [program, name],
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
    imported = {
        name.removeprefix("./")
        for code in FILES.values()
        for name in IMPORTS.findall(code)
        if name.startswith("./")
    }
    assert FILES.keys() == PROGRAMS.keys() | imported
    assert not PROGRAMS.keys() & imported
