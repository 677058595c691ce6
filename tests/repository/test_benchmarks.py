"""The benchmarks run on this checkout, and every request that they measure gets its response."""

import os
import shutil
import subprocess

import pytest

from support.machine import ROOT, cannot

PYTHON = ROOT / "benchmarks" / ".venv" / "bin" / "python"

COMMANDS = (
    "benchmarks peers --smoke",
    "benchmarks growth --smoke",
    "benchmarks transfer --smoke",
    "benchmarks pooler --smoke",
    "benchmarks report --check",
    "benchmarks.soak --minutes 0.2",
)


@pytest.fixture(autouse=True)
def programs() -> None:
    """What the benchmarks need beside the tests' own programs."""
    if not PYTHON.exists():
        cannot("benchmarks/.venv is missing: make benchmarks/.venv/ready")
    for name in ("wrk", "pgbouncer"):
        if shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin") is None:
            cannot(f"{name} is not installed: apt-get install {name}")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_benchmark_finishes_without_a_wrong_response(command: str) -> None:
    module, *arguments = command.split()
    done = subprocess.run(
        [PYTHON, "-m", module, *arguments],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
