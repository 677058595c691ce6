"""What stands in every answer, and what never does: security headers, and words of strangers."""

import re
from collections.abc import Callable

import httpx
import pytest

from support.people import Person
from support.wire import Answer, exchange, request

LAST = "Connection: close"
JSON = "Content-Type: application/json"

LISTED = "http://localhost:3000"

UNSAFE = {"server", "x-powered-by", "set-cookie"}


def token(person: Person) -> str:
    return f"Authorization: Bearer {person.token}"


def preflight(alice: Person, origin: str = LISTED) -> bytes:
    asks = ("Access-Control-Request-Method: GET", f"Origin: {origin}")
    return request("OPTIONS", alice.tasks, *asks, LAST)


ANSWERS: dict[str, tuple[int, Callable[[Person], bytes]]] = {
    "index": (200, lambda _: request("GET", "/", LAST)),
    "health": (200, lambda _: request("GET", "/livez", LAST)),
    "metrics": (200, lambda _: request("GET", "/metrics", LAST)),
    "page": (200, lambda _: request("GET", "/docs", LAST)),
    "document": (200, lambda _: request("GET", "/openapi.json", LAST)),
    "asset": (200, lambda _: request("GET", "/docs/assets/favicon.png", LAST)),
    "list": (200, lambda alice: request("GET", alice.tasks, token(alice), LAST)),
    "unchanged": (
        304,
        lambda alice: request("GET", alice.tasks, token(alice), "If-None-Match: *", LAST),
    ),
    "preflight": (204, preflight),
    "refused preflight": (403, lambda alice: preflight(alice, "https://evil.example")),
    "malformed": (400, lambda _: b"\0"),
    "nobody": (401, lambda alice: request("GET", alice.tasks, LAST)),
    "stranger": (403, lambda alice: request("GET", "/api/1/tasks", token(alice), LAST)),
    "nothing": (404, lambda _: request("GET", "/nothing", LAST)),
    "no asset": (404, lambda _: request("GET", "/docs/assets/nothing", LAST)),
    "no method": (405, lambda _: request("TRACE", "/livez", LAST)),
    "large body": (
        413,
        lambda alice: request("POST", alice.tasks, token(alice), JSON, body=b" " * 200_000),
    ),
    "large head": (431, lambda _: request("GET", "/livez", *["X:"] * 1000)),
}


@pytest.mark.parametrize(("status", "ask"), ANSWERS.values(), ids=ANSWERS)
def test_every_answer_has_the_security_headers_once(
    alice: Person, status: int, ask: Callable[[Person], bytes]
) -> None:
    [answer] = exchange(alice.http, ask(alice))  # which holds that no header comes twice
    assert answer.status == status
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert not UNSAFE & answer.headers.keys()
    if answer.body:
        assert "content-type" in answer.headers


# Origins (test_cors has the listed one and those that differ from it)


def told(answer: Answer) -> set[str]:
    return {name for name in answer.headers if name.startswith("access-control-")}


def test_two_origins_are_none(alice: Person) -> None:
    other = "https://evil.example"
    for origins in ((LISTED, other), (other, LISTED), (LISTED, LISTED), (f"{LISTED}, {other}",)):
        named = [f"Origin: {origin}" for origin in origins]
        method = "Access-Control-Request-Method: GET"
        for head in (
            request("GET", alice.tasks, token(alice), *named, LAST),
            request("OPTIONS", alice.tasks, method, *named, LAST),
        ):
            [answer] = exchange(alice.http, head)
            assert told(answer) == set()
            assert "evil" not in str(answer)


@pytest.mark.parametrize(
    "asks",
    [
        {"Access-Control-Request-Method": "TRACE"},
        {"Access-Control-Request-Method": "STRANGE"},
        {"Access-Control-Request-Headers": "x-strange:, authorization"},
        {"Access-Control-Request-Headers": "(x-strange)"},
        {"Access-Control-Request-Headers": ""},
        {"Access-Control-Request-Private-Network": "false"},
        {"Cookie": "session=strange"},
    ],
    ids=str,
)
def test_a_preflight_says_what_is_allowed_whatever_else_it_asks_for(
    http: httpx.Client, asks: dict[str, str]
) -> None:
    usual = {"Origin": LISTED, "Access-Control-Request-Method": "GET"}
    expected = http.options("/api/1/tasks", headers=usual)
    response = http.options("/api/1/tasks", headers=usual | asks)
    assert response.status_code == expected.status_code == 204
    for varies in ("Date", "X-Request-ID"):
        del response.headers[varies], expected.headers[varies]
    assert response.headers == expected.headers
    assert expected.headers["Access-Control-Allow-Origin"] == LISTED
    allowed = expected.headers["Access-Control-Allow-Methods"].split(", ")
    assert {"TRACE", "STRANGE", "*"}.isdisjoint(allowed)


@pytest.mark.parametrize("header", ["Origin", "Referer", "X-Forwarded-Host", "Forwarded", "Cookie"])
def test_nothing_that_a_header_says_is_sent_back(alice: Person, header: str) -> None:
    for head in (
        request("GET", alice.tasks, token(alice), f"{header}: https://evil.example", LAST),
        request("GET", "/nothing", f"{header}: https://evil.example", LAST),
        request(
            "OPTIONS",
            alice.tasks,
            "Access-Control-Request-Method: GET",
            f"{header}: https://evil.example",
            LAST,
        ),
    ):
        [answer] = exchange(alice.http, head)
        assert "evil" not in str(answer)


def test_where_a_request_seems_to_come_from_changes_nothing(alice: Person) -> None:
    """There is no proxy that the service would have been told to trust."""
    forwarded = (
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Prefix: /evil",
        f"X-Original-URL: {alice.tasks}",
        f"X-Rewrite-URL: {alice.tasks}",
        "X-HTTP-Method-Override: DELETE",
        f"X-User-Id: {alice.id}",
    )
    [answer] = exchange(alice.http, request("GET", "/api/1/tasks", *forwarded, LAST))
    assert answer.status == 401
    task = alice.create()
    target = f"{alice.tasks}/{task['id']}"
    [answer] = exchange(alice.http, request("GET", target, token(alice), *forwarded, LAST))
    assert answer.json() == task
