"""Install the packages of lock files, and nothing else, into a virtual environment.

    python3 -u scripts/install.py .venv requirements.txt

pip resolves nothing and builds nothing here: it takes the locked files by their hashes (docs/
decisions/0013). Only the standard library is used, because nothing else is installed yet, and no
syntax that is newer than Python 3.6, because an older Python must get as far as its sentence.
"""

import sys

if sys.version_info < (3, 11):  # noqa: UP036 - this is where an older Python is told so
    sys.exit(
        f"taskapi needs Python 3.11 or later, and {sys.executable} is {sys.version.split()[0]}. "
        "Name another one: make PYTHON=python3.13 run"
    )

import argparse
import fcntl
import re
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Iterable, Iterator
from importlib.metadata import distributions
from importlib.util import find_spec
from pathlib import Path
from typing import IO, NamedTuple

ROOT = Path(__file__).resolve().parent.parent

LOCKED_FILES = ("--no-deps", "--require-hashes", "--only-binary=:all:")

PIN = re.compile(r"^([a-z0-9][\w.-]*)(?:\[.+?\])?==([^\s;]+)( ;)?", re.MULTILINE)

COMMAND = """#!/bin/sh
exec {python} -P -m taskapi "$@"
"""
"""-P: nothing is imported from the working directory, as for any installed command."""

STEP = re.compile(
    r"(Ignoring|Collecting|Processing|Requirement already satisfied:|Installing) "
    r"(?:\S*/)?([\w.-]+?)(?:[=:[ ]|-\d)"
)
"""What pip prints for each line of a lock, and then once for all packages."""

UNREACHABLE = """
pip found no file at all for the package that it names last. Either it reached no package index: is
there a network, a proxy, a setting (`pip config list`)? Or that package has no wheel for this
Python and platform.
"""


class Pin(NamedTuple):
    """A line of a lock; whether it is conditional says its marker, such as `sys_platform == …`."""

    name: str
    version: str
    conditional: bool


def pins_of(lock: Path) -> list[Pin]:
    """The packages of a lock file."""
    found = PIN.findall(lock.read_text())
    return [Pin(plain(name), version, bool(marker)) for name, version, marker in found]


def plain(name: str) -> str:
    """A package's name in its one spelling (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


class Environment:
    """A virtual environment.

    Args:
        folder: where it is, or will be.
        pip: the command of another pip; with none, the environment gets the one of its Python.
        mutex: the file lock of this process, which pip inherits, in case it outlives it.
    """

    def __init__(self, folder: Path, pip: str, mutex: IO[str]) -> None:
        self._folder = folder.absolute()
        self._python = self._folder / "bin" / "python"
        self._packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(self._folder)}))
        self._own_pip = not pip
        own = [str(self._python), "-m", "pip"]
        self._pip = own if self._own_pip else [*shlex.split(pip), f"--python={self._python}"]
        self._mutex = mutex

    def make(self) -> None:
        """Make it where it is missing, and anew where an earlier attempt was cut short."""
        if self._is_whole():
            return
        if self._own_pip and find_spec("ensurepip") is None:
            sys.exit(
                f"{sys.executable} cannot make a virtual environment: its module ensurepip is "
                "missing. On Debian and Ubuntu: apt install python3-venv"
            )
        if self._folder.exists():
            print(
                f"{self._folder.name} is half-made, or of another Python: making it anew.",
                flush=True,
            )
            self._python.unlink(missing_ok=True)  # first: what is left is surely half-made
            shutil.rmtree(self._folder)
        options = [] if self._own_pip else ["--without-pip"]
        self._run([sys.executable, "-m", "venv", *options, str(self._folder)])

    def _is_whole(self) -> bool:
        """Whether no package in it is half-installed: pip writes a package's RECORD last."""
        packages = [*self._packages.glob("*.dist-info")]
        return (
            self._python.exists()
            and (not self._own_pip or any(each.name.startswith("pip-") for each in packages))
            and all((each / "RECORD").exists() for each in packages)
            and not any(self._packages.glob("~*"))  # pip's name for what it is about to replace
        )

    def installed(self) -> dict[str, str]:
        """The version of each package but pip."""
        found = distributions(path=[str(self._packages)])
        versions = {plain(each.metadata["Name"]): each.version for each in found}
        return {name: version for name, version in versions.items() if name != "pip"}

    def remove(self, names: Iterable[str]) -> None:
        """Remove packages."""
        unwanted = sorted(names)
        if unwanted:
            print(f"Removing what no lock names: {', '.join(unwanted)}")
            self._run([*self._pip, "uninstall", "--yes", *unwanted])

    def install(self, locks: list[Path], count: int) -> None:
        """Install the locks' files; a terminal shows how many of `count` pip has got."""
        options = ("--disable-pip-version-check", "--no-input", "--no-compile", *LOCKED_FILES)
        files = [f"--requirement={lock}" for lock in locks]
        self._run([*self._pip, "install", *options, *files], count)

    def verify(self, pins: list[Pin]) -> None:
        """Compare what is installed with the locks, and have pip look for what is missing."""
        installed = self.installed()
        for name in sorted({pin.name for pin in pins}):
            mine = [pin for pin in pins if pin.name == name]
            found = installed.get(name)
            optional = found is None and all(pin.conditional for pin in mine)
            if not optional and found not in [pin.version for pin in mine]:
                locked = " or ".join(pin.version for pin in mine)
                sys.exit(f"{name} {locked} is locked, but {found} is installed: make clean")
        self._run([*self._pip, "check"])

    def link(self) -> None:
        """Let it import the checkout, and give it the command `taskapi`.

        An editable installation needs a build backend, which the run-time lock does not have.
        """
        (self._packages / "taskapi.pth").write_text(f"{ROOT}\n")
        command = self._folder / "bin" / "taskapi"
        command.write_text(COMMAND.format(python=shlex.quote(str(self._python))))
        command.chmod(0o755)

    def _run(self, command: list[str], count: int = 0) -> None:
        """Run a command to its end; where it fails, everything that it printed is shown."""
        with subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            pass_fds=[self._mutex.fileno()],
        ) as process:
            output = "".join(_watched(process.stdout or (), count))
        if process.returncode:
            hint = UNREACHABLE if "(from versions: none)" in output else ""
            end = f"{self._folder.name} is not ready, because that failed."
            sys.exit(f"{shlex.join(command)}\n{output}{hint}\n{end}")


def _watched(lines: Iterable[str], count: int) -> Iterator[str]:
    """The lines of pip, unchanged. What they say about its progress is shown on the way."""
    got = 0
    for line in lines:
        yield line
        if "Retrying" in line:
            print(line, end="")
        step = STEP.match(line)
        if step is None or not sys.stdout.isatty():
            continue
        if step[1] == "Ignoring":
            count -= 1  # its marker says that it is not for this platform
        elif step[1] == "Installing":
            print(f"\r\033[K  writing {got} packages", end="")
        else:
            got += 1
            print(f"\r\033[K  {got} of {count}: {step[2]}", end="")
    if got:
        print(end="\r\033[K")


def install(environment: Environment, locks: list[Path]) -> int:
    """Bring an environment to what the locks say; gives the number of its packages."""
    pins = [pin for lock in locks for pin in pins_of(lock)]
    # Those of the other locks beside may stay: `make run` does not undo `make test`.
    beside = [file for lock in locks for file in lock.parent.glob("requirements*.txt")]
    environment.make()
    environment.remove(
        environment.installed().keys() - {p.name for f in beside for p in pins_of(f)}
    )
    environment.install(locks, len(pins))
    environment.verify(pins)
    environment.link()
    return len(environment.installed())


def main() -> None:
    """Install and check, one installation of this checkout at a time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("locks", type=Path, nargs="+")
    parser.add_argument("--pip", default="", help="the command of another pip")
    told = parser.parse_args()
    with Path(__file__).open() as mutex:
        _acquire(mutex)
        version, names = sys.version.split()[0], ", ".join(lock.name for lock in told.locks)
        print(f"Installing {names} into {told.folder}, for Python {version}…")
        began = time.monotonic()
        count = install(Environment(told.folder, told.pip, mutex), told.locks)
        seconds = time.monotonic() - began
        print(f"{told.folder} has the {count} locked packages, checked, in {seconds:.0f} s.")


def _acquire(mutex: IO[str]) -> None:
    try:
        fcntl.flock(mutex, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        print("Waiting for another installation of this checkout…")
        fcntl.flock(mutex, fcntl.LOCK_EX)


try:
    main()
except KeyboardInterrupt:
    sys.exit("\nInterrupted. The next make begins with what is left.")
