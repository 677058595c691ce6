"""Processes stop, are replaced and are killed: what was acknowledged is there."""

import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from support.background import Background
from support.balancer import Balancer
from support.people import SECRET, Person, token_for
from support.postgres import Postgres
from support.programs import ADDRESS, READY, Service, started
from support.service import as_service, client_of
from support.waiting import PATIENT, eventually


class Running:
    """A service in a process of its own, at its address."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.url: str = service.wait_for(ADDRESS)["url"]
        service.wait_for(READY)


@contextmanager
def running(postgres: Postgres, folder: Path, **settings: object) -> Iterator[Running]:
    """`taskapi serve` on the database of the faults."""
    usual: dict[str, object] = {
        **PATIENT,
        "database_url": as_service(postgres.address).dsn,
        "better_auth_secret": SECRET,
        "create_unknown_users": True,
        "database_pool_size": 5,
        "api_host": "127.0.0.1",
    }
    command = ("taskapi", "serve", "--port", 0)
    with started(*command, folder=folder, settings=usual | settings) as service:
        yield Running(service)


def test_a_service_that_is_told_to_stop_serves_what_it_has_accepted(
    postgres: Postgres, tmp_path: Path
) -> None:
    """Readiness turns first; what is under way ends well; then the process ends, with 0."""
    with (
        running(postgres, tmp_path) as it,
        client_of(it.url) as http,
        ThreadPoolExecutor(1) as threads,
    ):
        alice = Person("31", token_for("31"), http)
        task = alice.create()
        assert http.get("/readyz").status_code == 200
        with postgres.locked(alice.id):
            slow = threads.submit(alice.put, f"/{task['id']}", json={"title": "Late"})
            eventually(lambda: postgres.waiting() == 1, "the statement waits")
            it.service.process.send_signal(signal.SIGTERM)
            eventually(lambda: http.get("/readyz").status_code == 503, "not ready any more")
            served = alice.get()
            assert (served.status_code, served.headers["Connection"]) == (200, "close")
            eventually(lambda: not _listens(it.url), "no more connections are taken")
            assert it.service.process.poll() is None, "it waits for the request"
        assert slow.result().json()["title"] == "Late"
        assert it.service.wait() == 0
    assert "Traceback" not in it.service.output


def _listens(url: str) -> bool:
    place = urlsplit(url)
    with socket.socket() as line:
        return line.connect_ex((place.hostname, place.port)) == 0


def test_a_fleet_is_replaced_under_load_without_a_failed_request(
    postgres: Postgres, background: Background, tmp_path: Path
) -> None:
    """Two processes behind a balancer, each replaced by a new one while requests pour in."""
    with (
        Balancer(background).running() as balancer,
        running(postgres, tmp_path, workers=2) as first,
    ):
        balancer.add(first.url)
        with running(postgres, tmp_path) as second:
            balancer.add(second.url)
            for it in (first, second):
                eventually(lambda it=it: balancer.is_ready(it.url), "in rotation")  # type: ignore[misc]
            with _load(balancer.address, 410) as load, running(postgres, tmp_path) as third:
                _replace(balancer, first, third)
                with running(postgres, tmp_path) as fourth:
                    _replace(balancer, second, fourth)
                    load.expect_some_more()
                    load.end()
    assert load.failures == []
    assert sorted(_titles(postgres, load)) == sorted(load.acknowledged)


def _replace(balancer: Balancer, old: Running, new: Running) -> None:
    balancer.add(new.url)
    eventually(lambda: balancer.is_ready(new.url), "the new one is in rotation")
    assert old.service.end(signal.SIGTERM) == 0


class Load:
    """People who create tasks, and note what was acknowledged and what failed."""

    def __init__(self, address: str, people: Sequence[int]) -> None:
        self._address = address
        self.people = people
        self._over = threading.Event()
        self.acknowledged: set[str] = set()
        self.failures: list[str] = []

    def person(self, user_id: str) -> None:
        """Create tasks until it is over."""
        with client_of(self._address) as http:
            person = Person(user_id, token_for(user_id), http)
            number = 0
            while not self._over.is_set():
                number += 1
                self._create(person, f"{user_id}.{number}")

    def _create(self, person: Person, title: str) -> None:
        try:
            answer = person.post(json={"title": title})
        except httpx.HTTPError as error:
            self.failures.append(repr(error))
        else:
            if answer.status_code == 201:
                self.acknowledged.add(title)
            else:
                self.failures.append(f"{answer.status_code} {answer.text}")

    def expect_some_more(self) -> None:
        """Wait until the load has gone on for a while."""
        before = len(self.acknowledged)
        eventually(lambda: len(self.acknowledged) > before + 50, "requests are served")

    def end(self) -> None:
        """Have everybody stop."""
        self._over.set()


@contextmanager
def _load(address: str, first_user: int) -> Iterator[Load]:
    load = Load(address, range(first_user, first_user + 4))
    with ThreadPoolExecutor(len(load.people)) as threads:
        try:
            working = [threads.submit(load.person, str(number)) for number in load.people]
            load.expect_some_more()
            yield load
        finally:
            load.end()
        for person in working:
            person.result()


def _titles(postgres: Postgres, load: Load) -> list[str]:
    rows = postgres.run("SELECT title FROM tasks WHERE user_id = ANY($1)", list(load.people))
    return [row["title"] for row in rows]


def test_a_service_killed_in_mid_write_leaves_nothing_half_done_and_nothing_running(
    postgres: Postgres, tmp_path: Path
) -> None:
    """What was acknowledged is there; the write that waited for a lock ends by itself."""
    with (
        running(postgres, tmp_path, request_timeout=5) as it,
        _load(it.url, 420) as load,
        client_of(it.url) as http,
        ThreadPoolExecutor(1) as threads,
    ):
        alice = Person("424", token_for("424"), http)
        task = alice.create("Unchanged")
        with postgres.locked(alice.id):
            slow = threads.submit(alice.put, f"/{task['id']}", json={"title": "Never"})
            eventually(lambda: postgres.waiting() == 1, "the write waits")
            it.service.end(signal.SIGKILL)
            load.end()
            assert isinstance(slow.exception(), httpx.HTTPError)
            eventually(lambda: postgres.connections() == 0, "the server has noticed")
    titles = _titles(postgres, load)
    assert len(titles) == len(set(titles)), "nothing was done twice"
    assert load.acknowledged <= set(titles), "nothing acknowledged is missing"
    assert postgres.run("SELECT title FROM tasks WHERE id = $1", task["id"])[0][0] == "Unchanged"
