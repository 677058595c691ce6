"""Importing a module configures nothing: no setting is read, no file written, nothing started."""

import os
import subprocess
import sys
from pathlib import Path

WATCHED = """
import importlib, pkgutil, sys
# What libraries do when they are imported is theirs.
import alembic.command, asyncpg, fastapi, httpx, structlog, typer, uvicorn
import taskapi

WRITING = {"os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "os.chmod", "os.putenv",
           "socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.fork"}

def watch(event, arguments):
    if event in WRITING:
        raise AssertionError(f"{event} {arguments}")
    if event == "open" and isinstance(arguments[2], int) and arguments[2] & 3:
        raise AssertionError(f"open {arguments}")
    if event == "open" and str(arguments[0]).endswith((".env", "secret")):
        raise AssertionError(f"open {arguments}")

modules = [module.name for module in pkgutil.walk_packages(taskapi.__path__, "taskapi.")]
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in modules:
    if name.endswith((".main", ".__main__", ".env")) or ".versions." in name:
        continue  # these do something: it is what they are there for
    importlib.import_module(name)
    print(name)
"""


def test_importing_does_nothing(tmp_path: Path) -> None:
    """Under settings that would end any start."""
    result = subprocess.run(
        [sys.executable, "-c", WATCHED],
        cwd=tmp_path,
        env={
            "PYTHONPATH": os.pathsep.join(sys.path),
            "API_PORT": "nonsense",
            "DATABASE_URL": "nonsense",
            "LOG_LEVEL": "nonsense",
        },
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert {"taskapi.app", "taskapi.cli", "taskapi.tasks.routes"} <= set(result.stdout.split())
    assert list(tmp_path.iterdir()) == []
