"""The life of a connection: who sends slowly, reads slowly, expects, upgrades, or sends in vain."""

import gc
import itertools
import select
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from support.people import Person
from support.service import client_for, settings_for
from support.waiting import HASTY_SECONDS, PATIENCE, eventually
from support.wire import Wire, assert_refused, connected, exchange, request
from taskapi.database.url import DatabaseUrl
from taskapi.server.exchange import Exchange
from taskapi.server.protocol import HttpProtocol

LAST = "Connection: close"
JSON = "Content-Type: application/json"
CHUNKED = "Transfer-Encoding: chunked"

MEGABYTE = 1024 * 1024


def token(person: Person) -> str:
    return f"Authorization: Bearer {person.token}"


# Slow senders


def test_200_slow_senders_do_not_stop_others_and_are_cut_off(
    hasty: httpx.Client, alice: Person
) -> None:
    """Slowloris: heads and bodies, a byte at a time, for ever."""
    head = request("POST", alice.tasks, token(alice), JSON)
    creating = head.replace(b"\r\n\r\n", b"\r\nContent-Length: 1000\r\n\r\n")
    with ExitStack() as stack:
        heads, bodies = (
            [stack.enter_context(connected(hasty)) for _ in range(100)] for _ in range(2)
        )
        for wire in bodies:
            wire.send(creating)
        for byte in itertools.cycle(b"GET / HTTP/1.1\r\nX: " + b"a" * 1000):
            for wire in heads + bodies:
                wire.send(bytes([byte]))
            assert hasty.get("/livez").status_code == 200
            assert hasty.get(alice.tasks, headers=headers(alice)).json()["tasks"] == []
            if all(wire.ended() for wire in heads + bodies):
                break
            time.sleep(0.05)  # the pace of the slow ones
        for wire in heads:
            [answer] = wire.answers()
            assert_refused(answer, 408, "request_timeout")
        for wire in bodies:
            [answer] = wire.answers()
            assert_refused(answer, 408, "request_timeout")


def headers(person: Person) -> dict[str, str]:
    return {"Authorization": f"Bearer {person.token}"}


@pytest.mark.parametrize(
    "sent",
    [
        [],
        [b"\r\n"],
        [b"\r\n"] * 5,
        [request("GET", "/livez"), b"G"],
        [request("GET", "/livez"), b"\r\n"],
        [request("POST", "/api/1/tasks", "Content-Length: 1000"), b"{"],
        [request("POST", "/api/1/tasks", CHUNKED), b"5;"],
    ],
    ids=["nothing", "line", "lines", "head", "line between", "unread body", "unread chunk"],
)
def test_a_connection_on_which_nothing_comes_to_an_end_is_closed(
    hasty: httpx.Client, sent: list[bytes]
) -> None:
    with connected(hasty) as wire:
        for part in sent:
            wire.send(part)
            if part.endswith(b"\r\n\r\n"):
                assert wire.answer().status in {200, 401}
        assert [answer.status for answer in wire.answers()] in ([], [408])


def test_a_slow_sender_that_comes_to_an_end_in_time_is_answered(hasty: httpx.Client) -> None:
    """Time starts again with every request: all three together take longer than there is."""
    whole = request("GET", "/livez")
    with connected(hasty) as wire:
        for _ in range(3):
            for start in range(0, len(whole), 10):
                wire.send(whole[start : start + 10])
                time.sleep(HASTY_SECONDS / 10)  # four times: under half of the time there is
            assert wire.answer().status == 200


# Slow readers


@pytest.fixture
def wordy(alice: Person) -> Person:
    """Alice with a page of four megabytes, of which the kernel takes three for a slow reader."""
    for _ in range(6):
        operations = [{"op": "create", "title": "x", "description": "🎂" * 5000}] * 50
        content = httpx.Request("POST", "http://test", json={"operations": operations}).content
        response = alice.post(
            "/batch", content=content, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 200
    return alice


def narrow(http: httpx.Client) -> socket.socket:
    """A connection that takes little at a time."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(PATIENCE)
    connection.connect((http.base_url.host, http.base_url.port))
    return connection


def test_a_client_that_takes_nothing_of_its_answers_is_cut_off(
    hasty: httpx.Client, wordy: Person
) -> None:
    """Otherwise each such client would keep megabytes of the service's memory, for ever."""
    with narrow(hasty) as connection:
        connection.sendall(request("GET", wordy.tasks, token(wordy)) * 20)
        cut = select.poll()
        cut.register(connection, 0)
        assert cut.poll(PATIENCE * 1000), "still connected"
        assert hasty.get("/livez").status_code == 200


def test_a_client_that_reads_slowly_gets_all_of_its_answer(
    hasty: httpx.Client, wordy: Person
) -> None:
    """Also one that takes longer than there is for what the kernel wants to be rid of at once."""
    slow_until = time.monotonic() + 3 * HASTY_SECONDS
    with narrow(hasty) as connection:
        connection.sendall(request("GET", wordy.tasks, token(wordy), LAST))
        size = 0
        while part := connection.recv(65536):
            size += len(part)
            if time.monotonic() < slow_until:
                time.sleep(len(part) / (MEGABYTE / 4))
        assert size > 4_000_000


# Clients that send in vain


def test_who_sends_20_megabytes_before_reading_gets_the_413(alice: Person) -> None:
    """A connection closed at once would be reset, and the answer lost with it (RFC 9112, 9.6)."""
    body = b" " * 20 * MEGABYTE
    head = request("POST", alice.tasks, token(alice), JSON)
    for sent in (
        [head.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)), body],
        [request("POST", alice.tasks, token(alice), JSON, CHUNKED), b"1400000\r\n", body],
    ):
        with socket.create_connection(
            (alice.http.base_url.host, alice.http.base_url.port), timeout=PATIENCE
        ) as connection:
            for part in sent:
                connection.sendall(part)
            [answer] = Wire(connection).answers()
        assert_refused(answer, 413, "body_too_large")
        assert answer.headers["connection"] == "close"


@pytest.mark.parametrize("status", [401, 403])
def test_who_sends_a_body_that_nobody_reads_can_go_on(
    alice: Person, bob: Person, status: int
) -> None:
    """What was not read of it is not taken for the next request."""
    person = {401: "X: nobody", 403: token(bob)}[status]
    hidden = request("POST", alice.tasks, token(alice), JSON, body=b'{"title": "smuggled"}')
    for sent in (
        request("POST", alice.tasks, person, JSON, body=hidden * 1000),
        request("POST", alice.tasks, person, JSON, CHUNKED)
        + b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden),
    ):
        refused, alive = exchange(alice.http, sent, request("GET", "/livez", LAST))
        assert (refused.status, alive.status) == (status, 200)
    assert alice.get().json()["tasks"] == []


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_a_body_where_none_is_expected_is_passed_over(alice: Person, method: str) -> None:
    hidden = request("POST", alice.tasks, token(alice), JSON, body=b'{"title": "smuggled"}')
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)
    for extra in ({"body": hidden}, {}):
        task = alice.create()
        target = f"{alice.tasks}/{task['id']}"
        if extra:
            sent = request(method, target, token(alice), **extra)
        else:
            sent = request(method, target, token(alice), CHUNKED) + chunked
        done, alive = exchange(alice.http, sent, request("GET", "/livez", LAST))
        assert (done.status, alive.status) == ({"GET": 200, "DELETE": 204}[method], 200)
    titles = {task["title"] for task in alice.get().json()["tasks"]}
    assert "smuggled" not in titles


# Expectations and upgrades


def test_who_expects_to_be_told_is_told_when_the_body_is_wanted(alice: Person) -> None:
    body = b'{"title": "Buy milk"}'
    head = request("POST", alice.tasks, token(alice), JSON, "Expect: 100-continue", LAST)
    with connected(alice.http) as wire:
        wire.send(head.replace(b"\r\n\r\n", b"\r\nContent-Length: %d\r\n\r\n" % len(body)))
        assert wire.answer().status == 100
        wire.send(body)
        [created] = wire.answers()
    assert created.status == 201


def test_who_does_not_wait_to_be_told_gets_the_same_answer(alice: Person) -> None:
    body = b'{"title": "Buy milk"}'
    for expectation in ("100-continue", "100-Continue", "nonsense", ""):
        expects = f"Expect: {expectation}"
        sent = request("POST", alice.tasks, token(alice), JSON, expects, LAST, body=body)
        *told, created = exchange(alice.http, sent)
        assert [answer.status for answer in told] in ([], [100])
        assert created.status == 201


@pytest.mark.parametrize(
    "upgrade",
    [
        (
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAA=",
        ),
        ("Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"),
        ("Upgrade: TLS/1.2",),
        ("Upgrade: nonsense",),
    ],
    ids=lambda upgrade: upgrade[0],
)
def test_no_upgrade_takes_place(alice: Person, upgrade: tuple[str, ...]) -> None:
    """The request is answered as it stands, and nothing behind it is: who knows what that is."""
    wish = ("Connection: Upgrade", *upgrade, token(alice))
    hidden = request("POST", alice.tasks, token(alice), JSON, body=b'{"title": "smuggled"}')
    for sent, status in (
        (request("GET", alice.tasks, *wish), 200),
        (request("POST", alice.tasks, *wish, JSON, body=b'{"title": "x"}'), 201),
    ):
        [answer] = exchange(alice.http, sent, hidden)
        assert answer.status == status
    [task] = alice.get().json()["tasks"]
    [answer] = exchange(
        alice.http, request("PATCH", f"{alice.tasks}/{task['id']}/complete", *wish), hidden
    )
    assert (answer.status, answer.json()["is_completed"]) == (200, True)


def test_the_body_of_a_request_that_would_upgrade_is_read_and_never_taken_for_a_request(
    alice: Person,
) -> None:
    """Java's HTTP client offers h2c with every first request, whatever its method."""
    offer = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", token(alice), JSON)
    hidden = request("POST", alice.tasks, token(alice), JSON, body=b'{"title": "smuggled"}')
    for headers, body in (
        ((f"Content-Length: {len(hidden)}",), hidden),
        ((CHUNKED,), b"%x\r\n%b\r\n0\r\n\r\n" % (len(hidden), hidden)),
    ):
        head = request("POST", alice.tasks, *offer, "Expect: 100-continue", *headers)
        with connected(alice.http) as wire:
            wire.send(head)
            assert wire.answer().status == 100
            wire.send(body)
            [answer] = wire.answers()
        assert_refused(answer, 422, "validation_failed")
        [*_, answer] = exchange(alice.http, head + body)
        assert_refused(answer, 422, "validation_failed")
    [answer] = exchange(alice.http, request("POST", alice.tasks, *offer, CHUNKED) + b"x\r\n")
    assert_refused(answer, 400, "bad_request")
    assert alice.get().json()["tasks"] == []


# Clients that leave


def departures(alice: Person) -> Iterator[bytes]:
    """The beginnings of a request, up to the point at which its client leaves."""
    whole = request("POST", alice.tasks, token(alice), JSON, body=b'{"title": "never"}')
    yield from (whole[:length] for length in range(0, len(whole), 10))


def test_a_request_whose_client_leaves_before_its_end_has_no_effect(alice: Person) -> None:
    for beginning in departures(alice):
        with connected(alice.http) as wire:
            wire.send(beginning)
    assert alice.get().json()["tasks"] == []


# Idle connections


def test_an_idle_connection_is_kept_for_longer_than_a_request_may_take(
    database: DatabaseUrl,
) -> None:
    """A balancer keeps its own for a minute, and must never be the last to know."""
    settings = settings_for(database, request_timeout=HASTY_SECONDS, keep_alive_timeout=60)
    with client_for(settings) as http, connected(http) as wire:
        for _ in range(2):
            wire.send(request("GET", "/livez"))
            assert wire.answer().status == 200
            time.sleep(1.5 * HASTY_SECONDS)  # idle, which is what is tested
        wire.send(request("GET", "/livez", LAST))
        assert wire.answer().status == 200


# What is left of a connection that has ended

ENDS = {
    "it said nothing": [],
    "one request": [request("GET", "/livez")],
    "several": [request("GET", "/livez")] * 3,
    "half a head": [request("GET", "/livez"), b"GET /livez HT"],
    "half a body": [request("POST", "/api/1/tasks", "Content-Length: 1000"), b"{"],
    "the service closes": [request("GET", "/livez", LAST)],
    "malformed": [b"GET\r\n\r\n"],
}


@pytest.mark.parametrize("sent", ENDS.values(), ids=ENDS)
def test_an_ended_connection_waits_for_no_garbage_collector(
    http: httpx.Client, sent: list[bytes]
) -> None:
    """A worker would grow by 10 kB for each until there are enough of them."""

    def alive() -> int:
        return sum(isinstance(it, HttpProtocol | Exchange) for it in gc.get_objects())

    def use() -> None:
        with connected(http) as wire:
            wire.send(*sent)
            if sent:
                wire.answer()

    use()
    gc.collect()
    gc.disable()
    try:
        before = alive()
        for _ in range(5):
            use()
        eventually(lambda: alive() <= before, "nothing is left of them")
    finally:
        gc.enable()
