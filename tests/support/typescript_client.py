"""The TypeScript client, built, for tests that run it with Node or in a browser."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from support.machine import ROOT, cannot
from support.waiting import PATIENCE

PACKAGE = ROOT / "clients" / "typescript"
INSTALL = "npm ci --prefix clients/typescript --no-audit --no-fund"


def node() -> str:
    """The path of Node; where it or the package's tools are missing, the test is skipped.

    In CI (`CI=true`) nothing may be left out, so there a missing part is a failure.
    """
    found = shutil.which("node")
    if found is None or not (PACKAGE / "node_modules" / "typescript").is_dir():
        cannot(f"the TypeScript client needs Node 20 or later, and its tools: {INSTALL}")
    return found


QUIET = {"PATH": os.environ["PATH"], "NO_COLOR": "1"}


def run(
    *command: object,
    folder: Path = PACKAGE,
    environment: Mapping[str, str] = QUIET,
    within: float = PATIENCE,
) -> str:
    """Run a program of Node to its good end; gives what it prints."""
    done = subprocess.run(
        [node(), *map(str, command)],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=within,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def tool(name: str) -> Path:
    """A program that the package's development needs, such as `tsc`."""
    return PACKAGE / "node_modules" / ".bin" / name


def built() -> Path:
    """The package, with `dist` as its sources are now; one test process at a time looks."""
    node()
    with (PACKAGE / "node_modules" / ".building").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        made = PACKAGE / "dist" / "index.js"
        if not made.exists() or made.stat().st_mtime < _changed():
            shutil.rmtree(PACKAGE / "dist", ignore_errors=True)
            run(tool("tsc"))
    return PACKAGE


def install(folder: Path) -> None:
    """Let files in a folder import the package, and the libraries that it works with."""
    installed = folder / "node_modules"
    (installed / "@taskapi").mkdir(parents=True)
    (installed / "@taskapi" / "client").symlink_to(built())
    for name in ("@tanstack", "rxdb", "rxjs"):
        (installed / name).symlink_to(PACKAGE / "node_modules" / name)


def _changed() -> float:
    sources = [*(PACKAGE / "src").iterdir(), PACKAGE / "tsconfig.json"]
    return max(source.stat().st_mtime for source in sources)
