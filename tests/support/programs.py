"""Programs as a person starts them: the commands, and services that run until they are stopped."""

import os
import pwd
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.machine import PROGRAMS
from support.people import Person
from support.service import client_of
from support.waiting import PATIENCE
from taskapi import config

Settings = Mapping[str, object]
NONE: Settings = {}

ADDRESS = re.compile(r"^ *URL +(?P<url>http\S+)")
READY = re.compile(r"Application startup complete")
TOKEN = re.compile(r"^(?P<token>eyJ\S+)$")


def environment(settings: Settings) -> dict[str, str]:
    """This environment with these settings and no others."""
    names = {name.upper() for name in config.Settings.model_fields}
    kept = {name: value for name, value in os.environ.items() if name not in names}
    return kept | {name: str(value) for name, value in settings.items()}


def run(
    *command: object, folder: Path, prefix: Sequence[str] = (), settings: Settings = NONE
) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment to its end."""
    program, *arguments = map(str, command)
    return subprocess.run(
        [*prefix, str(PROGRAMS / program), *arguments],
        cwd=folder,
        env=environment(settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


def run_script(text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a Python program that imports what the tests do, with no settings, to its good end."""
    return subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
        check=True,
        capture_output=True,
        text=True,
    )


class Service:
    """A service in a process of its own; what it prints is kept in `lines`.

    Args:
        command: a program of this environment, and its arguments.
        folder: where it is started.
        prefix: what to put before the command.
        settings: its environment variables.
    """

    def __init__(
        self,
        command: Sequence[object],
        folder: Path,
        prefix: Sequence[str],
        settings: Settings,
    ) -> None:
        self.folder = folder
        self.lines: list[str] = []
        self._printed: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        program, *arguments = map(str, command)
        self.process = subprocess.Popen(
            [*prefix, str(PROGRAMS / program), *arguments],
            cwd=folder,
            env=environment(settings),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        for line in self.process.stdout or ():
            self._printed.put(line.rstrip("\n"))
        self._printed.put(None)

    def wait_for(self, wanted: re.Pattern[str]) -> re.Match[str]:
        """The next line in which this stands."""
        while (line := self._next_line()) is not None:
            if found := wanted.search(line):
                return found
        raise AssertionError(f"{wanted.pattern!r} was not printed:\n{self.output}")

    def _next_line(self) -> str | None:
        """The next line, which is then one of `lines`; None at the end."""
        try:
            line = self._printed.get(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError(f"nothing more was printed:\n{self.output}") from None
        if line is not None:
            self.lines.append(line)
        return line

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return "\n".join(self.lines)

    def end(self, number: signal.Signals = signal.SIGINT) -> int:
        """Send a signal, and wait for the end; gives the exit status."""
        self.process.send_signal(number)
        return self.wait()

    def wait(self) -> int:
        """Wait for the end; gives the exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        while self._next_line() is not None:
            pass
        return status

    def close(self) -> None:
        """Leave nothing behind, whatever has happened."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # which does not wait for a balancer
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                raise
        self._reader.join(PATIENCE)
        if self.process.stdout is not None:
            self.process.stdout.close()


@contextmanager
def started(
    *command: object, folder: Path, prefix: Sequence[str] = (), settings: Settings = NONE
) -> Iterator[Service]:
    """A service that has been started, but may not be ready yet."""
    service = Service(command, folder, prefix, settings)
    try:
        yield service
    finally:
        service.close()


@contextmanager
def development_service(
    folder: Path, *arguments: object, prefix: Sequence[str] = (), settings: Settings = NONE
) -> Iterator[tuple[Service, Person]]:
    """`taskapi serve` on its own database, and the person whose token it prints."""
    command = ("taskapi", "serve", "--port", 0, *arguments)
    with started(*command, folder=folder, prefix=prefix, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        token = service.wait_for(TOKEN)["token"]
        service.wait_for(READY)
        with client_of(address) as http:
            yield service, Person("1", token, http)


def as_ordinary_user() -> list[str]:
    """What to put before a command so that it does not run as root, where the tests do.

    It keeps one right of root's, to read: the programs may stand in a folder of root's.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    assert setpriv is not None, "the tests run as root and need setpriv (util-linux)"
    nobody = pwd.getpwnam("nobody")
    return [
        # That user may not write where coverage is kept.
        *("env", "--unset=COVERAGE_PROCESS_CONFIG", "--unset=COVERAGE_PROCESS_START"),
        setpriv,
        f"--reuid={nobody.pw_uid}",
        f"--regid={nobody.pw_gid}",
        "--clear-groups",
        "--inh-caps=+dac_read_search",
        "--ambient-caps=+dac_read_search",
    ]


def ordinary_folder(folder: Path) -> Path:
    """A new folder that belongs to the user of `as_ordinary_user`."""
    folder.mkdir()
    if os.geteuid() == 0:
        shutil.chown(folder, "nobody")
    return folder


def processes_of(folder: Path) -> list[str]:
    """The command lines of all processes that work in this folder, or below."""
    processes = Path("/proc").glob("[0-9]*")
    return [_command_line(process) for process in processes if _works_in(folder, process)]


def _works_in(folder: Path, process: Path) -> bool:
    try:
        return (process / "cwd").readlink().is_relative_to(folder)
    except OSError:  # it has ended meanwhile, or is somebody else's
        return False


def _command_line(process: Path) -> str:
    try:
        return (process / "cmdline").read_text(errors="replace").replace("\0", " ")
    except OSError:  # it has ended meanwhile
        return ""


def members_of(service: Service) -> list[int]:
    """The processes of a service's session that still run: the service itself and its workers."""
    session = str(service.process.pid)
    return [
        int(entry.name)
        for entry in Path("/proc").glob("[0-9]*")
        if (fields := _status(entry)) and fields[0] != "Z" and fields[3] == session
    ]


def _status(process: Path) -> list[str]:
    """What `/proc/…/stat` says behind the command: state, parent, group, session, and more."""
    try:
        return (process / "stat").read_text().rpartition(")")[2].split()
    except OSError:  # it has ended meanwhile
        return []
