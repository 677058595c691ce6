"""A failover: another server takes over, and the old one still has connections of the service."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from support.people import Person, token_for
from support.postgres import OURS, Postgres
from support.replicas import Replicas, replicas
from support.rows import execute, held, wait_for_waiters
from support.service import client_of, prepare, serving, settings_for
from support.waiting import PATIENT, eventually
from taskapi.database.url import DatabaseUrl

POOL_SIZE = 20


@pytest.fixture
def pair() -> Iterator[Replicas]:
    with replicas() as pair:
        prepare(pair.url(pair.primary))
        yield pair


def _connections(url: DatabaseUrl) -> int:
    rows = execute(url, f"SELECT count(*) AS n FROM pg_stat_activity WHERE {OURS}")  # noqa: S608 - a constant
    count: int = rows[0]["n"]
    return count


def _creates(people: list[Person], title: str) -> Counter[int]:
    """One create by each, all at once."""

    def create(person: Person) -> httpx.Response:
        return person.post(json={"title": title})

    with ThreadPoolExecutor(len(people)) as threads:
        return Counter(answer.status_code for answer in threads.map(create, people))


def test_writes_go_on_when_another_server_has_taken_over(pair: Replicas) -> None:
    """25006 on 20 open connections: every write succeeds on the new primary, and once."""
    url = pair.url(pair.primary, pair.standby, target_session_attrs="read-write")
    old = pair.url(pair.primary)
    settings = settings_for(url, **PATIENT, database_pool_size=POOL_SIZE)
    with serving(settings) as service, client_of(service) as http:
        people = [Person(str(n), token_for(str(n)), http) for n in range(1, 2 * POOL_SIZE + 1)]
        with ThreadPoolExecutor(1) as threads:
            # While they wait for one lock, no connection comes free that the next could take.
            with held(old, "LOCK TABLE tasks IN SHARE ROW EXCLUSIVE MODE") as holder:
                before = threads.submit(_creates, people, "Before")
                wait_for_waiters(old, holder, POOL_SIZE)
            assert before.result() == {201: 2 * POOL_SIZE}
        assert _connections(old) == POOL_SIZE
        pair.promote()
        pair.refuse_writes()
        assert _creates(people, "After") == {201: 2 * POOL_SIZE}
        eventually(lambda: _connections(old) == 0, "none leads to the old one")
        for person in people:
            titles = [task["title"] for task in person.get().json()["tasks"]]
            assert titles.count("After") == 1


def test_a_server_that_stays_read_only_serves_reads_and_later_writes(
    pair: Replicas,
) -> None:
    old = pair.url(pair.primary)
    with serving(settings_for(old, **PATIENT)) as service, client_of(service) as http:
        alice = Person("1", token_for("1"), http)
        task = alice.create()
        pair.refuse_writes()
        answers = Counter(alice.post(json={"title": "No"}).status_code for _ in range(20))
        assert answers == {503: 20}
        assert alice.get(f"/{task['id']}").json() == task
        pair.accept_writes()
        eventually(lambda: alice.post(json={"title": "Yes"}).status_code == 201, "writes go on")


def test_a_write_on_a_server_that_shuts_down_is_repeated(postgres: Postgres, alice: Person) -> None:
    """57P01 in the middle of a statement rolls it back, so a second execution is the first."""
    task = alice.create("Toggle me")
    with postgres.locked(alice.id) as session, ThreadPoolExecutor(1) as threads:
        answer = threads.submit(alice.patch, f"/{task['id']}/complete")
        eventually(lambda: postgres.waiting() == 1, "the write waits")
        postgres.run(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {OURS}")  # noqa: S608 - a constant
        eventually(lambda: postgres.waiting() == 1, "it waits again")
        session.run("COMMIT")
        assert answer.result().json()["is_completed"] is True
    assert alice.get(f"/{task['id']}").json()["is_completed"] is True
