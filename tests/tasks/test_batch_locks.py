"""No two batches deadlock, whatever they do and whatever else is done meanwhile."""

import random
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.batches import batch, create, idempotent
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.service import client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl

Json = dict[str, Any]

WRITERS = 8
REQUESTS = 400

DEADLOCKS = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"


@pytest.fixture
def own(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database whose deadlocks are counted."""
    with own_database(database) as own:
        prepare(own.address)
        yield own


class Chance:
    """Requests that nobody chose, about a few tasks and a few keys."""

    def __init__(self, person: Person, ids: list[int], seed: int) -> None:
        self.person = person
        self.ids = ids
        self.random = random.Random(seed)  # noqa: S311 - no secret

    def send(self) -> httpx.Response:
        """A batch of some kind or, one time in four, a single write."""
        if self.random.random() < 0.25:
            return self.single()
        operations = [self.operation() for _ in range(self.random.randint(2, 8))]
        options = (
            idempotent(f"k{self.random.randrange(10**9)}") if self.random.random() < 0.5 else {}
        )
        return batch(self.person, *operations, atomic=self.random.random() < 0.6, **options)

    def single(self) -> httpx.Response:
        path = f"/{self.random.choice(self.ids)}"
        if self.random.random() < 0.3:
            return self.person.post(json={"title": "x"}, **idempotent(self.key()))
        return self.person.patch(f"{path}/complete")

    def key(self) -> str:
        return f"c-{self.random.randrange(12)}"

    def operation(self) -> Json:
        if self.random.random() < 0.3:
            return create(self.key() if self.random.random() < 0.7 else None)
        name: Json = {"id": self.random.choice(self.ids)}
        if self.random.random() < 0.2:
            name = {"key": self.key()}
        return name | {"op": self.random.choice(["complete", "update"])}


def test_batches_and_single_writes_of_all_kinds_never_deadlock(own: OwnDatabase) -> None:
    settings = settings_for(own.address, user_concurrency=WRITERS, database_pool_size=WRITERS + 1)
    with client_for(settings) as client:
        alice = Person("1", token_for("1"), client)
        ids = [int(str(alice.create()["id"])) for _ in range(6)]
        chances = [Chance(alice, ids, seed) for seed in range(REQUESTS)]
        with ThreadPoolExecutor(WRITERS) as threads:
            told = {each.status_code for each in threads.map(Chance.send, chances)}
        keyed = own.run("SELECT count(*), count(DISTINCT key) FROM task_keys")[0]
    assert told <= {200, 201, 404, 410}
    assert 200 in told
    assert keyed["count"] == 12
    # All connections are closed by now, so that their counts have arrived.
    assert own.run(DEADLOCKS)[0]["deadlocks"] == 0
