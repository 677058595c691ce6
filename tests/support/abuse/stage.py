"""What is attacked: `taskapi serve` with one worker, on a PostgreSQL of its own."""

import itertools
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Self

from joserfc import jwt
from joserfc.jwk import ECKey

from support.abuse.attacks import Attack, Tasks
from support.machine import free_ports
from support.people import SECRET
from support.postgres import OURS, Postgres
from support.programs import ADDRESS, started
from support.service import as_service
from support.waiting import eventually

USUAL = Attack("none", lambda _: None)
"""What needs nothing of its own."""

POOL = 20
"""Database connections of the service."""

SETTINGS: Mapping[str, object] = {
    "BETTER_AUTH_SECRET": SECRET,
    "CREATE_UNKNOWN_USERS": True,
    "API_HOST": "127.0.0.1",
    "DATABASE_POOL_SIZE": POOL,
    "LOG_FORMAT": "json",
}

FILL = """
INSERT INTO tasks (title, description, user_id)
SELECT 'Task ' || n, {description}, $1 FROM generate_series(1, $2) AS n
"""

BUSY = f"SELECT count(*) FROM pg_stat_activity WHERE {OURS} AND state = 'active'"  # noqa: S608 - a constant

FIRST_USER = 1_000_000

_users = itertools.count(FIRST_USER)


class Server(NamedTuple):
    """A service that is attacked.

    Attributes:
        port: where it listens.
        process: its id.
        keys: whose tokens it accepts beside those of the secret; None: nobody's.
    """

    port: int
    process: int
    keys: "Keys | None"

    def peak_mebibytes(self) -> float:
        """The most resident memory that it has ever had (VmHWM)."""
        status = Path(f"/proc/{self.process}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024

    def forget_peak(self) -> None:
        """Have that begin anew, with what it has now (proc(5))."""
        Path(f"/proc/{self.process}/clear_refs").write_text("5")


class Keys:
    """The keys of an auth server, in a file that a server publishes.

    Args:
        folder: where the file is.
    """

    def __init__(self, folder: Path) -> None:
        self._file = folder / "keys.json"
        self._published: list[object] = []
        self.change()

    def change(self) -> None:
        """Sign with a new key from now on; the old ones stay published."""
        self._id = f"key-{len(self._published) + 1}"
        self._key = ECKey.generate_key("P-256", {"kid": self._id})
        self._published.append(self._key.as_dict(private=False))
        new = self._file.with_suffix(".new")
        new.write_text(json.dumps({"keys": self._published}))
        new.rename(self._file)

    def token_for(self, user_id: str) -> str:
        """A token that is signed with the newest key, and valid for an hour."""
        claims = {"sub": user_id, "exp": int(time.time()) + 3600}
        return jwt.encode({"alg": "ES256", "kid": self._id}, claims, self._key)


class Stage:
    """A database, and services on it, one after another.

    Args:
        postgres: the database's server.
        folder: for what the services leave.
        settings: of every service, beside those that the attacks need.
    """

    def __init__(self, postgres: Postgres, folder: Path, settings: Mapping[str, object]) -> None:
        self._postgres = postgres
        self._folder = folder
        self._shared: Server | None = None
        self._settings = {**SETTINGS, **settings} | {
            "DATABASE_URL": as_service(postgres.address).dsn
        }

    @contextmanager
    def sharing(self) -> Iterator[Self]:
        """Have one service for all attacks that need no other: for who has little time."""
        with self._started(USUAL) as self._shared:
            yield self

    @contextmanager
    def serving(self, attack: Attack) -> Iterator[Server]:
        """A service as an attack needs it: a new one, unless it can be the shared one."""
        usual = (attack.settings, attack.descriptors, attack.keys)
        if self._shared and usual == (USUAL.settings, USUAL.descriptors, USUAL.keys):
            self._shared.forget_peak()
            yield self._shared
        else:
            with self._started(attack) as server:
                yield server

    @contextmanager
    def _started(self, attack: Attack) -> Iterator[Server]:
        with ExitStack() as stack:
            keys, settings = None, {**self._settings, **attack.settings}
            if attack.keys:
                keys = Keys(self._folder)
                settings["BETTER_AUTH_JWKS_URL"] = stack.enter_context(_published(self._folder))
            service = stack.enter_context(
                started(
                    *("taskapi", "serve", "--port", 0),
                    folder=self._folder,
                    prefix=_limited(attack.descriptors),
                    settings=settings,
                )
            )
            port = int(service.wait_for(ADDRESS)["url"].rpartition(":")[2])
            yield Server(port, service.process.pid, keys)

    def new_user(self, tasks: Tasks | None = None) -> str:
        """A user with these tasks."""
        user_id = next(_users)
        if tasks:
            self._run("INSERT INTO users VALUES ($1)", user_id)
            self._run(FILL.format(description=tasks.description), user_id, tasks.count)
            self._run("ANALYZE tasks")
        return str(user_id)

    def tasks_of(self, user_id: str) -> int:
        """How many tasks a user has."""
        count: int = self._run("SELECT count(*) FROM tasks WHERE user_id = $1", int(user_id))[0][0]
        return count

    def forget(self, user_id: str) -> None:
        """Delete a user's tasks."""
        self._run("DELETE FROM tasks WHERE user_id = $1", int(user_id))

    def kept_bytes(self) -> int:
        """Bytes of all tables and their indexes, without what vacuum removes."""
        tables = "SELECT relid::regclass::text AS name FROM pg_stat_user_tables"
        for table in self._run(tables):
            self._run(f"VACUUM (FULL) {table['name']}")
        kept: int = self._run(
            "SELECT sum(pg_total_relation_size(relid))::bigint FROM pg_stat_user_tables"
        )[0][0]
        return kept

    def written_bytes(self) -> int:
        """Bytes of write-ahead log since the database was made."""
        written: int = self._run("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::bigint")[0][
            0
        ]
        return written

    @contextmanager
    def counting_busy(self) -> Iterator[list[int]]:
        """How many of the services' connections execute a statement, looked at again and again."""
        counts, over = [0], threading.Event()

        def look() -> None:
            with self._postgres.session() as session:
                while not over.wait(0.1):
                    counts.append(session.run(BUSY)[0]["count"])

        with ThreadPoolExecutor(1) as thread:
            looking = thread.submit(look)
            try:
                yield counts
            finally:
                over.set()
            looking.result()

    def _run(self, statement: str, *arguments: object) -> list[Any]:
        return self._postgres.run(statement, *arguments)


def _limited(descriptors: int | None) -> list[str]:
    """What to put before a command that may have so many files and connections open."""
    return ["sh", "-c", f'ulimit -n {descriptors}; exec "$@"', "sh"] if descriptors else []


@contextmanager
def _published(folder: Path) -> Iterator[str]:
    """The URL of the keys in a folder."""
    port = free_ports(1)[0]
    command = [sys.executable, "-m", "http.server", str(port), "--bind=127.0.0.1"]
    command.append(f"--directory={folder}")
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nowhere, stderr=nowhere) as server:
        try:
            eventually(lambda: _listens(port), "the key server listens")
            yield f"http://127.0.0.1:{port}/keys.json"
        finally:
            server.terminate()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
