"""PgBouncer in transaction mode, in front of a server of the tests.

Debian 12 has 1.18, which does not keep prepared statements. One that does is told not to, unless a
test wants it.
"""

import os
import pwd
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Protocol, Self

from support.machine import cannot
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

PORT = 6432

POOLED = 3
"""Connections to the server, for all clients of one role."""

INI = """
[databases]
* = host={server} port=5432

[pgbouncer]
pool_mode = transaction
default_pool_size = {pooled}
max_client_conn = 200
server_login_retry = 1
listen_port = 6432
unix_socket_dir = {directory}
unix_socket_mode = 0777
auth_type = trust
auth_file = {directory}/users.txt
logfile = {directory}/log
pidfile = {directory}/pid
{keeping}
"""

KEEPS_SINCE = (1, 21)
"""The first version that keeps prepared statements."""

KEPT = 200
"""Statements that it keeps on each connection to the server, which is the default of 1.24."""


class Server(Protocol):
    """A PostgreSQL on this machine."""

    @property
    def sockets(self) -> Path:
        """The folder of its socket."""


class PgBouncer:
    """A pooler that carries every statement of a client to any of three server connections.

    Args:
        server: where to.
        program: another one than the machine's.
    """

    def __init__(self, server: Server, program: str | None = None) -> None:
        program = program or installed()
        if program is None:
            cannot("pgbouncer is not installed: apt-get install pgbouncer")
        self.directory = Path(tempfile.mkdtemp(prefix="taskapi-pgbouncer-"))
        self._server = server
        self._can_keep = _version(program) >= KEEPS_SINCE
        self._write("users.txt", '"taskapi" ""\n"taskapi_service" ""\n')
        self._configure(0)
        self._command = [*_unprivileged(), program, "--quiet", str(self.directory / "ini")]

    def __enter__(self) -> Self:
        if os.geteuid() == 0:
            shutil.chown(self.directory, "nobody")
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.kill()
        shutil.rmtree(self.directory)

    def address(self, **query: str) -> DatabaseUrl:
        """Its address, as a user of it would paste it."""
        said = "".join(f"&{name}={value}" for name, value in query.items())
        return DatabaseUrl(
            f"postgresql://taskapi@/postgres?host={self.directory}&port={PORT}{said}"
        )

    def keep(self, *, keeps: bool) -> None:
        """Keep prepared statements from now on, or no longer (RELOAD)."""
        assert self._can_keep
        self._configure(KEPT if keeps else 0)
        before = self._reloads()
        self._process.send_signal(signal.SIGHUP)
        eventually(lambda: self._reloads() > before, "it has read its settings")

    def start(self) -> None:
        """Start, and wait until it listens."""
        self._process = subprocess.Popen(self._command)
        eventually(self._listens, "pgbouncer listens")

    def pause(self) -> None:
        """Have every client wait (PAUSE)."""
        self._process.send_signal(signal.SIGUSR1)

    def resume(self) -> None:
        """Undo a pause."""
        self._process.send_signal(signal.SIGUSR2)

    def kill(self) -> None:
        """Kill it in the middle of everything."""
        self._process.kill()
        self._process.wait()

    def _listens(self) -> bool:
        with socket.socket(socket.AF_UNIX) as line, suppress(OSError):
            line.connect(str(self.directory / f".s.PGSQL.{PORT}"))
            return True
        return False

    def _reloads(self) -> int:
        return (self.directory / "log").read_text().count("SIGHUP")

    def _configure(self, kept: int) -> None:
        keeping = f"max_prepared_statements = {kept}" if self._can_keep else ""
        text = INI.format(
            server=self._server.sockets, directory=self.directory, pooled=POOLED, keeping=keeping
        )
        self._write("ini", text)

    def _write(self, name: str, text: str) -> None:
        file = self.directory / name
        file.write_text(text)
        file.chmod(0o644)


def installed() -> str | None:
    """The program that a package of this machine has installed."""
    return shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")


def keeping() -> list[str]:
    """The programs that keep prepared statements: the machine's, and those in OTHER_PGBOUNCERS.

    They are separated by colons. Where there is none, `support.keeping_pooler` has to do.
    """
    named = [installed(), *os.environ.get("OTHER_PGBOUNCERS", "").split(":")]
    return [program for program in named if program and _version(program) >= KEEPS_SINCE]


def _version(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True)
    found = re.search(r"(\d+)\.(\d+)", said.stdout)
    assert found is not None, said.stdout
    return tuple(map(int, found.groups()))


def _unprivileged() -> list[str]:
    """What to put before a command that refuses to run as root."""
    if os.geteuid() != 0:
        return []
    group = pwd.getpwnam("nobody").pw_gid
    return ["setpriv", "--reuid=nobody", f"--regid={group}", "--clear-groups"]
