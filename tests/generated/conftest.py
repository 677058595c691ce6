"""A folder with the document of the running service, and what runs generators there."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from support.generated import FILES, NODE_MODULES, PYTHON
from support.machine import cannot
from support.waiting import PATIENCE

QUIET = {"NO_COLOR": "1", "REDOCLY_TELEMETRY": "off", "REDOCLY_SUPPRESS_UPDATE_NOTICE": "true"}

Run = Callable[..., str]
"""Runs a command in the folder, with variables for its environment; gives what it prints."""


@pytest.fixture
def folder(http: httpx.Client, tmp_path: Path) -> Path:
    """A folder with the document, and the settings of generators that the page has."""
    (tmp_path / "openapi.json").write_bytes(http.get("/openapi.json").content)
    (tmp_path / "package.json").write_text(json.dumps({"type": "module"}))
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    """Runs a command to its good end."""

    def run(*command: object, **environment: str) -> str:
        done = subprocess.run(
            [str(part) for part in command],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "HOME": str(folder)} | QUIET | environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture
def run_node(run: Run, folder: Path) -> Run:
    """Runs a program of the npm packages, or a script. Without them, the test is skipped."""
    node = shutil.which("node")
    if node is None:
        cannot("Node is not installed: no TypeScript client is generated")
    if not NODE_MODULES.is_dir():
        cannot("The generators are not installed: npm ci --prefix tests/generated/packages")
    (folder / "node_modules").symlink_to(NODE_MODULES)

    def run_node(program: str, *arguments: object, **environment: str) -> str:
        installed = NODE_MODULES / ".bin" / program
        file = installed if installed.exists() else folder / program
        return run(node, file, *arguments, **environment)

    return run_node


@pytest.fixture
def run_python(run: Run) -> Run:
    """Runs Python beside openapi-python-client. Without that, the test is skipped."""
    if not PYTHON.exists():
        cannot("tests/generated/.venv is missing: make tests/generated/.venv/ready")

    def run_python(*arguments: object, **environment: str) -> str:
        beside = f"{PYTHON.parent}{os.pathsep}{os.environ['PATH']}"  # it runs ruff
        return run(PYTHON, *arguments, PATH=beside, **environment)

    return run_python
