"""What the soak runs on: a fleet, its database, network and pooler, and every way to break them."""

import signal
import socket
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.soak.people import CHANCE
from support.background import Background
from support.balancer import Balancer
from support.people import SECRET, token_for
from support.pgbouncer import PgBouncer
from support.postgres import Postgres
from support.programs import ADDRESS, Service
from support.proxy import FaultProxy
from support.waiting import eventually

SETTINGS: dict[str, object] = {
    "better_auth_secret": SECRET,
    "create_unknown_users": True,
    "request_timeout": 2,
    "database_connect_timeout": 1,
    "database_pool_size": 10,
    "api_host": "127.0.0.1",
    "log_level": "warning",
}

Fault = Callable[[], AbstractContextManager[object]]
"""Something is broken from the beginning of the context to its end."""


class Stage:
    """A fleet of two services and everything under it that can be broken.

    Attributes:
        balancer: in front of both.
        broken: how often each fault was made.
    """

    def __init__(self, background: Background, stack: ExitStack) -> None:
        self.broken: Counter[str] = Counter()
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self.postgres = stack.enter_context(Postgres(background))
        self.postgres.run("ALTER SYSTEM SET max_connections = 60")
        self.postgres.start()
        proxy = FaultProxy(background, self.postgres.sockets / ".s.PGSQL.5432")
        self._proxy = stack.enter_context(proxy.running())
        self._pgbouncer = stack.enter_context(PgBouncer(self.postgres))
        self.balancer = stack.enter_context(Balancer(background).running())
        self._services: dict[str, Service] = {}
        self._ended: list[Service] = []
        stack.callback(self._end_all)
        through_proxy = f"postgresql://taskapi@127.0.0.1:{proxy.port}/postgres?sslmode=disable"
        self._lasting = self._start_service(through_proxy)
        self._pooler_url = self._pgbouncer.address().dsn
        self._behind_pooler = self._start_service(self._pooler_url)
        self._faults = self._kinds()
        self._next: list[str] = []

    def break_something(self) -> None:
        """Make one fault, for a moment; each kind once before any a second time."""
        self._next = self._next or CHANCE.sample([*self._faults], len(self._faults))
        name = self._next.pop()
        self.broken[name] += 1
        with self._faults[name]():
            time.sleep(CHANCE.uniform(0.2, 3))

    def heal(self) -> None:
        """Wait until both services are ready and no statement runs."""
        busy = "SELECT FROM pg_stat_activity WHERE state <> 'idle' AND pid <> pg_backend_pid()"
        eventually(lambda: all(map(self.balancer.is_ready, self._services)), "all are ready")
        eventually(lambda: not self.postgres.run(busy), "the database is idle")

    def megabytes(self) -> float:
        """Resident memory of the service that lives from the beginning to the end."""
        process = self._services[self._lasting].process.pid
        status = Path(f"/proc/{process}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024

    def tracebacks(self) -> int:
        """How many the services have logged, after their end."""
        return sum(service.output.count("Traceback") for service in self._ended)

    def _start_service(self, database_url: str) -> str:
        """The URL of a new service."""
        command = ["python", "-m", "taskapi", "serve", "--port", 0]
        settings = SETTINGS | {"database_url": database_url}
        service = Service(command, self._folder, [], settings)
        url = service.wait_for(ADDRESS)["url"]
        self._services[url] = service
        self.balancer.add(url)
        eventually(lambda: self.balancer.is_ready(url), "the service is ready")
        return url

    def _end(self, url: str, number: signal.Signals) -> None:
        service = self._services.pop(url)
        service.end(number)
        self.balancer.remove(url)
        self._ended.append(service)

    def _end_all(self) -> None:
        for url in [*self._services]:
            self._end(url, signal.SIGINT)

    def _kinds(self) -> dict[str, Fault]:
        postgres, pgbouncer = self.postgres, self._pgbouncer
        return {
            "connections killed": self._connections_killed,
            "server frozen": _between(postgres.freeze, postgres.thaw),
            "server stopped": _between(postgres.stop, postgres.start),
            "server killed": _between(postgres.kill, postgres.start),
            "packets dropped": self._packets_dropped,
            "responses cut off": self._responses_cut_off,
            "refused with XX000": self._refused,
            "max_connections taken": self._crowded,
            "rows locked": self._rows_locked,
            "read-only": partial(postgres.setting, "default_transaction_read_only", "on"),
            "pooler paused": _between(pgbouncer.pause, pgbouncer.resume),
            "pooler killed": _between(pgbouncer.kill, pgbouncer.start),
            "100 clients hang up": self._clients_hang_up,
            "service replaced": self._service_replaced,
            "service killed": self._service_killed,
        }

    @contextmanager
    def _connections_killed(self) -> Iterator[None]:
        self.postgres.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname IS NOT NULL "
            "AND pid <> pg_backend_pid()"
        )
        yield

    @contextmanager
    def _packets_dropped(self) -> Iterator[None]:
        self._proxy.silent = True
        yield
        self._proxy.silent = False

    @contextmanager
    def _responses_cut_off(self) -> Iterator[None]:
        self._proxy.cuts = CHANCE.randint(1, 20)
        yield
        self._proxy.cuts = 0

    @contextmanager
    def _refused(self) -> Iterator[None]:
        self._proxy.refusals = ["XX000"] * CHANCE.randint(1, 30)
        with self._connections_killed():
            yield
        self._proxy.refusals = []

    @contextmanager
    def _crowded(self) -> Iterator[None]:
        with self._connections_killed(), self.postgres.crowded():
            yield

    @contextmanager
    def _rows_locked(self) -> Iterator[None]:
        with self.postgres.session() as session:
            session.run("BEGIN")
            session.run("SELECT id FROM tasks WHERE user_id % 2 = 0 FOR UPDATE")
            yield

    @contextmanager
    def _clients_hang_up(self) -> Iterator[None]:
        """They only read, as nobody keeps a ledger for them."""
        with self.postgres.session() as session, ExitStack() as clients:
            session.run("BEGIN")
            session.run("LOCK TABLE tasks")
            for _ in range(100):
                clients.enter_context(_request_without_end(self.balancer.address))
            yield

    @contextmanager
    def _service_replaced(self) -> Iterator[None]:
        old, self._behind_pooler = self._behind_pooler, self._start_service(self._pooler_url)
        self._end(old, signal.SIGTERM)
        yield

    @contextmanager
    def _service_killed(self) -> Iterator[None]:
        self._end(self._behind_pooler, signal.SIGKILL)
        yield
        self._behind_pooler = self._start_service(self._pooler_url)


def _between(begin: Callable[[], object], end: Callable[[], object]) -> Fault:
    @contextmanager
    def fault() -> Iterator[None]:
        begin()
        yield
        end()

    return fault


@contextmanager
def _request_without_end(address: str) -> Iterator[None]:
    """A request whose client hangs up before the response."""
    url = urlsplit(address)
    head = (
        f"GET /api/1/tasks HTTP/1.1\r\nHost: soak\r\nAuthorization: Bearer {token_for('1')}\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port)) as connection:
        connection.sendall(head.encode())
        yield
