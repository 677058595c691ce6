"""The blocks of docs/moving.md, which tests run as they stand on the page."""

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from support.machine import PROGRAMS, ROOT, cannot
from support.waiting import PATIENCE

TEXT = (ROOT / "docs" / "moving.md").read_text()

_LINES = r"(?:(?!```).*\n)*"
_BLOCK = re.compile(
    rf"^```(?P<language>sh|python)\n(?P<code>{_LINES})```\n"
    rf"(?:\n```text\n(?P<printed>{_LINES})```\n)?",
    re.MULTILINE,
)
_PARTS = re.split(r"^##+ (.*)\n", f"## Before\n{TEXT}", flags=re.MULTILINE)[1:]


class Block(NamedTuple):
    """A program of the page, and what it prints where the page says so."""

    language: str
    code: str
    printed: str | None


SECTIONS = {
    heading: [Block(**found.groupdict()) for found in _BLOCK.finditer(text)]
    for heading, text in zip(_PARTS[::2], _PARTS[1::2], strict=True)
}
"""The programs of each section; those that stand before the first one have the name `Before`."""

CURLRC = "silent\nshow-error\n"


def run(code: str, folder: Path, given: Mapping[str, str]) -> str:
    """Run a program of the shell as a person does; gives what it prints.

    Args:
        code: of the page.
        folder: where it runs, with the commands of this environment in `.venv/bin`.
        given: the variables that it needs.
    """
    bash, *_ = map(_program, ("bash", "curl", "jq"))
    commands = folder / ".venv" / "bin"
    if not commands.exists():
        commands.parent.mkdir()
        commands.symlink_to(PROGRAMS)
    (folder / ".curlrc").write_text(CURLRC)
    done = subprocess.run(
        [bash, "-eu", "-o", "pipefail", "-c", code],
        cwd=folder,
        env={"PATH": f"{PROGRAMS}:/usr/local/bin:/usr/bin:/bin", "HOME": str(folder), **given},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _program(name: str) -> str:
    """The path of a program; where it is missing, the test is skipped, and fails in CI."""
    found = shutil.which(name)
    if found is None:
        cannot(f"{name} is not installed: the commands of docs/moving.md are not run")
    return found


def is_as_printed(printed: str, shown: str) -> bool:
    """Whether this was printed; `…` on the page is any word, and curl ends no line."""
    pattern = re.escape(shown.replace("\n", "")).replace("…", r"[\w-]+")
    return re.fullmatch(pattern, printed.replace("\n", "")) is not None
