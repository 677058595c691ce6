"""A NAT or firewall forgets connections: one request is slow, and none fails."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.people import Person
from support.postgres import Postgres, address_through
from support.proxy import FaultProxy
from support.waiting import PATIENT, eventually
from taskapi.database import executor, pool
from taskapi.database.url import DatabaseUrl

POOL_SIZE = 5
AZURE_SECONDS = 240
"""After which Azure's load balancer forgets a connection that was idle."""


@pytest.fixture
def database(proxy: FaultProxy, request: pytest.FixtureRequest) -> DatabaseUrl:
    """With a short time for the kernel, so that the tests need not wait for the usual one."""
    usual = address_through(proxy.port)
    return DatabaseUrl(f"{usual.dsn}&tcp_user_timeout=500", usual.pooler)


def _at_once(*calls: tuple[Person, str]) -> list[httpx.Response]:
    """Requests at the same time, so that each needs a connection of its own."""
    with ThreadPoolExecutor(len(calls)) as threads:
        futures = [
            threads.submit(person.get)
            if method == "GET"
            else threads.submit(person.post, json={"title": "Buy milk"})
            for person, method in calls
        ]
        return [future.result() for future in futures]


def _fill_the_pool(postgres: Postgres, alice: Person, bob: Person) -> None:
    """Have the service open every connection, as none comes free while all wait for one lock."""
    with postgres.session() as session, ThreadPoolExecutor(1) as threads:
        session.run("BEGIN")
        session.run("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
        answers = threads.submit(_at_once, *[(alice, "GET"), (bob, "GET")] * 10)
        eventually(lambda: postgres.waiting() == POOL_SIZE, "every connection is in use")
        session.run("COMMIT")
        assert {answer.status_code for answer in answers.result()} == {200}


def test_reads_on_forgotten_connections_succeed_on_new_ones(
    postgres: Postgres, proxy: FaultProxy, alice: Person, bob: Person
) -> None:
    _fill_the_pool(postgres, alice, bob)
    proxy.forget()
    answers = _at_once(*[(alice, "GET"), (bob, "GET")] * 6)
    assert {answer.status_code for answer in answers} == {200}


def test_writes_on_connections_forgotten_while_idle_succeed_on_new_ones(
    postgres: Postgres,
    proxy: FaultProxy,
    alice: Person,
    bob: Person,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A write that was sent could not be repeated, so the connection is asked first."""
    _fill_the_pool(postgres, alice, bob)
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 0.0)
    proxy.forget()
    answers = _at_once(*[(alice, "POST"), (bob, "POST")] * 6)
    assert {answer.status_code for answer in answers} == {201}
    assert alice.get().json()["total"] == 6


@pytest.mark.parametrize("limits", [PATIENT], ids=["patient"])
def test_an_idle_connection_to_a_silent_proxy_is_not_trusted_either(
    proxy: FaultProxy, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where a proxy's kernel acknowledges what nobody reads, only an answer shows it."""
    task = alice.create()
    monkeypatch.setattr(pool, "TRUSTED_SECONDS", 0.0)
    proxy.silent = True
    with ThreadPoolExecutor(1) as threads:
        taken = proxy.taken
        answer = threads.submit(alice.put, f"/{task['id']}", json={"title": "New"})
        eventually(lambda: proxy.taken > taken, "another is opened")
        proxy.silent = False
        assert answer.result().json()["title"] == "New"


def test_no_connection_is_idle_for_as_long_as_clouds_remember_one() -> None:
    assert pool.MAX_IDLE_SECONDS + executor.HOUSEKEEPING_SECONDS < AZURE_SECONDS


def test_while_the_database_is_away_one_request_asks_for_all(
    postgres: Postgres, proxy: FaultProxy, alice: Person, bob: Person
) -> None:
    """As Neon wakes up: a connection takes seconds, and the others wait for the first."""
    _fill_the_pool(postgres, alice, bob)
    proxy.silent = True
    postgres.terminate_connections()
    eventually(lambda: proxy.open <= 1, "the connections are gone")
    with ThreadPoolExecutor(10) as threads:
        answers = [threads.submit(person.get) for person in (alice, bob) * 5]
        eventually(lambda: _in_use(alice) == POOL_SIZE, "all slots are taken")
        assert proxy.open == 1
        proxy.silent = False
        assert {answer.result().status_code for answer in answers} == {200}


def _in_use(person: Person) -> int:
    text = person.http.get("/metrics").text
    [line] = [
        it for it in text.splitlines() if it.startswith("taskapi_database_connections_in_use")
    ]
    return int(float(line.split()[-1]))
