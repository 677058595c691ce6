"""Four replicas behind HAProxy and PgBouncer: replaced, and killed, while people work."""

import itertools
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from support.haproxy import Balancer
from support.machine import free_ports
from support.people import SECRET, Person, token_for
from support.pgbouncer import PgBouncer
from support.postgres import Postgres
from support.programs import READY, Service, started
from support.service import as_service
from support.waiting import eventually

PEOPLE = range(7001, 7007)
REPLICAS = 4
SEED = itertools.count(1)


def test_a_fleet_is_replaced_and_loses_a_replica_while_people_use_all_operations(
    postgres: Postgres, tmp_path: Path
) -> None:
    """No request fails that a client could not safely retry, and nothing is done twice."""
    with fleet(postgres, tmp_path) as it, people_at_work(it.balancer) as work:
        work.expect_more()
        it.replace(0)
        work.expect_more()
        replaced = list(work.failures)
        it.kill(1)
        work.expect_more()
    assert replaced == [], "who is replaced in order is noticed by nobody"
    assert len(work.failures) <= len(PEOPLE), "a kill costs each at most what was under way"
    for person in work.people:
        rows = postgres.run(
            "SELECT title, is_completed FROM tasks WHERE user_id = $1", int(person.id)
        )
        assert sorted(map(tuple, rows)) == sorted((title, True) for title in person.expected)


def test_a_write_under_way_on_a_killed_replica_is_sent_to_another_if_it_has_a_key(
    postgres: Postgres, tmp_path: Path
) -> None:
    """The balancer repeats what has an Idempotency-Key, and leaves alone what has none."""
    with fleet(postgres, tmp_path, replicas=2) as it, it.balancer.client() as http:
        alice = Person("7101", token_for("7101"), http)
        task = alice.create()
        complete = f"/{task['id']}/complete"
        with ThreadPoolExecutor(2) as threads, postgres.locked(alice.id):
            key = {"Idempotency-Key": "once"}
            with_key = threads.submit(alice.patch, complete, headers=key)
            without = threads.submit(alice.put, f"/{task['id']}", json={"title": "Perhaps"})
            eventually(lambda: postgres.waiting() == 2, "both writes wait on the server")
            it.kill_all_but_a_new_one()
            assert without.result().status_code == 502
            eventually(lambda: postgres.waiting() > 0, "the other one waits again")
        assert with_key.result().status_code == 200
        repeated = alice.patch(complete, headers=key)
        assert repeated.headers["Idempotency-Replayed"] == "true"
        assert alice.get(f"/{task['id']}").json()["is_completed"] is True, "toggled once"


def test_the_balancer_answers_for_a_fleet_that_is_gone(postgres: Postgres, tmp_path: Path) -> None:
    with fleet(postgres, tmp_path, replicas=1) as it, it.balancer.client() as http:
        assert http.get("/").status_code == 200
        it.kill(0)
        eventually(lambda: it.balancer.in_rotation() == set(), "nobody is in rotation")
        assert http.get("/").status_code == 503


class Fleet:
    """Replicas of one service behind a balancer, each a process of its own."""

    def __init__(self, stack: ExitStack, folder: Path, settings: dict[str, object]) -> None:
        self._stack = stack
        self._folder = folder
        self._settings = settings
        self._replicas: list[Service] = []
        self._ports = free_ports(REPLICAS + 2)
        self.balancer = stack.enter_context(Balancer(folder, self._ports).running())

    def start(self, count: int = 1) -> None:
        """Start some more, and wait until they are in rotation."""
        new = [self._start(self._ports[len(self._replicas)]) for _ in range(count)]
        for service in new:
            service.wait_for(READY)
        ports = set(self._ports[len(self._replicas) - count : len(self._replicas)])
        eventually(lambda: ports <= self.balancer.in_rotation(), "the new ones get requests")

    def _start(self, port: int) -> Service:
        command = ("taskapi", "serve", "--port", port)
        service = self._stack.enter_context(
            started(*command, folder=self._folder, settings=self._settings)
        )
        self._replicas.append(service)
        return service

    def replace(self, number: int) -> None:
        """Start a new one, and then stop an old one as an operator does."""
        self.start()
        assert self._replicas[number].end(signal.SIGTERM) == 0

    def kill(self, number: int) -> None:
        """Kill one in the middle of everything."""
        assert self._replicas[number].end(signal.SIGKILL) == -signal.SIGKILL

    def kill_all_but_a_new_one(self) -> None:
        """Start a new one, and kill the others."""
        old = range(len(self._replicas))
        self.start()
        for number in old:
            self.kill(number)


@contextmanager
def fleet(postgres: Postgres, folder: Path, replicas: int = REPLICAS) -> Iterator[Fleet]:
    """A fleet in service."""
    with PgBouncer(postgres) as pgbouncer, ExitStack() as stack:
        settings = {
            "database_url": as_service(pgbouncer.address()).dsn,
            "better_auth_secret": SECRET,
            "create_unknown_users": True,
            "database_pool_size": 5,
            "api_host": "127.0.0.1",
        }
        it = Fleet(stack, folder, settings)
        it.start(replicas)
        yield it


class Worker:
    """Somebody who uses all operations, repeats what failed, and knows what must come of it."""

    def __init__(self, user_id: int, work: "Work") -> None:
        self.id = str(user_id)
        self.expected: list[str] = []
        self._work = work

    def live(self, balancer: Balancer) -> None:
        """Work until it is over."""
        with balancer.client() as http:
            person = Person(self.id, token_for(self.id), http)
            while not self._work.over.is_set():
                self._turn(person)
                self._work.turns.release()

    def _turn(self, person: Person) -> None:
        number = next(SEED)
        first, second = f"{self.id}.{number}", f"{self.id}.{number}!"
        key = {"Idempotency-Key": f"create-{number}"}
        task = self._safely(201, person, "POST", "", json={"title": first}, headers=key).json()
        one = f"/{task['id']}"
        assert self._safely(200, person, "GET", one).json() == task
        assert self._safely(200, person, "GET", "").json()["tasks"][0] == task
        assert self._safely(200, person, "PUT", one, json={"title": second}).json()["title"]
        key = {"Idempotency-Key": f"complete-{number}"}
        done = self._safely(200, person, "PATCH", f"{one}/complete", headers=key).json()
        assert (done["title"], done["is_completed"]) == (second, True), "toggled once"
        if number % 2:
            self._safely(204, person, "DELETE", one)
        else:
            self.expected.append(second)

    def _safely(
        self, wanted: int, person: Person, method: str, path: str, **options: object
    ) -> httpx.Response:
        """Send it, and again where it failed: with its key, or being safe to repeat anyway.

        With a pause before it, as clients make one: the balancer may have connections to a replica
        of whose death it has not heard.
        """
        answer = _send(person, method, path, **options)
        if _has_failed(answer):
            self._work.failures.append(f"{method} {path}: {answer}")
            for pause in (0.2, 0.4, 0.8):
                time.sleep(pause)
                answer = _send(person, method, path, **options)
                if not _has_failed(answer):
                    break
            if method == "DELETE" and getattr(answer, "status_code", None) == 404:
                wanted = 404  # the first one took place
        assert not isinstance(answer, str), answer
        assert answer.status_code == wanted, answer.text
        return answer


def _has_failed(answer: httpx.Response | str) -> bool:
    return isinstance(answer, str) or answer.status_code >= 500


def _send(person: Person, method: str, path: str, **options: object) -> httpx.Response | str:
    try:
        return person.request(method, path, **options)
    except httpx.HTTPError as error:
        return repr(error)


class Work:
    """What all the people do together.

    Attributes:
        failures: every request that had to be repeated.
    """

    def __init__(self) -> None:
        self.over = threading.Event()
        self.turns = threading.Semaphore(0)
        self.failures: list[str] = []
        self.lives: list[Future[None]] = []
        self.people = [Worker(number, self) for number in PEOPLE]

    def expect_more(self) -> None:
        """Wait until all of it has gone on for a while."""
        for _ in range(5 * len(self.people)):
            eventually(self._one_more_turn, "somebody works")

    def _one_more_turn(self) -> bool:
        for life in self.lives:
            if life.done():
                life.result()  # which raises what went wrong
        return self.turns.acquire(blocking=False)


@contextmanager
def people_at_work(balancer: Balancer) -> Iterator[Work]:
    """Have everybody work until the block ends; what went wrong for one of them is raised."""
    work = Work()
    with ThreadPoolExecutor(len(work.people)) as threads:
        work.lives += [threads.submit(person.live, balancer) for person in work.people]
        try:
            yield work
        finally:
            work.over.set()
    for life in work.lives:
        life.result()
