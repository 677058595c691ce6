"""Writers and readers at two services at once: at the end every copy is exactly what there is."""

import json
import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from support.feed import Copy, events_of, everything
from support.people import SECRET, Person
from support.pgbouncer import PgBouncer
from support.postgres import Postgres
from support.programs import ADDRESS, READY, started
from support.service import client_of
from support.waiting import PATIENCE
from taskapi.database.url import DatabaseUrl

WRITES = 60
"""Of each writer."""

Services = list[Person]
"""The same person at several services."""


@contextmanager
def two_services(database: DatabaseUrl, person: Person, folder: Path) -> Iterator[Services]:
    """Two processes on one database, and the person at each of them."""
    settings = {
        "DATABASE_URL": database.dsn,
        "BETTER_AUTH_SECRET": SECRET,
        "CREATE_UNKNOWN_USERS": "true",
        "API_HOST": "127.0.0.1",
        "DATABASE_POOL_SIZE": 5,
    }
    with ExitStack() as running:
        command = ("taskapi", "serve", "--port", 0)
        services = [
            running.enter_context(started(*command, folder=folder, settings=settings))
            for _ in range(2)
        ]
        urls = [service.wait_for(ADDRESS)["url"] for service in services]
        for service in services:
            service.wait_for(READY)
        clients = [running.enter_context(client_of(url)) for url in urls]
        yield [Person(person.id, person.token, client) for client in clients]


class Writer:
    """Changes tasks at random, one by one and in batches. What fails is passed over."""

    def __init__(self, services: Services, seed: int, known: list[int]) -> None:
        self._services = services
        self._random = random.Random(seed)  # noqa: S311 - a race, no secret
        self._known = known

    def run(self) -> None:
        for _ in range(WRITES):
            write = self._random.choice([self._create, self._batch, self._change, self._delete])
            write(self._random.choice(self._services))

    def _create(self, person: Person) -> None:
        response = person.post(json={"title": self._word()})
        if response.is_success:
            self._known.append(response.json()["id"])

    def _batch(self, person: Person) -> None:
        operations: list[dict[str, object]] = [
            {"op": "create", "title": self._word()},
            {"op": "update", "id": self._some(), "title": self._word()},
            {"op": "complete", "id": self._some()},
            {"op": "create", "title": self._word()},
        ]
        self._random.shuffle(operations)
        response = person.post("/batch", json={"operations": operations})
        if response.is_success:
            tasks = [result["task"] for result in response.json()["results"]]
            self._known.extend(task["id"] for task in tasks)

    def _change(self, person: Person) -> None:
        person.patch(f"/{self._some()}", json={"title": self._word()})

    def _delete(self, person: Person) -> None:
        person.delete(f"/{self._some()}")

    def _some(self) -> int:
        return self._random.choice(self._known)

    def _word(self) -> str:
        return f"{self._random.getrandbits(32):x}"


class Reader(threading.Thread):
    """Keeps a copy in step until it has the task with a given title.

    Attributes:
        copy: of the tasks.
        read: how it reads: applies what comes next at a service.
    """

    def __init__(self, services: Services, seed: int, read: Callable[..., None]) -> None:
        super().__init__(daemon=True)
        self.copy = Copy()
        self.error: Exception | None = None
        self._services = services
        self._random = random.Random(seed)  # noqa: S311 - a race, no secret
        self._read = read

    def run(self) -> None:
        try:
            while not any(task["title"] == "the last one" for task in self.copy.tasks.values()):
                self._read(self._random.choice(self._services), self.copy, self._random)
        except Exception as error:  # noqa: BLE001 - the test raises it
            self.error = error


def read_pages(person: Person, copy: Copy, chance: random.Random) -> None:
    params = {"limit": chance.randint(1, 5)} | ({"since": copy.since} if copy.since else {})
    apply(person.get("/changes", params=params), copy)


def wait(person: Person, copy: Copy, chance: random.Random) -> None:
    params = {"since": copy.since} if copy.since else {}
    headers = {"Prefer": f"wait={chance.randint(1, 5)}"}
    apply(person.get("/changes", params=params, headers=headers), copy)


def listen(person: Person, copy: Copy, chance: random.Random) -> None:
    """Up to some byte, wherever that is; then with the last id at perhaps the other service."""
    headers = {"Authorization": f"Bearer {person.token}"}
    if copy.since:
        headers["Last-Event-ID"] = copy.since
    url = f"{person.tasks}/events"
    with person.http.stream("GET", url, headers=headers) as response:
        if response.status_code != 200:
            assert response.status_code == 503, response.read()
            return
        for number, event in enumerate(events_of(response)):
            if event.name == "changes":
                copy.apply(event.page)
                if "the last one" in event.data:
                    return
            elif event.name == "ready":
                read_pages(person, copy, chance)  # all that there was before
                return
            if chance.random() < 0.2 or number > 20:
                return


def apply(response: httpx.Response, copy: Copy) -> None:
    if response.status_code == 200:
        copy.apply(response.json())
    else:
        assert response.status_code == 503, response.text


def race(services: Services, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Have writers and readers run, and compare."""
    known = [int(str(person.create()["id"])) for person in services for _ in range(5)]
    readers = [
        Reader(services, seed, read)
        for seed, read in enumerate([read_pages, wait, listen, listen, wait])
    ]
    for reader in readers:
        reader.start()
    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(Writer(services, seed, known).run) for seed in range(4)]
        meanwhile()
        for writer in writers:
            writer.result()
    services[0].create("the last one")
    there_is = json.dumps(everything(services[1]), sort_keys=True)
    for reader in readers:
        reader.join(PATIENCE)
        assert not reader.is_alive(), "it never came to the end"
        assert reader.error is None
        assert json.dumps(reader.copy.tasks, sort_keys=True) == there_is


def test_every_reader_has_exactly_what_there_is(
    database: DatabaseUrl, alice: Person, tmp_path: Path
) -> None:
    with two_services(database, alice, tmp_path) as services:
        race(services)


def test_every_reader_does_so_through_a_pooler(
    postgres: Postgres, alice: Person, tmp_path: Path
) -> None:
    with (
        PgBouncer(postgres) as pgbouncer,
        two_services(pgbouncer.address(), alice, tmp_path) as services,
    ):
        race(services)


def test_every_reader_does_so_through_a_restart_of_the_database(
    postgres: Postgres, alice: Person, tmp_path: Path
) -> None:
    def restart() -> None:
        for _ in range(2):
            postgres.kill()
            postgres.start()

    with two_services(postgres.address, alice, tmp_path) as services:
        race(services, restart)
