"""The JavaScript of docs/clients.md, which tests run as it stands on the page."""

import shutil
from pathlib import Path

from support.machine import ROOT, cannot
from support.page_programs import read_programs

TEXT = (ROOT / "docs" / "clients.md").read_text()
FILES, PROGRAMS = read_programs(TEXT)

PACKAGES = ROOT / "tests" / "clients" / "packages"
INSTALL = "npm ci --prefix tests/clients/packages --no-audit --no-fund"


def node() -> str:
    """The path of Node; where it is missing, the test is skipped, and fails in CI."""
    found = shutil.which("node")
    if found is None:
        cannot("Node is not installed: the examples of docs/clients.md are not run")
    return found


def write_files(folder: Path) -> None:
    """Write the page's files into a folder, where they find no packages."""
    for name, code in FILES.items():
        (folder / name).write_text(code)


def add_packages(folder: Path) -> None:
    """Let files in a folder import the tests' packages; where they are missing as for `node`."""
    installed = PACKAGES / "node_modules"
    if not (installed / "@modelcontextprotocol").is_dir():
        cannot(f"The official client of MCP is not installed: {INSTALL}")
    (folder / "node_modules").symlink_to(installed)
