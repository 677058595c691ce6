"""Tests that run tests: pytest in a process of its own, with a database of its own."""

import os
import subprocess
import sys

from support.machine import ROOT


def run_tests(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run pytest to its end.

    Args:
        arguments: options and files.
        variables: of its environment, beside those of this process.
    """
    # Not the variables of pytest: with the name of a worker, the run would take itself for one,
    # and use the database in the folder above its own, which no run ever removes. What is in there
    # is of earlier runs, and another worker may be using it.
    kept = {name: os.environ[name] for name in os.environ if not name.startswith("PYTEST_")}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        env=kept | variables,
        capture_output=True,
        text=True,
        check=False,
    )
