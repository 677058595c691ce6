"""The stage of the soak: a fleet, its databases and poolers, and every way to break them."""

import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from faults.background import Background
from faults.balancer import Balancer
from faults.pgbouncer import PgBouncer
from faults.postgres import Postgres
from faults.proxy import FaultProxy
from integration.programs import ADDRESS, environment
from soak.people import CHANCE
from support import SECRET, eventually, token_for

REQUEST_TIMEOUT = 2
PATIENCE = 60
"""Seconds for what must happen by itself, on a machine that is busy."""


class Service:
    """`taskapi serve` in a process of its own."""

    def __init__(self, folder: Path, database_url: str) -> None:
        settings: dict[str, object] = {
            "database_url": database_url,
            "better_auth_secret": SECRET,
            "create_unknown_users": True,
            "request_timeout": REQUEST_TIMEOUT,
            "database_connect_timeout": 1,
            "database_pool_size": 10,
            "api_host": "127.0.0.1",
            "log_level": "warning",
        }
        self._log = folder / f"{time.time_ns()}.log"
        with self._log.open("w") as log:
            self.process = subprocess.Popen(  # noqa: S603 - our own program
                [Path(sys.executable).parent / "taskapi", "serve", "--port", "0"],
                cwd=folder,
                env=environment(settings),
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._address, "the service says its address", PATIENCE)
        self.url = self._address()
        eventually(self._lives, "the service lives", PATIENCE)

    def megabytes(self) -> float:
        """Of memory that it has in use."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def end(self, number: signal.Signals) -> None:
        """Send a signal and wait."""
        self.process.send_signal(number)
        self.process.wait(PATIENCE)

    def tracebacks(self) -> int:
        """How many it has logged."""
        return self._said().count("Traceback")

    def _lives(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/livez").is_success
        return False

    def _address(self) -> str:
        found = [ADDRESS.search(line) for line in self._said().splitlines()]
        return next((line["url"] for line in found if line), "")

    def _said(self) -> str:
        return self._log.read_text()


class Stage:
    """Everything that can be broken, and the breaking of it.

    Attributes:
        lasting: a service that lives from the beginning to the end; the other one is replaced.
        broken: how often each fault was made.
    """

    def __init__(self, background: Background, stack: ExitStack) -> None:
        self.broken: Counter[str] = Counter()
        self.postgres = stack.enter_context(Postgres(background))
        self.postgres.run("ALTER SYSTEM SET max_connections = 60")
        self.postgres.start()
        proxy = FaultProxy(background, self.postgres.sockets / ".s.PGSQL.5432")
        self.proxy = stack.enter_context(proxy.running())
        self.pgbouncer = stack.enter_context(PgBouncer(self.postgres))
        self.balancer = stack.enter_context(Balancer(background).running())
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._services: list[Service] = []
        stack.callback(self._end_services)
        through_proxy = f"postgresql://taskapi@127.0.0.1:{self.proxy.port}/postgres?sslmode=disable"
        self.lasting = self._start_service(through_proxy)
        self._replaced = self._start_service(self.pgbouncer.address().dsn)
        self._faults = {
            "connections killed": self._kill_connections,
            "server frozen": self._freeze,
            "server stopped": self._stop,
            "server killed": self._kill,
            "packets dropped": self._drop,
            "answers cut off": self._cut,
            "refused with XX000": self._refuse,
            "max_connections taken": self._crowd,
            "rows locked": self._lock,
            "read-only": self._read_only,
            "pooler paused": self._pause_pooler,
            "pooler killed": self._kill_pooler,
            "100 clients hang up": self._hang_up,
            "service replaced": self._replace,
            "service killed": self._kill_service,
        }

    def break_something(self) -> None:
        """One thing at a time, for a moment."""
        name = CHANCE.choice([*self._faults])
        self.broken[name] += 1
        self._faults[name]()

    def heal(self) -> None:
        """Wait until nothing is under way any more."""
        quiet = (
            "SELECT count(*) FROM pg_stat_activity WHERE state <> 'idle' AND datname IS NOT NULL"
        )
        eventually(self._ready, "both services are ready", PATIENCE)
        eventually(lambda: self.postgres.run(quiet)[0][0] == 1, "the database is quiet", PATIENCE)

    def tracebacks(self) -> int:
        """How many the services have logged, those that have ended included."""
        return sum(service.tracebacks() for service in self._services)

    def _ready(self) -> bool:
        return all(self.balancer.is_ready(it.url) for it in (self.lasting, self._replaced))

    def _start_service(self, database_url: str) -> Service:
        service = Service(self._folder, database_url)
        self._services.append(service)
        self.balancer.add(service.url)
        return service

    def _end_services(self) -> None:
        for service in self._services:
            if service.process.poll() is None:
                service.end(signal.SIGINT)

    def _kill_connections(self) -> None:
        self.postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IS NOT NULL "
            "AND pid <> pg_backend_pid()"
        )

    def _freeze(self) -> None:
        self.postgres.freeze()
        _wait()
        self.postgres.thaw()

    def _stop(self) -> None:
        self.postgres.stop()
        _wait()
        self.postgres.start()

    def _kill(self) -> None:
        self.postgres.kill()
        _wait()
        self.postgres.start()

    def _drop(self) -> None:
        self.proxy.silent = True
        _wait()
        self.proxy.silent = False

    def _cut(self) -> None:
        self.proxy.cuts = CHANCE.randint(1, 20)
        _wait()
        self.proxy.cuts = 0

    def _refuse(self) -> None:
        self.proxy.refusals = ["XX000"] * CHANCE.randint(1, 30)
        self._kill_connections()
        _wait()
        self.proxy.refusals = []

    def _crowd(self) -> None:
        self._kill_connections()
        with self.postgres.crowded():
            _wait()

    def _lock(self) -> None:
        with self.postgres.session() as session:
            session.run("BEGIN")
            session.run("SELECT id FROM tasks WHERE user_id % 2 = 0 FOR UPDATE")
            _wait()

    def _read_only(self) -> None:
        with self.postgres.setting("default_transaction_read_only", "on"):
            _wait()

    def _pause_pooler(self) -> None:
        self.pgbouncer.pause()
        _wait()
        self.pgbouncer.resume()

    def _kill_pooler(self) -> None:
        self.pgbouncer.kill()
        _wait()
        self.pgbouncer.start()

    def _hang_up(self) -> None:
        """They only read, as nobody keeps a ledger for them."""
        with self.postgres.session() as session, ExitStack() as phones:
            session.run("BEGIN")
            session.run("LOCK TABLE tasks")
            for _ in range(100):
                phones.enter_context(_call_and_hang_up(self.balancer.address))
            _wait(1)

    def _replace(self) -> None:
        old = self._replaced
        self._replaced = self._start_service(self.pgbouncer.address().dsn)
        eventually(lambda: self.balancer.is_ready(self._replaced.url), "the new one is ready")
        self._end(old, signal.SIGTERM)

    def _kill_service(self) -> None:
        self._end(self._replaced, signal.SIGKILL)
        _wait(1)
        self._replaced = self._start_service(self.pgbouncer.address().dsn)

    def _end(self, service: Service, number: signal.Signals) -> None:
        service.end(number)
        self.balancer.remove(service.url)


def _wait(most: float = 3) -> None:
    time.sleep(CHANCE.uniform(0.2, most))


@contextmanager
def _call_and_hang_up(address: str) -> Iterator[None]:
    """A request that is abandoned."""
    place = urlsplit(address)
    token = token_for("1")
    head = f"GET /api/1/tasks HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {token}\r\n\r\n"
    with socket.create_connection((place.hostname, place.port)) as line:
        line.sendall(head.encode())
        yield
