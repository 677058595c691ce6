"""The database is away: 503 in time, the rest goes on, and it ends by itself."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager

import httpx
import pytest

from support.people import Person, token_for
from support.postgres import Postgres, address_through
from support.proxy import FaultProxy
from support.service import client_of, serving, settings_for
from support.waiting import HASTY, eventually
from taskapi.database.url import DatabaseUrl


@pytest.fixture
def database(proxy: FaultProxy) -> DatabaseUrl:
    """Every outage is seen through the proxy; most of them happen behind it."""
    return address_through(proxy.port)


@pytest.fixture
def limits() -> dict[str, float]:
    """Some outages are noticed only when nothing has come for so long."""
    return HASTY


@contextmanager
def stopped(postgres: Postgres, _: FaultProxy) -> Iterator[None]:
    """Stopped by an operator: connections are refused."""
    postgres.stop()
    yield
    postgres.start()


@contextmanager
def killed(postgres: Postgres, _: FaultProxy) -> Iterator[None]:
    """Killed with all its processes."""
    postgres.kill()
    yield
    postgres.start()


@contextmanager
def frozen(postgres: Postgres, _: FaultProxy) -> Iterator[None]:
    """SIGSTOP: connections are accepted by the kernel, and nothing ever answers."""
    postgres.freeze()
    yield
    postgres.thaw()


@contextmanager
def packets_dropped(_: Postgres, proxy: FaultProxy) -> Iterator[None]:
    """What is sent never arrives, on old connections and on new ones."""
    proxy.silent = True
    yield
    proxy.silent = False


def refusing(sqlstate: str) -> Callable[[Postgres, FaultProxy], AbstractContextManager[None]]:
    """Every new connection is answered with this error, and there are no old ones."""

    @contextmanager
    def refused(postgres: Postgres, proxy: FaultProxy) -> Iterator[None]:
        proxy.refusals = [sqlstate] * 1000
        postgres.terminate_connections()
        yield
        proxy.refusals = []

    return refused


@contextmanager
def crowded(postgres: Postgres, _: FaultProxy) -> Iterator[None]:
    """Others hold every connection that `max_connections` allows: 53300."""
    postgres.terminate_connections()
    with postgres.crowded():
        yield


OUTAGES = {
    "stopped": stopped,
    "killed": killed,
    "frozen": frozen,
    "packets dropped": packets_dropped,
    "max_connections exhausted (53300)": crowded,
    "starting up (57P03)": refusing("57P03"),
    "waking up or over quota (XX000)": refusing("XX000"),
    "refused by a pooler (08P01)": refusing("08P01"),
    "password changed (28P01)": refusing("28P01"),
}


@pytest.mark.parametrize("outage", OUTAGES.values(), ids=OUTAGES.keys())
def test_an_outage_is_503_in_time_and_ends_by_itself(
    outage: Callable[[Postgres, FaultProxy], AbstractContextManager[None]],
    postgres: Postgres,
    proxy: FaultProxy,
    alice: Person,
    bob: Person,
) -> None:
    """FR-019: what needs no database goes on meanwhile."""
    task = alice.create("Buy milk")
    with outage(postgres, proxy), ThreadPoolExecutor(1) as probes:
        readiness = probes.submit(eventually, lambda: _ready(alice) == 503, "not ready")
        for answer in _all_operations(alice, task["id"]):
            _is_503(answer)
        _works_without_a_database(alice, bob)
        readiness.result()
    eventually(lambda: _ready(alice) == 200, "ready again")
    assert alice.get(f"/{task['id']}").json()["title"] == "Buy milk"
    alice.create("Buy bread")


def _all_operations(person: Person, task_id: object) -> list[httpx.Response]:
    """All six, as many at once as a user has turns: each may take as long as a request may."""
    calls: list[Callable[[], httpx.Response]] = [
        person.get,
        lambda: person.post(json={"title": "Never"}),
        lambda: person.get(f"/{task_id}"),
        lambda: person.put(f"/{task_id}", json={"title": "Never"}),
        lambda: person.patch(f"/{task_id}/complete"),
        lambda: person.delete(f"/{task_id}"),
    ]
    with ThreadPoolExecutor(4) as threads:
        return list(threads.map(lambda call: call(), calls))


def _ready(person: Person) -> int:
    return person.http.get("/readyz").status_code


def _is_503(answer: httpx.Response) -> None:
    assert answer.status_code == 503, answer.text
    assert int(answer.headers["Retry-After"]) >= 1
    # The last one: who waited for a connection while the others did not come back.
    assert answer.json()["code"] in {"database_unavailable", "timed_out", "overloaded"}


def _works_without_a_database(alice: Person, bob: Person) -> None:
    assert alice.http.get("/livez").status_code == 200
    assert alice.http.get(alice.tasks).status_code == 401
    assert alice.get(bob.tasks).status_code == 403
    assert alice.post(json={"title": ""}).status_code == 422


def test_an_outage_that_is_over_in_a_moment_is_not_noticed(
    postgres: Postgres, proxy: FaultProxy, alice: Person
) -> None:
    """Neon waking up: `XX000` at connect, twice, and then it is there; also for a write."""
    alice.create()
    postgres.terminate_connections()
    proxy.refusals = ["XX000", "57P03"]
    alice.create("Buy bread")
    assert proxy.refusals == []
    assert alice.get().json()["total"] == 2


def test_a_service_that_starts_before_its_database_serves_when_it_comes(
    postgres: Postgres, request: pytest.FixtureRequest
) -> None:
    """Frozen is the hardest: the start must not wait for it either."""
    postgres.freeze()
    alice: Person = request.getfixturevalue("alice")  # and with her the service
    _is_503(alice.get())
    postgres.thaw()
    eventually(lambda: alice.get().status_code == 200, "the list is served")


NOWHERE = {
    "nobody listens": "postgresql://taskapi@127.0.0.1:1/postgres",
    "no such socket": "postgresql://taskapi@/postgres?host=/nowhere",
    "no such name (DNS)": "postgresql://taskapi@database.invalid/postgres",
}


@pytest.mark.parametrize("url", NOWHERE.values(), ids=NOWHERE.keys())
def test_a_database_that_is_nowhere_is_503(url: str) -> None:
    """What is raised is `ConnectionRefusedError` or `gaierror`, and no class of asyncpg's."""
    with (
        serving(settings_for(DatabaseUrl(url), **HASTY)) as service,
        client_of(service) as http,
    ):
        _is_503(Person("1", token_for("1"), http).get())
        assert http.get("/readyz").status_code == 503
        assert http.get("/livez").status_code == 200
