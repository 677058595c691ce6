"""Node and npm, for the example of examples/web."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

NEEDS = "The example needs Node.js 20.19, or 22.12 or later, with npm (https://nodejs.org)"


def node() -> str:
    """The path of a Node that Vite runs on, with npm beside it. Without one, the program ends."""
    program = shutil.which("node")
    if program is None or shutil.which("npm") is None:
        sys.exit(f"{NEEDS}, and there is no {'npm' if program else 'node'} on the PATH.")
    found = subprocess.check_output([program, "--version"], text=True).strip()
    version = tuple(map(int, re.findall(r"\d+", found)[:2]))
    if not ((20, 19) <= version < (21,) or version >= (22, 12)):
        sys.exit(f"{NEEDS}, and {program} is {found}.")
    return program


def install(folder: Path) -> None:
    """Install a folder's packages as locked, and build it, where something of it has changed."""
    lock, installed = folder / "package-lock.json", folder / "node_modules" / ".package-lock.json"
    if _newest(installed) < _newest(lock):
        npm(folder, "ci", "--no-audit", "--no-fund", "--prefer-offline")
        installed.touch()
    sources = [file for file in folder.glob("*") if file.is_file()]
    sources += [*folder.glob("src/**/*")]
    sources += [*folder.glob("node_modules/@taskapi/client/dist/*")]  # which the page has in it
    if _newest(*folder.glob("dist/**/*")) < _newest(*sources):
        npm(folder, "run", "build")


def _newest(*files: Path) -> float:
    return max((file.stat().st_mtime for file in files if file.exists()), default=0)


def npm(folder: Path, *arguments: str) -> None:
    """Run npm to its good end. On a terminal it shows its own progress, on standard error."""
    print(f"npm {' '.join(arguments)}, in {folder}…", flush=True)
    began = time.monotonic()
    command = ["npm", *arguments, "--loglevel=error"]
    done = subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"{done.stdout}\nThe example cannot start, because that failed.")
    print(f"  took {time.monotonic() - began:.0f} s", flush=True)
