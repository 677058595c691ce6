"""Connections are killed, cut, wanted by too many, and abandoned by those they served."""

import itertools
import socket
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from urllib.parse import urlsplit

import pytest

from support.people import Person, token_for
from support.postgres import Postgres, address_through
from support.proxy import FaultProxy
from support.service import client_of, serving, settings_for
from support.waiting import HASTY, PATIENT, eventually
from taskapi.database.url import DatabaseUrl

POOL_SIZE = 5
hasty = pytest.mark.parametrize("limits", [HASTY], ids=["hasty"])
WAITING_PER_CONNECTION = 50


@pytest.fixture
def database(proxy: FaultProxy) -> DatabaseUrl:
    """The network between the two can be told to misbehave."""
    return address_through(proxy.port)


def test_the_next_requests_succeed_after_pooled_connections_were_killed(
    postgres: Postgres, alice: Person, bob: Person
) -> None:
    _use_every_connection(alice, bob)
    postgres.terminate_connections()
    alice.create("The first is a write")
    postgres.terminate_connections()
    assert alice.get().json()["total"] == 1


def test_a_read_whose_connection_is_lost_is_repeated(proxy: FaultProxy, alice: Person) -> None:
    """The cut comes when the answer is on its way; the repetition gets it whole."""
    task = alice.create()
    with _answers_are_cut(proxy, times=1):
        assert alice.get(f"/{task['id']}").json() == task


def test_a_write_whose_connection_is_lost_is_503_and_never_done_twice(
    proxy: FaultProxy, alice: Person
) -> None:
    """It took effect, and the service cannot know: the client must look before it tries again."""
    task = alice.create("Toggle me")
    toggle = f"/{task['id']}/complete"
    assert alice.patch(toggle).json()["is_completed"] is True  # and the statement is prepared
    with _answers_are_cut(proxy, times=1):
        answer = alice.patch(toggle)
    assert answer.status_code == 503
    assert answer.json()["code"] == "database_unavailable"
    assert alice.get(f"/{task['id']}").json()["is_completed"] is False


def test_a_write_with_an_idempotency_key_survives_the_loss_of_its_connection(
    proxy: FaultProxy, alice: Person
) -> None:
    alice.post(json={"title": "First"}, headers={"Idempotency-Key": "one"})
    with _answers_are_cut(proxy, times=1):
        answer = alice.post(json={"title": "Second"}, headers={"Idempotency-Key": "two"})
    assert answer.status_code == 201
    assert [task["title"] for task in alice.get().json()["tasks"]] == ["Second", "First"]


@contextmanager
def _answers_are_cut(proxy: FaultProxy, times: int) -> Iterator[None]:
    """The server gets the next statements, and its answers to them are lost with the connection."""
    proxy.cuts = times
    yield
    assert proxy.cuts == 0, "nothing was cut"


def test_requests_beyond_those_that_may_wait_are_refused_at_once(postgres: Postgres) -> None:
    """Early, while the others still wait, and these are then served."""
    beyond, crowd = 20, WAITING_PER_CONNECTION + 20
    with (
        serving(settings_for(postgres.address, **PATIENT, database_pool_size=1)) as service,
        client_of(service) as http,
        ThreadPoolExecutor(1 + crowd) as threads,
    ):
        someone, *others = (Person(str(n), token_for(str(n)), http) for n in range(7, 8 + crowd))
        task = someone.create()
        with postgres.locked(someone.id):
            first = threads.submit(someone.put, f"/{task['id']}", json={"title": "Late"})
            eventually(lambda: postgres.waiting() == 1, "the connection is in use")
            calls = [threads.submit(other.get, "?limit=1") for other in others]
            eventually(lambda: sum(call.done() for call in calls) == beyond, "some are refused")
            refused = [call.result() for call in calls if call.done()]
        answers = Counter(call.result().status_code for call in calls)
        assert first.result().status_code == 200
    assert {answer.json()["code"] for answer in refused} == {"overloaded"}
    assert {answer.headers["Retry-After"] for answer in refused} == {"1"}
    assert answers == {503: beyond, 200: crowd - beyond}


@pytest.mark.parametrize("limits", [PATIENT | {"database_connect_timeout": 1.5}], ids=["short"])
def test_requests_do_not_wait_for_a_connection_for_long(
    postgres: Postgres, someone: Callable[[], Person]
) -> None:
    """Those that have one go on, those that have none end."""
    people = [someone() for _ in range(2 * POOL_SIZE)]
    tasks = [person.create() for person in people]
    with ThreadPoolExecutor(2 * POOL_SIZE) as threads:
        with ExitStack() as locks:
            for person in people:
                locks.enter_context(postgres.locked(person.id))
            calls = [
                threads.submit(person.put, f"/{task['id']}", json={"title": "Late"})
                for person, task in zip(people, tasks, strict=True)
            ]
            eventually(lambda: sum(call.done() for call in calls) == POOL_SIZE, "half have ended")
            ended = [call.result() for call in calls if call.done()]
        answers = Counter(call.result().status_code for call in calls)
    assert {answer.json()["code"] for answer in ended} == {"overloaded"}
    assert answers == {503: POOL_SIZE, 200: POOL_SIZE}
    _use_every_connection(*people)


def test_clients_that_hang_up_leave_nothing_running(
    postgres: Postgres, alice: Person, bob: Person
) -> None:
    """100 of them, each in the middle of a statement, or waiting for a connection or a turn."""
    tasks = [(person, person.create()) for person in (alice, bob)]
    with postgres.locked(alice.id), postgres.locked(bob.id):
        with ExitStack() as phones:
            for person, task in tasks * 50:
                phones.enter_context(_call(person, f"/{task['id']}"))
            eventually(lambda: postgres.waiting() == POOL_SIZE, "every connection is in use")
        eventually(lambda: postgres.waiting() == 0, "every statement was cancelled")
        assert alice.get().status_code == 200, "connections are free while the lock is still held"
        assert 'status="499"' in alice.http.get("/metrics").text
    _use_every_connection(alice, bob)


@contextmanager
def _call(person: Person, path: str) -> Iterator[None]:
    """Send a request, and hang up at the end without having heard an answer."""
    place = urlsplit(str(person.http.base_url))
    body = b'{"title": "Never"}'
    head = (
        f"PUT {person.tasks}{path} HTTP/1.1\r\nHost: test\r\n"
        f"Authorization: Bearer {person.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((place.hostname, place.port)) as line:
        line.sendall(head.encode() + body)
        yield


@hasty
def test_a_request_that_is_given_up_is_ended_in_the_database_too(
    postgres: Postgres, alice: Person
) -> None:
    """The lock outlives the request; the statement that waits for it does not."""
    task = alice.create("Unchanged")
    with postgres.locked(alice.id):
        answer = alice.put(f"/{task['id']}", json={"title": "Late"})
        assert (answer.status_code, answer.json()["code"]) == (503, "timed_out")
        eventually(lambda: postgres.waiting() == 0, "the statement was cancelled")
    assert alice.get(f"/{task['id']}").json()["title"] == "Unchanged"


@hasty
def test_a_statement_that_nobody_can_cancel_is_ended_by_the_server(
    postgres: Postgres, proxy: FaultProxy, alice: Person
) -> None:
    """The network is cut between the two while a statement waits for a lock."""
    task = alice.create("Unchanged")
    with postgres.locked(alice.id), ThreadPoolExecutor(1) as threads:
        answer = threads.submit(alice.put, f"/{task['id']}", json={"title": "Late"})
        eventually(lambda: postgres.waiting() == 1, "the statement waits")
        proxy.silent = True
        assert answer.result().status_code == 503
        eventually(lambda: postgres.waiting() == 0, "the server has given it up")
    proxy.silent = False
    eventually(lambda: alice.get(f"/{task['id']}").json()["title"] == "Unchanged", "it is there")


def test_there_are_never_more_connections_than_allowed(
    postgres: Postgres, alice: Person, bob: Person
) -> None:
    """Also while abandoned ones are being ended and others are wanted."""
    tasks = [(person, person.create()) for person in (alice, bob)]
    most = 0
    over = threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.is_set():
            most = max(most, postgres.connections())

    with ThreadPoolExecutor(1) as watcher:
        watching = watcher.submit(watch)
        for _ in range(3):
            with postgres.locked(alice.id), postgres.locked(bob.id), ExitStack() as phones:
                for person, task in tasks * 10:
                    phones.enter_context(_call(person, f"/{task['id']}"))
                eventually(lambda: postgres.waiting() > 0, "statements wait")
            _use_every_connection(alice, bob)
        over.set()
        watching.result()
    assert most == POOL_SIZE


def test_a_service_that_is_stopped_does_not_wait_for_a_frozen_server(postgres: Postgres) -> None:
    """Stopping ends the thread that serves: the end of this test is the proof."""
    with serving(settings_for(postgres.address, **HASTY)) as service:
        with client_of(service) as http:
            Person("1", token_for("1"), http).create()
        postgres.freeze()


def _use_every_connection(*people: Person) -> None:
    """Show that none has leaked: as many requests as the pool has connections, at the same time.

    By several people, because nobody gets all connections alone.
    """
    everybody = itertools.islice(itertools.cycle(people), 10 * POOL_SIZE)
    with ThreadPoolExecutor(4 * POOL_SIZE) as threads:
        answers = list(threads.map(Person.get, everybody))
    assert {answer.status_code for answer in answers} == {200}
