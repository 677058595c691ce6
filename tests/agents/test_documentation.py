"""docs/agents.md shows what the tests run, and nothing else."""

import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console

from support.auth_server import SERVER
from support.auth_stage import AGENTS
from support.machine import ROOT
from taskapi.cli import print_agent
from taskapi.mcp.tools import TOOLS

PAGE = (ROOT / "docs" / "agents.md").read_text()
FILES = sorted(file for file in (SERVER / "configurations" / AGENTS.configuration).iterdir())


def blocks(*languages: str) -> list[str]:
    """The page's blocks of code in these languages."""
    return re.findall(rf"^```(?:{'|'.join(languages)})\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_what_is_run_is_on_the_page(file: Path) -> None:
    assert file.read_text() in blocks("js", "ini", "html")


def test_what_is_on_the_page_is_run() -> None:
    assert set(blocks("js", "ini", "html")) == {file.read_text() for file in FILES}


def test_the_versions_are_those_that_are_run() -> None:
    packages = json.loads((SERVER / "package.json").read_text())["dependencies"]
    [command] = [block for block in blocks("sh") if block.startswith("npm install")]
    named = dict(re.findall(r"(\S+)@([\d.]+)", command))
    assert named == {name: packages[name] for name in packages if "better-auth" in name}
    assert (
        f"Better Auth {named['better-auth']} and its plugins {named['@better-auth/mcp']} " in PAGE
    )


def test_the_line_of_the_first_minute_is_the_one_that_is_printed() -> None:
    printed = io.StringIO()
    print_agent(Console(file=printed, soft_wrap=True), "http://127.0.0.1:8000", "…")
    assert set(blocks("text")) <= {f"{line}\n" for line in printed.getvalue().splitlines()}


def test_the_page_has_every_tool_with_its_scope() -> None:
    rows = re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| `(tasks:\w+)` \|", PAGE, re.MULTILINE)
    named = {name: scope for names, scope in rows for name in re.findall(r"`(\w+)`", names)}
    assert named == {tool.name: tool.scope for tool in TOOLS}


@pytest.mark.parametrize("named", sorted(set(re.findall(r"`(test_\w+\.py)`", PAGE))))
def test_the_tests_that_the_page_names_exist(named: str) -> None:
    assert (Path(__file__).parent / named).is_file()
