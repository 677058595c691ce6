"""Where one request ends and the next begins: nobody may understand it differently than we do.

A request that two readers could take apart differently (RFC 9112, 11.2) gets one 400, the
connection is closed, and nothing that came behind it is ever answered.
"""

import httpx
import pytest

from support.people import Person
from support.wire import assert_refused, connected, exchange, request

JSON = "Content-Type: application/json"
LAST = "Connection: close"
CHUNKED = "Transfer-Encoding: chunked"


def attack(alice: Person, malformed: bytes) -> bytes:
    """A malformed request, to an operation that reads its body, and what hides behind it."""
    token = f"Authorization: Bearer {alice.token}"
    line = f"POST {alice.tasks} HTTP/1.1\r\n{token}\r\n{JSON}\r\n".encode()
    hidden = request("POST", alice.tasks, token, JSON, LAST, body=b'{"title": "smuggled"}')
    return malformed.replace(b"POST / HTTP/1.1\r\n", line) + hidden


MALFORMED = {
    "length and chunks": b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 5\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n"
    b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    **{
        f"length {length!r}": b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: "
        + length
        + b"\r\n\r\nabcde"
        for length in (
            b"5\r\nContent-Length: 5",
            b"5\r\nContent-Length: 6",
            b"5, 5",
            b"5,6",
            b"+5",
            b"-5",
            b"5 5",
            b"0x5",
            b"5.0",
            b"",
            b"9" * 30,
            b"\xd9\xa5",
            b"5\x00",
        )
    },
    **{
        f"coding {coding!r}": b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: "
        + coding
        + b"\r\n\r\n0\r\n\r\n"
        for coding in (
            b"xchunked",
            b"identity",
            b"chunked, identity",
            b"gzip, chunked",
            b"identity, chunked",
            b"chunked, chunked",
            b"chunked;q=1",
            b'"chunked"',
            b"",
            b"\x0bchunked",
            b"chun\tked",
            b"gzip\r\nTransfer-Encoding: chunked",
            b"chunked\r\nTransfer-Encoding: gzip",
            b"chunked\r\nTransfer-Encoding: chunked",
        )
    },
    "chunks in HTTP/1.0": b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    **{
        f"chunk {chunk!r}": b"POST / HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk
        for chunk in (
            b"g\r\n",
            b"-1\r\n",
            b"+1\r\na\r\n0\r\n\r\n",
            b"0x1\r\na\r\n0\r\n\r\n",
            b"1 \r\na\r\n0\r\n\r\n",
            b" 1\r\na\r\n0\r\n\r\n",
            b"1_0\r\n",
            b"\r\n",
            b"1\na\r\n0\r\n\r\n",
            b"1\r\nab\r\n0\r\n\r\n",
            b"1\r\na0\r\n\r\n",
            b"1\r\na\n0\r\n\r\n",
            b"F" * 17 + b"\r\n",
            b'1;a="b\r\na\r\n0\r\n\r\n',
            b"1;\na\r\n0\r\n\r\n",
            b"1;a\x00b\r\na\r\n0\r\n\r\n",
            b"0\r\nContent-Length: 5\r\n\r\n",
            b"0\r\nbad name: x\r\n\r\n",
            b"0\r\nx: y\n\r\n",
        )
    },
    **{
        f"header {header!r}": b"GET /livez HTTP/1.1\r\nHost: test\r\n" + header + b"\r\n\r\n"
        for header in (
            b"X: a\r\n b",
            b"X: a\r\n\tb",
            b"X:\r\n b",
            b"X: a\nY: b",
            b"X: a\rY: b",
            b"X : a",
            b"X\t: a",
            b"bad name: a",
            b"X",
            b": a",
            b"X: a\x00b",
            b"X: a\x0bb",
            b"X: a\x7fb",
            b"X\x00: a",
            b"X\xff: a",
            b"(X): a",
            b"Content-Length : 5",
            b"Transfer-Encoding : chunked",
            b"Host: other",
        )
    },
    **{
        f"line {line!r}": line + b"\r\nHost: test\r\n\r\n"
        for line in (
            b"GET /livez",
            b"GET /livez HTTP/0.9",
            b"GET /livez HTTP/1.2",
            b"GET /livez HTTP/1.10",
            b"GET /livez HTTP/2.0",
            b"GET /livez http/1.1",
            b"GET /livez HTTP/1.1 ",
            b"GET /li vez HTTP/1.1",
            b"GET\t/livez HTTP/1.1",
            b"GET livez HTTP/1.1",
            b"get /livez HTTP/1.1",
            b"FETCH /livez HTTP/1.1",
            b"GET HTTP/1.1",
            b"/livez HTTP/1.1",
            b"GET /\x00 HTTP/1.1",
            b"GET /\x1b[2J HTTP/1.1",
            b"GET /\xff HTTP/1.1",
            b"GET http:// HTTP/1.1",
            b"CONNECT test:443 HTTP/1.1",
            b"PRI * HTTP/2.0",
            b" GET /livez HTTP/1.1",
        )
    },
    "a space before the first header": b"GET /livez HTTP/1.1\r\n Host: test\r\n\r\n",
    "bare line feeds": b"GET /livez HTTP/1.1\nHost: test\n\n",
    "no host": b"GET /livez HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a proxy's preamble": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\nGET /livez HTTP/1.1\r\n\r\n",
    "zeros": b"\0" * 100,
}

EVERY_MALFORMED = pytest.mark.parametrize("malformed", MALFORMED.values(), ids=MALFORMED)


@EVERY_MALFORMED
def test_what_can_be_read_in_two_ways_gets_one_400_and_hides_no_second_request(
    alice: Person, malformed: bytes
) -> None:
    [answer] = exchange(alice.http, attack(alice, malformed))
    assert_refused(answer, 400, "bad_request")
    assert answer.headers["connection"] == "close"
    assert alice.get().json()["tasks"] == []


@EVERY_MALFORMED
def test_it_does_not_matter_how_the_bytes_were_cut_on_their_way(
    alice: Person, malformed: bytes
) -> None:
    whole = attack(alice, malformed)
    [answer] = exchange(alice.http, *(bytes([byte]) for byte in whole))
    assert_refused(answer, 400, "bad_request")
    assert alice.get().json()["tasks"] == []


@pytest.mark.parametrize("malformed", [b"\0", b"GET /livez HTTP/1.1\nHost: test\n\n"], ids=repr)
def test_what_was_asked_before_is_answered_before(alice: Person, malformed: bytes) -> None:
    """The write that came first takes place, and its answer comes first."""
    token = f"Authorization: Bearer {alice.token}"
    create = request("POST", alice.tasks, token, JSON, body=b'{"title": "first"}')
    created, refused = exchange(alice.http, create + attack(alice, malformed))
    assert created.status == 201
    assert_refused(refused, 400, "bad_request")
    assert alice.get().json()["tasks"] == [created.json()]


def test_a_request_whose_body_turns_out_malformed_has_no_effect(alice: Person) -> None:
    """Even where its operation does not look at the body."""
    task = alice.create()
    token = f"Authorization: Bearer {alice.token}"
    for method, target in (
        ("DELETE", f"{alice.tasks}/{task['id']}"),
        ("PATCH", f"{alice.tasks}/{task['id']}/complete"),
        ("POST", alice.tasks),
    ):
        [answer] = exchange(alice.http, request(method, target, token, JSON, CHUNKED) + b"x\r\n")
        assert_refused(answer, 400, "bad_request")
    assert alice.get().json()["tasks"] == [task]


def test_a_body_that_turns_malformed_on_its_way_gets_400(alice: Person) -> None:
    head = request("POST", alice.tasks, f"Authorization: Bearer {alice.token}", JSON, CHUNKED)
    expecting = head.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    with connected(alice.http) as wire:
        wire.send(expecting)
        assert wire.answer().status == 100  # now it is being read
        wire.send(b"5\r\n{    \r\n", attack(alice, b"nonsense\r\n"))
        [answer] = wire.answers()
    assert_refused(answer, 400, "bad_request")
    assert alice.get().json()["tasks"] == []


# What is allowed, however unusual


@pytest.mark.parametrize(
    "chunks",
    [
        b"15\r\n%b\r\n0\r\n\r\n",
        b"0015\r\n%b\r\n000\r\n\r\n",
        b"15;name=value\r\n%b\r\n0;last\r\n\r\n",
        b'15;name="quoted \\" value"\r\n%b\r\n0\r\n\r\n',
        b"15\r\n%b\r\n0\r\nTrailer: x\r\nAnother: y\r\n\r\n",
    ],
)
def test_chunks_with_extensions_and_trailers_are_read(alice: Person, chunks: bytes) -> None:
    token = f"Authorization: Bearer {alice.token}"
    head = request("POST", alice.tasks, token, JSON, CHUNKED, LAST)
    [answer] = exchange(alice.http, head + chunks % b'{"title": "Buy milk"}')
    assert answer.status == 201


def test_a_trailer_is_no_header(alice: Person) -> None:
    """It comes after the request was judged, and perhaps past a proxy that judged the headers."""
    head = request("POST", alice.tasks, JSON, CHUNKED, LAST)
    trailer = f"Authorization: Bearer {alice.token}\r\nX-Request-ID: trailer\r\n"
    body = b'15\r\n{"title": "Buy milk"}\r\n0\r\n' + trailer.encode() + b"\r\n"
    [answer] = exchange(alice.http, head + body)
    assert_refused(answer, 401, "not_authenticated")
    assert answer.headers["x-request-id"] != "trailer"


def test_empty_lines_before_a_request_are_passed_over(alice: Person) -> None:
    [answer] = exchange(alice.http, b"\r\n\r\n" + request("GET", "/livez", LAST))
    assert answer.status == 200


def test_blanks_around_a_value_are_no_part_of_it(alice: Person) -> None:
    head = request("GET", alice.tasks, f"Authorization: \tBearer {alice.token} \t ", LAST)
    origin = "Origin:   http://localhost:3000 \t"
    [answer] = exchange(alice.http, head.replace(b"\r\n\r\n", f"\r\n{origin}\r\n\r\n".encode()))
    assert answer.status == 200
    assert answer.headers["access-control-allow-origin"] == "http://localhost:3000"


@pytest.mark.parametrize("zeros", [1, 20, 4301, 60_000])
def test_zeros_before_a_length_change_nothing(alice: Person, zeros: int) -> None:
    token, body = f"Authorization: Bearer {alice.token}", b'{"title": "Buy milk"}'
    length = f"Content-Length: {'0' * zeros}{len(body)}"
    [answer] = exchange(alice.http, request("POST", alice.tasks, token, JSON, length, LAST) + body)
    assert answer.status == 201


def test_http_1_0_is_answered_and_its_connection_closed(http: httpx.Client) -> None:
    for head in (b"", b"Host: test\r\n", b"Connection: keep-alive\r\n"):
        [answer] = exchange(http, b"GET /livez HTTP/1.0\r\n" + head + b"\r\n")
        assert answer.status == 200


def test_requests_that_come_together_are_answered_in_their_order(alice: Person) -> None:
    """Slow and quick ones, with and without bodies, accepted and refused."""
    token = f"Authorization: Bearer {alice.token}"
    create = request("POST", alice.tasks, token, JSON, body=b'{"title": "Buy milk"}')
    asked = {
        request("GET", "/livez"): 200,
        create: 201,
        request("GET", "/nothing"): 404,
        request("GET", alice.tasks, token): 200,
        request("DELETE", alice.tasks, token, body=b"unread"): 405,
        request("POST", alice.tasks, body=b"unread"): 401,
        request("POST", "/api/1/tasks", token, body=b"GET /livez HTTP/1.1\r\n\r\n"): 403,
        request("PUT", f"{alice.tasks}/1", token, JSON, body=b"{"): 422,
        request("GET", "/livez", LAST): 200,
    }
    answers = exchange(alice.http, b"".join(asked))
    assert [answer.status for answer in answers] == list(asked.values())
    assert [task["title"] for task in answers[3].json()["tasks"]] == ["Buy milk"]


def test_a_client_that_asks_for_too_much_at_once_is_refused_in_its_turn(http: httpx.Client) -> None:
    *answers, refused = exchange(http, request("GET", "/livez") * 1000)
    assert {answer.status for answer in answers} == {200}
    assert_refused(refused, 400, "bad_request")


def test_a_client_that_leaves_before_its_answers_does_no_harm(alice: Person) -> None:
    """Nor does it cause an error in the log: see test_logs."""
    with connected(alice.http) as wire:
        wire.send(request("GET", alice.tasks, f"Authorization: Bearer {alice.token}") * 20)
    assert alice.http.get("/livez").status_code == 200
