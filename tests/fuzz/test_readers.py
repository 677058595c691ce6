"""What reads strangers' bytes, fed with anything: HTTP, JSON and tokens, each in this process."""

import asyncio
import atexit
import itertools
import json
import socket
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import uvicorn
from fastapi.exceptions import RequestValidationError
from hypothesis import assume, example, given, reject
from hypothesis import strategies as st
from pydantic_core import from_json
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from support.effort import effort
from support.people import SECRET, sign
from support.waiting import PATIENCE
from support.wire import HEAD, request
from taskapi.auth.claims import ClaimsPolicy, User
from taskapi.auth.keys import shared_secret
from taskapi.auth.verifier import Verifier
from taskapi.edge.body import BoundedRequest, json_object
from taskapi.edge.query import read_query
from taskapi.errors import InvalidToken
from taskapi.origins import AllowedOrigins
from taskapi.server.connections import Connections
from taskapi.server.protocol import HttpProtocol, overloaded

# HTTP


SOCKET = socket.socket()
"""Of the right kind, and connected to nothing."""
atexit.register(SOCKET.close)


class Wire(asyncio.Transport):
    """Keeps what is written to it until it is closed."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += b"" if self.closed else bytes(data)

    def write_eof(self) -> None:
        self.closed = True

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed

    def pause_reading(self) -> None:
        """Nobody is in a hurry here."""

    def resume_reading(self) -> None:
        """Likewise."""

    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return SOCKET if name == "socket" else default


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with what it understood."""
    body = b""
    while (message := await receive())["type"] == "http.request":
        body += message["body"]
        if not message["more_body"]:
            break
    else:
        return
    told = json.dumps([scope["method"], scope["path"], body.decode("latin-1")]).encode()
    length = str(len(told)).encode()
    start = {"status": 200, "headers": [(b"content-length", length)]}
    await send({"type": "http.response.start", **start})
    await send({"type": "http.response.body", "body": told})


TURNS = 30
"""Of the event loop: enough for all that one part can cause."""


async def understood(parts: list[bytes]) -> list[tuple[int, bytes]]:
    """Status and body of every answer to bytes that come in these parts."""
    config = uvicorn.Config(echo, ws="none", lifespan="off", access_log=False, log_config=None)
    config.load()
    limits: dict[str, Any] = {
        "connections": Connections(1),
        "overloaded": overloaded(AllowedOrigins(())),
        "timeout": PATIENCE,
    }
    state, wire = ServerState(), Wire()
    protocol = HttpProtocol(config=config, server_state=state, app_state={}, **limits)
    protocol.connection_made(wire)
    for part in parts:
        if not wire.closed:
            protocol.data_received(part)
        for _ in range(TURNS):
            await asyncio.sleep(0)
    protocol.connection_lost(None)
    await asyncio.gather(*protocol.tasks)
    return list(answers_in(wire.written))


def answers_in(written: bytes) -> Iterator[tuple[int, bytes]]:
    while written:
        head = HEAD.match(written)
        assert head is not None, written
        fields = dict(line.split(b": ", 1) for line in head[2].splitlines())
        end = head.end() + int(fields[b"content-length"])
        assert end <= len(written)
        body, written = written[head.end() : end], written[end:]
        yield int(head[1]), body if head[1] == b"200" else b""


CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
PIECES = [
    request("GET", "/"),
    request("POST", "/a", body=b"x" * 40),
    request("POST", "/b", "Transfer-Encoding: chunked")
    + b"4\r\nWiki\r\n5;a=b\r\npedia\r\n0\r\n\r\n",
    request("POST", "/c", "Connection: Upgrade", "Upgrade: h2c", body=b"GET / HTTP/1.1\r\n\r\n"),
    request("DELETE", "/d", "Connection: close"),
    b"\r\n",
    b"0\r\n\r\n",
    b"GET /e HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n",
    b"POST /f HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n" + CHUNKED,
    b"Host: a\r\n",
    b" folded\r\n",
    b"\n",
    b"\0",
]


@st.composite
def almost_http(draw: st.DrawFn) -> bytes:
    """Requests one behind the other, with something wrong here and there."""
    whole = b"".join(draw(st.lists(st.sampled_from(PIECES), min_size=1, max_size=5)))
    for _ in range(draw(st.integers(0, 3))):
        start = draw(st.integers(0, len(whole)))
        end = min(len(whole), start + draw(st.integers(0, 4)))
        put = draw(st.sampled_from([*PIECES, b"", b":", b"1", b" ", b"\r", b"\r\n"]))
        whole = whole[:start] + put + whole[end:]
    return whole


@given(whole=almost_http(), cuts=st.lists(st.integers(0, 400), max_size=6))
@effort(examples=300)
def test_how_bytes_are_cut_never_changes_what_is_understood(whole: bytes, cuts: list[int]) -> None:
    places = [0, *sorted(cuts), len(whole)]
    parts = [whole[start:end] for start, end in itertools.pairwise(places)]
    at_once = asyncio.run(understood([whole]))
    assert asyncio.run(understood([part for part in parts if part])) == at_once
    assert all(status == 200 for status, _ in at_once[:-1]), "an answer behind a refusal"
    assert {status for status, _ in at_once} <= {200, 400}


# JSON


async def read(body: bytes) -> dict[str, Any] | None:
    """What the service reads in a body."""
    messages = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def receive() -> Any:
        return next(messages)

    headers = [(b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "headers": headers, "state": {}}
    request = BoundedRequest(scope, receive)
    request.limit_body(100_000)
    await json_object(request)
    return request.value


NAMES = ['"x"', '"\\u0078"', '"y"', '"x "', '""', '"\\ud83d\\ude00"', '"\\ud83d"', '"é"']
"""Of members, as JSON writes them. The first two are one name."""

written = st.recursive(
    (st.none() | st.booleans() | st.integers() | st.floats() | st.text()).map(json.dumps)
    | st.text().map(lambda text: json.dumps(text, ensure_ascii=False))
    | st.sampled_from(['"\\ud800"', '"\\udc00\\ud800"', '"\\\\ud800"', "NaN", "1e999", "-0", "01"]),
    lambda inner: (
        st.lists(inner).map(lambda items: f"[{','.join(items)}]")
        | st.lists(st.tuples(st.sampled_from(NAMES), inner)).map(
            lambda members: "{" + ", ".join(f"{name}: {value}" for name, value in members) + "}"
        )
    ),
    max_leaves=8,
)
"""JSON as text, because no value of Python has two members of one name."""

json_like = (written.map(lambda text: f'{{"a": {text}}}') | written).map(
    lambda text: text.encode(errors="replace")
)


def reference(body: bytes) -> Any:
    """What Python's json reads, where RFC 8259 and 7493 (I-JSON) have one reading for a body.

    Raises:
        ValueError: they have none.
    """

    def members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        assert len(names) == len(set(names)), "two members of one name"
        return dict(pairs)

    def constant(name: str) -> None:
        raise ValueError(name)

    text = body.decode("utf-8").removeprefix("\ufeff")
    try:
        value = json.loads(text, object_pairs_hook=members, parse_constant=constant)
    except AssertionError as error:
        raise ValueError(*error.args) from None
    json.dumps(value, ensure_ascii=False).encode()  # no half of a surrogate pair
    if not isinstance(value, dict):
        raise ValueError("not an object")  # noqa: TRY004 - as for every other reason
    return value


@given(
    body=st.binary(min_size=1, max_size=60)
    | json_like
    | json_like.map(lambda body: b"\xef\xbb\xbf" + body)
    | st.tuples(json_like, st.integers(0, 80), st.binary(max_size=3)).map(
        lambda cut: cut[0][: cut[1]] + cut[2] + cut[0][cut[1] :] or b" "
    )
)
@example(b'{"x": 1, "x": 2}')
@example(b'{"x": [{"y": {"x": 1, "\\u0078": 1}}]}')
@example(b"{}" + b" " * 100)
@effort(examples=1000)
def test_a_body_is_read_as_others_read_it_if_all_read_it_alike(body: bytes) -> None:
    try:
        expected = reference(body)
    except ValueError:
        with pytest.raises(RequestValidationError) as refusal:
            asyncio.run(read(body))
        assert refusal.value.errors()[0]["loc"][0] == "body"
    else:
        assert asyncio.run(read(body)) == expected
        assert from_json(body.removeprefix(b"\xef\xbb\xbf")) == expected  # a reader of other make


# Queries

PARAMETERS = frozenset({"q", "limit", "is_completed"})

somewhat_percent = st.lists(
    st.sampled_from(
        [b"q", b"limit", b"=", b"&", b"%", b"%FF", b"%C3", b"%A9", b"+", b"%20", b"%00"]
    )
    | st.binary(max_size=2)
).map(b"".join)


@given(values=st.dictionaries(st.sampled_from(sorted(PARAMETERS)), st.text(max_size=20)))
@effort(examples=300)
def test_a_query_is_read_as_it_was_written_but_for_what_is_empty(values: dict[str, str]) -> None:
    entered = {name: value for name, value in values.items() if value}
    assert read_query(urlencode(values).encode(), PARAMETERS) == entered
    assert read_query(urlencode(values, quote_via=quote).encode(), PARAMETERS) == entered


@given(query=somewhat_percent)
@effort(examples=500)
def test_any_other_query_is_text_or_is_refused(query: bytes) -> None:
    try:
        values = read_query(query, PARAMETERS)
    except RequestValidationError as refusal:
        [mistake] = refusal.errors()
        assert mistake["loc"][0] == "query"
        json.dumps(mistake["loc"], ensure_ascii=False).encode()
    else:
        assert values.keys() <= PARAMETERS
        for value in values.values():
            assert value.encode()


# Tokens

VERIFIER = Verifier(
    ClaimsPolicy("integer", "https://issuer", None), secret=shared_secret(SECRET), key_set=None
)
CLAIMS: dict[str, object] = {
    "sub": "7",
    "iss": "https://issuer",
    "exp": int(time.time()) + 24 * 60 * 60,
}
TOKEN = sign(CLAIMS).encode()


def user_of(token: bytes) -> User:
    return asyncio.run(VERIFIER.user_of(token))


@given(
    start=st.integers(0, len(TOKEN)),
    length=st.integers(0, 3),
    put=st.binary(max_size=3) | st.sampled_from([b".", b"=", b"-", b"A", b"AA", b"\n", b" "]),
)
@effort(examples=500)
def test_no_other_spelling_of_a_token_is_accepted(start: int, length: int, put: bytes) -> None:
    changed = TOKEN[:start] + put + TOKEN[start + length :]
    assume(changed != TOKEN)
    with pytest.raises(InvalidToken):
        user_of(changed)


@given(
    token=st.binary(max_size=200) | st.from_regex(rb"([\w-]{0,20}\.){0,4}[\w-]*", fullmatch=True)
)
@effort(examples=300)
def test_anything_else_is_no_token_and_nothing_worse(token: bytes) -> None:
    with pytest.raises(InvalidToken):
        user_of(token)


anything = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.text())


@given(
    claims=st.fixed_dictionaries(
        {},
        optional=dict.fromkeys(("sub", "exp", "nbf", "iat", "iss", "aud", "session"), anything),
    ).map(lambda changed: CLAIMS | changed),
    header=st.dictionaries(st.sampled_from(["typ", "kid", "cty", "crit", "b64", "jwk"]), anything),
)
@effort(examples=300)
def test_whatever_is_signed_names_the_user_that_it_names_or_nobody(
    claims: dict[str, object], header: dict[str, object]
) -> None:
    try:
        token = sign(claims, SECRET, **header)
    except Exception:  # noqa: BLE001 - what the library will not sign, the auth server does not send
        reject()
    try:
        user = user_of(token.encode())
    except InvalidToken:
        return
    assert (user.subject, user.id) == (claims["sub"], int(str(claims["sub"])))
