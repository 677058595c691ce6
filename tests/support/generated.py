"""What docs/generated-clients.md says: the commands that generate clients, and their settings."""

import re

from support.machine import ROOT

GENERATED = ROOT / "tests" / "generated"
NODE_MODULES = GENERATED / "packages" / "node_modules"
PYTHON = GENERATED / ".venv" / "bin" / "python"

_PAGE = (ROOT / "docs" / "generated-clients.md").read_text()
_FILE = re.compile(r"^```(?:js|yaml)\n(?://|#) (\S+)\n(.+?)^```$", re.MULTILINE | re.DOTALL)

FILES: dict[str, str] = dict(_FILE.findall(_PAGE))
"""By name: the files that the page says to write."""


def arguments_on_page(program: str) -> list[str]:
    """What the page says to call a program with."""
    [line] = re.findall(rf"^(?:npx|pipx run) {program} (.+)$", _PAGE, re.MULTILINE)
    return str(line).split()
