"""A write with an `Idempotency-Key` is safe to repeat, whichever answer of the database is lost.

Without a key such a write is 503, and never done twice: test_connections holds that.
"""

import asyncio
from collections.abc import Callable, Iterator

import httpx
import pytest

from support.background import Background
from support.batches import batch, create, idempotent, statuses
from support.calls import REPEATABLE
from support.files import exported, imported, send, titles
from support.people import Person
from support.postgres import Postgres, address_through
from support.proxy import FaultProxy
from support.retries import BATCH, Write, assert_same, assert_took_effect_once
from taskapi.database.url import DatabaseUrl

STEPS_OF_A_BATCH = {
    "begin": b"BEGIN",
    "claim the key": b"a-key",
    "create": b"Buy tea",
    "complete": b"Buy milk",
    "keep the answer": b"a-key",
    "commit": b"COMMIT",
}
"""And what is in the server's answer to each."""


class CuttingProxy(FaultProxy):
    """A network that lets some answers through before it cuts.

    Attributes:
        spared: how many.
        lost: the first answer that it did not let through.
    """

    spared = 0
    lost = b""

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.cuts and not self.spared:
                self.cuts -= 1
                self.lost = data
                return
            self.spared = max(self.spared - 1, 0)
            writer.write(data)


@pytest.fixture
def proxy(background: Background, postgres: Postgres) -> Iterator[CuttingProxy]:
    with CuttingProxy(background, postgres.sockets / ".s.PGSQL.5432").running() as proxy:
        yield proxy  # type: ignore[misc]  # `running` gives the proxy itself


@pytest.fixture
def database(proxy: CuttingProxy) -> DatabaseUrl:
    return address_through(proxy.port)


@pytest.fixture
def known(alice: Person, bob: Person) -> Callable[[str], Write]:
    """Makes a write of Alice's whose statements are prepared, by one of Bob's.

    So each answer of the server's is to a step of its own, and none to a preparation.
    """

    def write(operation: str) -> Write:
        own = Write(alice, operation, alice.create()["id"])
        assert Write(bob, operation, bob.create()["id"])().is_success
        return own

    return write


@pytest.mark.parametrize("operation", REPEATABLE)
def test_a_write_with_a_key_takes_effect_once_though_its_answer_is_lost(
    proxy: CuttingProxy, alice: Person, known: Callable[[str], Write], operation: str
) -> None:
    write = known(operation)
    proxy.cuts = 1
    first = write()
    assert proxy.lost
    assert first.is_success
    assert_same(write(), first)
    assert_took_effect_once(write, alice.get().json()["tasks"])


@pytest.mark.parametrize("step", STEPS_OF_A_BATCH)
def test_a_batch_with_a_key_takes_effect_once_whichever_of_its_answers_is_lost(
    proxy: CuttingProxy, alice: Person, known: Callable[[str], Write], step: str
) -> None:
    write = known(BATCH)
    proxy.spared, proxy.cuts = list(STEPS_OF_A_BATCH).index(step), 1
    first = write()
    assert STEPS_OF_A_BATCH[step] in proxy.lost
    assert first.is_success
    # Only a commit has taken effect when its answer is lost.
    assert ("Idempotency-Replayed" in first.headers) is (step == "commit")
    assert_same(write(), first)
    assert_took_effect_once(write, alice.get().json()["tasks"])


@pytest.mark.parametrize("spared", range(9))
def test_each_operation_takes_effect_once_whichever_answer_is_lost(
    proxy: CuttingProxy, alice: Person, bob: Person, spared: int
) -> None:
    """Of a batch that is not atomic: its claim, then begin, write, outcome, commit, and so on."""
    operations = {
        person.id: [create(), {"op": "complete", "id": person.create()["id"]}]
        for person in (alice, bob)
    }

    def send(person: Person) -> httpx.Response:
        return batch(person, *operations[person.id], atomic=False, **idempotent("a-key"))

    assert send(bob).is_success  # prepares the statements
    proxy.spared, proxy.cuts = spared, 1
    first = send(alice)
    assert proxy.lost
    assert first.is_success or (spared, first.status_code) == (0, 503)
    again = send(alice)
    assert statuses(again.json()["results"]) == [201, 200]
    tasks = alice.get().json()["tasks"]
    assert [task["is_completed"] for task in tasks] == [False, True]


@pytest.mark.parametrize("atomic", [True, False])
def test_a_create_with_a_key_of_its_own_is_done_once_though_its_answer_is_lost(
    proxy: CuttingProxy, alice: Person, bob: Person, atomic: bool
) -> None:
    for person in (bob, alice):
        person.create()
        if person is alice:
            proxy.spared, proxy.cuts = (2 if atomic else 0), 1
        response = batch(person, create("c-1"), atomic=atomic)
    assert proxy.lost
    if atomic:  # without an Idempotency-Key, whose commit was lost
        assert response.status_code == 503
        response = batch(alice, create("c-1"))
    assert statuses(response.json()["results"]) == [200]
    assert alice.get().json()["total"] == 2


def test_an_import_takes_effect_once_whichever_of_its_answers_is_lost(
    proxy: CuttingProxy, alice: Person
) -> None:
    """That of the commit, too: the second execution finds what the first one has created."""
    imported(alice, titles("Prepared"))
    lost: list[bytes] = []
    made = ["Prepared"]
    while not any(b"COMMIT" in answer for answer in lost):
        proxy.lost = b""
        proxy.spared, proxy.cuts = len(lost), 1
        names = [f"{len(lost)} {number}" for number in range(3)]
        assert send(alice, titles(*names)).status_code == 200
        assert proxy.lost, "an answer to each step was lost, and none to the commit"
        lost.append(proxy.lost)
        made += names
        assert [task["title"] for task in exported(alice).tasks] == made
    assert b"BEGIN" in lost[0]
