"""Whether what people run installs exactly the locked files, also when newer ones are published.

Copies of a checkout are installed by the commands that it documents, with the oldest pip that comes
with this Python and with the newest one, while an index offers a much newer release of every locked
package. That is what a newcomer meets some days after the locks were written (decision 13).

    python -m scripts.check_locks [CHECKOUT]
"""

import ensurepip
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple

from scripts.packages import installed, locked, write_wheel

ROOT = Path(__file__).parent.parent

OLDEST_PIP = {(3, 11): "22.3", (3, 12): "23.2.1", (3, 13): "24.2", (3, 14): "25.2"}
"""The pip that the first release of each Python brings (CPython's `ensurepip`)."""

NEWER = "9999"

AT_ONCE = 2

OF_MAKE = {"MAKEFLAGS", "MFLAGS", "MAKELEVEL"}
"""What `make check` would tell the make of a copy, which is none of its parts."""


class InstallationError(Exception):
    """A way to install that failed or brought something else; the message is all that it said."""


class Pip(NamedTuple):
    """A pip, in a folder of its own."""

    version: str
    command: str


class Copy:
    """A copy of the checkout's files.

    Args:
        checkout: the original.
        folder: where it is made.
        index: the folder of newer wheels.
    """

    def __init__(self, checkout: Path, folder: Path, index: Path) -> None:
        self.folder = folder
        for name in tracked(checkout):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(checkout / name, folder / name, follow_symlinks=False)
        found = f"{index} {os.environ.get('PIP_FIND_LINKS', '')}"
        kept = {name: value for name, value in os.environ.items() if name not in OF_MAKE}
        self._environment = kept | {"PIP_FIND_LINKS": found.strip()}

    def run(self, *command: str) -> None:
        """Run a command in the copy, and raise with all that it printed where it fails."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if done.returncode:
            raise InstallationError(done.stdout)

    def compare(self, lock: str) -> int:
        """Raise unless exactly this lock's packages are installed; gives their number."""
        found, wanted = installed(self.folder / ".venv"), locked(self.folder / lock)
        if found != wanted:
            differences = sorted(found.items() ^ wanted.items())
            raise InstallationError(f"{lock} and what is installed differ in {differences}")
        return len(found)


def tracked(checkout: Path) -> list[str]:
    """The files that a clone would have, and new ones that are not ignored."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=checkout, capture_output=True, text=True, check=True)
    return [name for name in listed.stdout.splitlines() if os.path.lexists(checkout / name)]


def by_make(target: str) -> Callable[[Copy, Pip], None]:
    """What `make run` or `make test` does before anything else."""

    def install(copy: Copy, pip: Pip) -> None:
        copy.run("make", f"PYTHON={sys.executable}", f"PIP={pip.command}", target)

    return install


def by_hand(copy: Copy, pip: Pip) -> None:
    """The plain line that everybody knows; it resolves, but finds every name locked."""
    copy.run(sys.executable, "-m", "venv", "--without-pip", ".venv")
    options = ("install", "--no-compile", "-r", "requirements.txt")
    copy.run(*pip.command.split(), "--python=.venv/bin/python", *options)


WAYS: dict[str, tuple[str, Callable[[Copy, Pip], None]]] = {
    "make .venv/ready": ("requirements-dev.txt", by_make(".venv/ready")),
    "make .venv/runtime": ("requirements.txt", by_make(".venv/runtime")),
    "pip install -r requirements.txt": ("requirements.txt", by_hand),
}
"""Each way to install, and the lock that it must arrive at."""


def get_pip(folder: Path, wanted: str) -> Pip:
    """Install a pip apart from every environment."""
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    subprocess.run([*command, "--no-deps", f"--target={folder}", wanted], check=True)
    (found,) = distributions(name="pip", path=[str(folder)])
    return Pip(found.version, f"{sys.executable} {folder / 'pip'}")


def try_way(copy: Copy, way: str, pip: Pip) -> str | None:
    """Install a copy in one way, and remove it; gives what went wrong."""
    lock, install = WAYS[way]
    began = time.monotonic()
    try:
        install(copy, pip)
        count = copy.compare(lock)
    except InstallationError as failure:
        return f"{way}, with pip {pip.version}:\n{failure}"
    finally:
        shutil.rmtree(copy.folder)
    seconds = time.monotonic() - began
    print(f"  {way}, with pip {pip.version}: {count} as locked, {seconds:.0f} s", flush=True)
    return None


def main() -> None:
    """Try every way with both pips, two at once; and print what was found."""
    checkout = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT
    with tempfile.TemporaryDirectory() as name, ThreadPoolExecutor(AT_ONCE) as executor:
        folder = Path(name)
        (index := folder / "index").mkdir()
        locks = sorted(checkout.glob("requirements*.txt"))
        newer = sorted({name for lock in locks for name in locked(lock)})
        for package in newer:
            write_wheel(index, package, NEWER)
        # Of a later Python, the release that runs this stands for its first.
        oldest = f"pip=={OLDEST_PIP.get(sys.version_info[:2], ensurepip.version())}"
        pips = [get_pip(folder / "oldest", oldest), get_pip(folder / "newest", "pip")]
        print(f"Locks: {len(newer)} packages have a release {NEWER}, which nobody must get.")
        tries = [(way, pip) for way in WAYS for pip in pips]
        copies = [Copy(checkout, folder / str(number), index) for number in range(len(tries))]
        failures = [*executor.map(try_way, copies, *zip(*tries, strict=True))]
    if problems := [failure for failure in failures if failure]:
        sys.exit("\n".join(["Locks:", *problems]))
    print(f"Locks: {len(WAYS)} ways to install, each with {len(pips)} pips, bring what is locked.")


main()
