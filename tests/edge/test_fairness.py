"""One user slows down only themselves, on the real service."""

import asyncio
import select
import threading
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from fastapi import Request
from starlette.responses import StreamingResponse

from support.calls import CALLS, at_once, call
from support.garbage import is_held
from support.metrics import figures, value
from support.people import Person
from support.rows import held, wait_for_waiters
from support.service import client_for, client_of, serving_app, settings_for
from support.waiting import PATIENCE, PATIENT, eventually
from support.wire import Wire, connected, connection_to
from taskapi.app import create_app
from taskapi.database.url import DatabaseUrl
from taskapi.edge.body import raw_stream
from taskapi.edge.fairness import turn_of
from taskapi.edge.router import Router
from taskapi.scopes import READ

LOCK = "SELECT FROM tasks WHERE user_id = $1 FOR UPDATE"

TURNS = 2

TYPE = "https://iana.org/assignments/http-problem-types#quota-exceeded"


@pytest.fixture(scope="session")
def fair(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service where a user has two turns, and waits for as long as it takes."""
    with client_for(settings_for(database, **PATIENT, user_concurrency=TURNS)) as client:
        yield client


@pytest.fixture(scope="session")
def rated(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with a small rate."""
    with client_for(settings_for(database, user_rate=20)) as client:
        yield client


def at(person: Person, http: httpx.Client) -> Person:
    """The same person, at another service."""
    return Person(person.id, person.token, http)


def waiting(http: httpx.Client) -> float:
    return value(figures(http), "taskapi_turns_waiting")


def limited(http: httpx.Client, reason: str) -> float:
    return value(figures(http), "taskapi_limited_total", reason=reason)


@contextmanager
def busy(person: Person, database: DatabaseUrl, turns: int = TURNS) -> Iterator[list[Future[int]]]:
    """All turns of this person are taken, by writes that wait for a lock; gives the writes."""
    task = person.create()

    def write() -> int:
        return person.put(f"/{task['id']}", json={"title": "Late"}).status_code

    with ExitStack() as stack:
        threads = stack.enter_context(ThreadPoolExecutor(turns))
        holder = stack.enter_context(held(database, LOCK, int(person.id)))
        writes = [threads.submit(write) for _ in range(turns)]
        wait_for_waiters(database, holder, turns)
        yield writes


# --- Turns ---


def test_a_hundred_clients_with_one_token_get_no_error(alice: Person, service: str) -> None:
    """SC-007: a hundred connections, all at once, and as many again."""
    limits = httpx.Limits(max_connections=100)
    with httpx.Client(base_url=service, limits=limits, timeout=60) as http:
        alice = at(alice, http)
        start = threading.Barrier(100)

        def create_and_list() -> httpx.Response:
            start.wait()
            alice.create()
            return alice.get("?limit=10")

        answers = at_once([create_and_list] * 100)
        assert Counter(answer.status_code for answer in answers) == {200: 100}
        assert alice.get().json()["total"] == 100


def test_who_has_taken_all_turns_waits_and_others_do_not(
    fair: httpx.Client, alice: Person, bob: Person, database: DatabaseUrl
) -> None:
    alice, bob = at(alice, fair), at(bob, fair)
    with ThreadPoolExecutor(20) as threads:
        with busy(alice, database) as writes:
            reads = [threads.submit(alice.get) for _ in range(20)]
            eventually(lambda: waiting(fair) == 20, "the reads wait")
            bob.create()
            assert bob.get().json()["total"] == 1
            assert not any(read.done() for read in reads)
            assert not any(write.done() for write in writes)
        assert {read.result().status_code for read in reads} == {200}
        assert {write.result() for write in writes} == {200}
    assert waiting(fair) == 0


def test_what_is_refused_needs_no_turn(
    fair: httpx.Client, alice: Person, bob: Person, database: DatabaseUrl
) -> None:
    alice = at(alice, fair)
    refused: list[tuple[int, Callable[[], httpx.Response]]] = [
        (422, lambda: alice.post(json={"title": ""})),
        (422, lambda: alice.get("?colour=blue")),
        (415, lambda: alice.post(content=b"x")),
        (413, lambda: alice.post(content=b"x" * 200_000)),
        (403, lambda: alice.get(f"/api/{bob.id}/tasks")),
        (404, lambda: alice.get("/nothing/here")),
        (405, lambda: alice.request("PUT")),
        (401, lambda: fair.get(alice.tasks)),
    ]
    with busy(alice, database):
        for status, ask in refused:
            assert ask().status_code == status


def test_a_body_that_arrives_slowly_holds_no_turn(fair: httpx.Client, alice: Person) -> None:
    alice = at(alice, fair)
    body = b'{"title": "Slow"}'
    head = (
        f"POST {alice.tasks} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode()
    with ExitStack() as stack:
        slow = [stack.enter_context(connected(fair)) for _ in range(TURNS + 1)]
        for each in slow:
            each.send(head, body[:5])
        alice.create()  # answered, though more than all turns would be taken
        for each in slow:
            each.send(body[5:])
            assert each.answer().status == 201


def test_a_client_that_leaves_leaves_the_queue(
    fair: httpx.Client, alice: Person, database: DatabaseUrl
) -> None:
    alice = at(alice, fair)
    head = f"GET {alice.tasks} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n\r\n"
    with busy(alice, database):
        with ExitStack() as stack:
            for _ in range(10):
                stack.enter_context(connected(fair)).send(head.encode())
            eventually(lambda: waiting(fair) == 10, "they wait")
        eventually(lambda: waiting(fair) == 0, "they have left")
    assert alice.get().status_code == 200


def test_who_waits_too_long_is_429(alice: Person, bob: Person, database: DatabaseUrl) -> None:
    short = PATIENT | {"database_connect_timeout": 0.5, "user_concurrency": TURNS}
    problem = {"Accept": "application/problem+json"}
    with client_for(settings_for(database, **short)) as http:
        alice, bob = at(alice, http), at(bob, http)
        with busy(alice, database):
            before = limited(http, "timed_out")
            refused = alice.get(headers=problem)
            assert bob.get().status_code == 200
            assert limited(http, "timed_out") - before == 1
    assert (refused.status_code, refused.json()["code"]) == (429, "concurrency_limited")
    assert refused.json()["type"] == TYPE
    assert refused.json()["violated-policies"] == ["concurrency"]
    assert refused.headers["Retry-After"] == "1"
    assert refused.headers["RateLimit-Policy"] == '"concurrency";q=2;qu="concurrent-requests"'
    assert refused.headers["RateLimit"] == '"concurrency";r=0;t=1'


def test_while_a_request_waits_members_that_are_ignored_are_not_held(
    alice: Person, database: DatabaseUrl
) -> None:
    """128 kB of empty objects take 3 MB of memory, and 200 requests of a user may wait."""
    task, mark = alice.create(), "held beside a title"
    body = f'{{"title": "Late", "junk": ["{mark}", {{}}]}}'.encode()
    headers = {"Content-Type": "application/json"}
    with ThreadPoolExecutor(1) as threads:
        with held(database, LOCK, int(alice.id)) as holder:
            answer = threads.submit(alice.put, f"/{task['id']}", content=body, headers=headers)
            wait_for_waiters(database, holder)
            assert not is_held(mark)
        assert answer.result().status_code == 200


def test_one_user_never_has_all_connections_of_a_worker(database: DatabaseUrl) -> None:
    for pool, workers, turns in ((20, 1, 4), (5, 1, 4), (4, 1, 3), (2, 1, 1), (1, 1, 1), (8, 4, 1)):
        changed = {"database_pool_size": pool, "workers": workers}
        assert settings_for(database, **changed).user_turns == turns


router = Router("/api/{user_id}", requires=READ)


@router.get("/waits", takes_turn=False, deadline=PATIENCE)
async def waits() -> dict[str, str]:
    await asyncio.sleep(PATIENCE)
    return {}


@router.get("/streams", streams=True)
async def streams() -> StreamingResponse:
    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(PATIENCE)

    return StreamingResponse(parts())


@router.post("/uploads", reads=raw_stream)
async def uploads(request: Request) -> dict[str, int]:
    size = sum([len(part) async for part in request.stream()])
    async with turn_of(request.scope):
        return {"size": size}


@pytest.fixture(scope="session")
def slow(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with one turn for each user, and the routes above."""
    app = create_app(settings_for(database, **PATIENT, user_concurrency=1))
    app.router.routes.extend(router.routes)
    with serving_app(app) as url, client_of(url) as client:
        yield client


@pytest.mark.parametrize(
    ("line", "rest"),
    [
        ("GET /api/{}/waits", ""),
        ("GET /api/{}/streams", ""),
        ("POST /api/{}/uploads", "Content-Length: 1000\r\n"),
    ],
)
def test_routes_that_wait_or_stream_take_no_turn(
    line: str, rest: str, slow: httpx.Client, alice: Person
) -> None:
    alice = at(alice, slow)
    head = f"{line.format(alice.id)} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
    with connected(slow) as wire:
        wire.send(f"{head}{rest}\r\nsome".encode() if rest else f"{head}\r\n".encode())
        alice.create()
        assert alice.get().json()["total"] == 1
        assert not wire.ended()


# --- Rates ---


def spent(person: Person, ask: Callable[[], httpx.Response]) -> int:
    """What a request has taken off a quota that was whole."""
    answer = ask()
    policy, limit = answer.headers["RateLimit-Policy"], answer.headers["RateLimit"]
    assert policy == '"user";q=20;w=10'
    left = limit.removeprefix('"user";r=').removesuffix(";t=10")
    return 20 - int(left)


BATCH = [{"op": "create", "title": "x"}]


@pytest.mark.parametrize(
    ("weight", "status", "ask"),
    [
        (1, 201, lambda person: person.post(json={"title": "x"})),
        (1, 404, lambda person: person.get("/1")),
        (1, 422, lambda person: person.post(json={})),
        (1, 422, lambda person: person.get("?limit=0&q=x")),
        (1, 413, lambda person: person.post(content=b"x" * 200_000)),
        (1, 201, lambda person: person.post(json={"title": "x", "junk": "x" * 65_000})),
        (2, 201, lambda person: person.post(json={"title": "x", "junk": "x" * 66_000})),
        (12, 422, lambda person: person.post("/batch", json={"junk": [{}] * 250_000})),
        (1, 200, lambda person: person.get("?limit=100")),
        (2, 200, lambda person: person.get("?limit=101")),
        (10, 200, lambda person: person.get("?limit=1000")),
        (10, 200, lambda person: person.get()),
        (10, 200, lambda person: person.request("HEAD")),
        (10, 200, lambda person: person.get("?q=milk&limit=1")),
        (1, 200, lambda person: person.post("/batch", json={"operations": BATCH * 5})),
        (2, 200, lambda person: person.post("/batch", json={"operations": BATCH * 6})),
        (20, 200, lambda person: person.post("/batch", json={"operations": BATCH * 100})),
    ],
)
def test_a_request_weighs_what_it_costs(
    weight: int,
    status: int,
    ask: Callable[[Person], httpx.Response],
    rated: httpx.Client,
    someone: Callable[[], Person],
) -> None:
    person = at(someone(), rated)
    answers: list[httpx.Response] = []

    def asked() -> httpx.Response:
        answers.append(ask(person))
        return answers[0]

    assert spent(person, asked) == weight
    assert answers[0].status_code == status


def test_who_sends_too_much_is_429_and_others_are_not(
    rated: httpx.Client, alice: Person, bob: Person
) -> None:
    alice, bob = at(alice, rated), at(bob, rated)
    before = limited(rated, "rate")
    answers = at_once([lambda: alice.get("?q=milk")] * 12)
    refused = [answer for answer in answers if answer.status_code == 429]
    assert {answer.status_code for answer in answers} == {200, 429}
    assert limited(rated, "rate") - before == len(refused)
    assert {answer.json()["code"] for answer in refused} == {"rate_limited"}
    for answer in refused:
        assert answer.headers["RateLimit-Policy"] == '"user";q=20;w=10'
        after = int(answer.headers["Retry-After"])
        assert 1 <= after <= 10
        assert answer.headers["RateLimit"].startswith('"user";r=')
        assert answer.headers["RateLimit"].endswith(f";t={after}")
    assert bob.get().status_code == 200


def test_a_429_says_which_policy_and_a_page_of_another_origin_can_read_it(
    rated: httpx.Client, alice: Person
) -> None:
    alice = at(alice, rated)
    headers = {"Accept": "application/problem+json", "Origin": "http://localhost:3000"}
    answers = at_once([lambda: alice.get("?q=milk", headers=headers)] * 12)
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {
        "type": TYPE,
        "title": "Request cannot be satisfied as assigned quota has been exceeded",
        "status": 429,
        "code": "rate_limited",
        "detail": "You have sent too many requests within 10 seconds; try again later.",
        "violated-policies": ["user"],
        "request_id": refused.headers["X-Request-ID"],
    }
    exposed = refused.headers["Access-Control-Expose-Headers"].split(", ")
    assert {"RateLimit", "RateLimit-Policy", "Retry-After"} <= set(exposed)


def test_who_sends_too_much_is_refused_before_their_body_is_read(
    rated: httpx.Client, alice: Person
) -> None:
    alice = at(alice, rated)
    at_once([lambda: alice.get("?q=milk")] * 12)
    head = (
        f"POST {alice.tasks} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {alice.token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 100000\r\n\r\n"
    )
    with ExitStack() as stack:
        connections = [stack.enter_context(connection_to(rated)) for _ in range(40)]
        for connection in connections:
            connection.sendall(head.encode())
        answered, _, _ = select.select(connections, [], [], PATIENCE)
        assert Wire(answered[0]).answer().status == 429


@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_is_counted(
    operation: str, rated: httpx.Client, someone: Callable[[], Person]
) -> None:
    person = at(someone(), rated)
    answer = call(rated, operation, user_id=person.id, token=person.token)
    assert answer.headers["RateLimit-Policy"] == '"user";q=20;w=10'


@pytest.mark.parametrize("path", ["/", "/livez", "/readyz", "/metrics", "/openapi.json"])
def test_what_needs_no_token_has_no_rate(path: str, rated: httpx.Client) -> None:
    answers = at_once([lambda: rated.get(path)] * 25)
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)


def test_without_a_rate_nobody_is_told_of_one(alice: Person) -> None:
    answers = at_once([lambda: alice.get("?q=milk")] * 50)
    assert {answer.status_code for answer in answers} == {200}
    assert not any("RateLimit" in answer.headers for answer in answers)
