"""A PostgreSQL that is there to be broken: stopped, killed, frozen, filled, and set up badly."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Self

import asyncpg

from support.background import Background
from support.prepared import copy_prepared
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl
from taskapi.embedded.server import EmbeddedServer

OURS = "application_name = 'taskapi'"
"""In `pg_stat_activity`: the connections of the service, and not those of the tests."""


class Session:
    """A connection of the tests, which can hold locks."""

    def __init__(self, background: Background, connection: asyncpg.Connection) -> None:
        self._background = background
        self._connection = connection

    def run(self, text: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement."""
        return self._background.run(self._connection.fetch(text, *arguments))

    def close(self) -> None:
        """Close; what was not committed is undone."""
        self._background.run(self._connection.close())


class Postgres:
    """A migrated server of the tests' own, under a folder of its own.

    Args:
        background: where the tests' own connections live.
    """

    def __init__(self, background: Background) -> None:
        self._background = background
        # Not pytest's folder, through which only its owner may pass.
        self.directory = Path(tempfile.mkdtemp(prefix="taskapi-faults-"))
        self.directory.chmod(0o711)
        self._server = EmbeddedServer(self.directory)

    def __enter__(self) -> Self:
        with ExitStack() as leave:
            leave.callback(self.__exit__)
            copy_prepared(self.directory)
            self.address = self._server.start()
            leave.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self.thaw()
        self._server.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def sockets(self) -> Path:
        """The folder of its Unix socket."""
        return self.directory / "socket"

    def start(self) -> None:
        """Start after a stop or a kill, on the same data."""
        self._server.stop()
        self.address = self._server.start()

    def ensure_running(self) -> None:
        """Have it run, whatever a test has done to it."""
        self.thaw()
        try:
            self.run("SELECT 1")
        except (OSError, asyncpg.PostgresError):
            self.start()

    def stop(self) -> None:
        """Stop as an operator does."""
        self._server.stop()

    def kill(self) -> None:
        """Kill every process at once, as the kernel or a loss of power does."""
        processes = self._processes()
        for process in processes:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        eventually(lambda: not any(map(_is_alive, processes)), "the server's processes are gone")

    def freeze(self) -> None:
        """Stop every process in its tracks; the kernel still accepts connections for them."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Undo a freeze."""
        self._signal(signal.SIGCONT)

    def run(self, text: str, *arguments: object) -> list[asyncpg.Record]:
        """Run a statement as the operator."""
        with self.session() as session:
            return session.run(text, *arguments)

    @contextmanager
    def session(self, **options: Any) -> Iterator[Session]:
        """A connection that is closed at the end."""
        session = Session(
            self._background, self._background.run(asyncpg.connect(self.address.dsn, **options))
        )
        try:
            yield session
        finally:
            session.close()

    @contextmanager
    def setting(self, name: str, value: str) -> Iterator[None]:
        """Have a setting for a while, in every session."""
        before = self._shown(name)
        self._set(f"SET {name} = '{value}'", name, value)
        try:
            yield
        finally:
            self._set(f"RESET {name}", name, before)

    @contextmanager
    def locked(self, user_id: str) -> Iterator[Session]:
        """Hold a lock on every task of a user, so that who wants to change one has to wait."""
        with self.session() as session:
            session.run("BEGIN")
            session.run("SELECT id FROM tasks WHERE user_id = $1 FOR UPDATE", int(user_id))
            yield session

    @contextmanager
    def crowded(self) -> Iterator[None]:
        """Take every connection that the server has left."""
        with ExitStack() as crowd:
            with suppress(asyncpg.TooManyConnectionsError):
                while True:
                    crowd.enter_context(self.session())
            yield

    def waiting(self) -> int:
        """How many statements wait for a lock; those of the service, as the tests' never do."""
        return self._count("wait_event_type = 'Lock'")

    def working(self) -> int:
        """How many statements of the service run."""
        return self._count(f"{OURS} AND state = 'active'")

    def connections(self) -> int:
        """How many connections the service has."""
        return self._count(OURS)

    def terminate_connections(self) -> None:
        """End the service's connections, and see them gone."""
        self.run(f"SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE {OURS}")  # noqa: S608 - a constant
        eventually(lambda: self.connections() == 0, "the service's connections are gone")

    def _count(self, condition: str) -> int:
        rows = self.run(f"SELECT count(*) AS n FROM pg_stat_activity WHERE {condition}")  # noqa: S608 - a constant
        count: int = rows[0]["n"]
        return count

    def _set(self, change: str, name: str, value: str) -> None:
        with self.session() as session:
            session.run("SET default_transaction_read_only = off")
            session.run(f"ALTER SYSTEM {change}")
            session.run("SELECT pg_reload_conf()")
        # A new session has the new value only after all others were told of it.
        eventually(lambda: self._shown(name) == value, f"{name} is {value}")

    def _shown(self, name: str) -> str:
        shown: str = self.run(f"SHOW {name}")[0][0]
        return shown

    def _signal(self, number: int) -> None:
        for process in self._processes():
            with suppress(ProcessLookupError):
                os.kill(process, number)

    def _processes(self) -> list[int]:
        """The first process and its children; the first one is told first, so none is added."""
        try:
            first = int((self.directory / "postgres" / "postmaster.pid").read_text().split()[0])
            children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [first, *map(int, children)]


def _is_alive(process: int) -> bool:
    """Whether it still runs; a dead one may be left for its parent to collect."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def address_through(port: int) -> DatabaseUrl:
    """The address of something on loopback that stands in front of a server of the tests."""
    return DatabaseUrl(
        f"postgresql://taskapi@127.0.0.1:{port}/postgres?sslmode=disable&pgbouncer=false"
    )
