"""Which origins a browser may call from, and what a browser is told."""

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest

from support.calls import assert_refused
from support.people import SECRET, Person
from support.programs import ADDRESS, READY, Service, started
from support.service import as_service, client_for, client_of, settings_for
from support.waiting import HASTY_SECONDS
from support.wire import exchange, request
from taskapi.database.url import DatabaseUrl
from taskapi.edge.cors import MAX_TOLD

ORIGIN = "http://localhost:3000"

JSON = "Content-Type: application/json"

MONITORING = (
    "baggage,newrelic,request-id,sentry-trace,traceparent,tracestate,uber-trace-id,x-amzn-trace-id,"
    "x-b3-sampled,x-b3-spanid,x-b3-traceid,x-datadog-origin,x-datadog-trace-id,x-request-id"
)
WRAPPERS = "cache-control,pragma,x-client-info,x-csrf-token,x-requested-with,x-xsrf-token"

VARY = {"Origin", "Access-Control-Request-Headers", "Access-Control-Request-Private-Network"}


def told(response: httpx.Response) -> set[str]:
    """The headers that say anything about origins."""
    return {name for name in response.headers if name.startswith("access-control-")}


def listed(text: str) -> set[str]:
    return set(text.split(", "))


def preflight(
    http: httpx.Client, origin: str, path: str = "/api/1/tasks", **asked: str
) -> httpx.Response:
    asked = {"Method": "POST", "Headers": "authorization,content-type"} | asked
    named = {f"Access-Control-Request-{name}": value for name, value in asked.items()}
    return http.options(path, headers={"Origin": origin} | named)


@pytest.fixture(scope="module")
def limited(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A service for the pages of two kinds of origins, whose users soon have what they may."""
    settings = settings_for(
        database,
        cors_origins="https://*.preview.example.com,capacitor://localhost",
        user_rate=10,
        request_timeout=HASTY_SECONDS,
    )
    with client_for(settings) as client:
        yield client


@pytest.fixture(scope="module")
def closed(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A service that pages of no origin may call, as one with a `DATABASE_URL` is by default."""
    with client_for(settings_for(database, cors_origins=None)) as client:
        yield client


# What a page may read


def test_a_listed_origin_may_read_every_answer(alice: Person) -> None:
    for response in (
        alice.get(headers={"Origin": ORIGIN}),
        alice.get(headers={"Origin": ORIGIN, "If-None-Match": "*"}),
        alice.post(json={}, headers={"Origin": ORIGIN}),
        alice.http.get(alice.tasks, headers={"Origin": ORIGIN}),
        alice.http.options(alice.tasks, headers={"Origin": ORIGIN}),
        alice.http.get("/docs/assets/favicon.png", headers={"Origin": ORIGIN}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert response.headers["Access-Control-Allow-Credentials"] == "true"
        assert response.headers["Vary"] == "Origin"


def test_every_header_of_the_document_can_be_read(alice: Person) -> None:
    response = alice.get(headers={"Origin": ORIGIN})
    exposed = listed(response.headers["Access-Control-Expose-Headers"])
    assert "*" not in exposed, "which means nothing together with credentials"
    assert {"Accept-Patch", "Allow", "Date", "ETag", "Link", "Location"} <= exposed
    documented = set(headers_in(alice.http.get("/openapi.json").json()))
    assert len(documented) > 5
    assert documented <= exposed


def headers_in(node: object) -> Iterator[str]:
    """The names of the headers of all responses."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "responses":
                yield from (name for each in value.values() for name in each.get("headers", ()))
            yield from headers_in(value)


def test_an_event_stream_can_be_read(alice: Person) -> None:
    token = {"Authorization": f"Bearer {alice.token}"}
    with alice.http.stream(
        "GET", f"{alice.tasks}/events", headers=token | {"Origin": ORIGIN}
    ) as response:
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert next(response.iter_lines()).startswith("retry")


def test_every_error_can_be_read(
    alice: Person, limited: httpx.Client, broken: httpx.Client, stranded: httpx.Client
) -> None:
    """So that a page learns why, and when to try again, instead of "Failed to fetch"."""
    body = {"Content-Type": "application/json"}

    def origin(**more: str) -> dict[str, str]:
        return {"Origin": ORIGIN, "Authorization": f"Bearer {alice.token}"} | more

    answers = [
        alice.http.get(alice.tasks, headers={"Origin": ORIGIN}),
        alice.get("/api/1/tasks", headers=origin()),
        alice.get("/999999", headers=origin()),
        alice.request("DELETE", headers=origin()),
        alice.post(headers=origin() | body, content=b" " * 200_000),
        alice.post(headers=origin(), content=b"x"),
        alice.post(headers=origin() | body, content=b"{}"),
        broken.get("/bug", headers=origin()),
        stranded.get(alice.tasks, headers=origin()),
    ]
    assert [it.status_code for it in answers] == [401, 403, 404, 405, 413, 415, 422, 500, 503]
    for answer in answers:
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN, answer.status_code
        assert "Retry-After" in listed(answer.headers["Access-Control-Expose-Headers"])


@pytest.mark.parametrize("origin", ["https://a.preview.example.com", "capacitor://localhost"])
def test_a_page_that_sends_too_much_can_read_when_to_try_again(
    alice: Person, limited: httpx.Client, origin: str
) -> None:
    alice = Person(alice.id, alice.token, limited)
    many = [alice.get(headers={"Origin": origin}) for _ in range(20)]
    refused = next(each for each in many if each.status_code == 429)
    assert refused.headers["Access-Control-Allow-Origin"] == origin
    assert {"RateLimit", "Retry-After"} <= listed(refused.headers["Access-Control-Expose-Headers"])


def test_a_page_that_sends_too_slowly_can_read_that(alice: Person, limited: httpx.Client) -> None:
    origin = "https://a.preview.example.com"
    fields = (f"Origin: {origin}", f"Authorization: Bearer {alice.token}", "Content-Length: 9")
    [slow] = exchange(limited, request("POST", alice.tasks, *fields, JSON))
    assert slow.status == 408
    assert slow.headers["access-control-allow-origin"] == origin


def test_a_response_varies_by_origin_where_pages_may_call_at_all(
    http: httpx.Client, closed: httpx.Client
) -> None:
    """Otherwise a cache could hand a page the response that was meant for another one."""
    for path in ("/", "/api/1/tasks", "/openapi.json", "/docs/assets/favicon.png", "/nothing"):
        for head in ({}, {"Origin": ORIGIN}, {"Origin": "https://evil.example"}):
            assert http.get(path, headers=head).headers["Vary"] == "Origin"
            assert "Vary" not in closed.get(path, headers=head).headers


# What a browser asks before


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("path", ["/api/1/tasks", "/api/1/tasks/1/complete", "/readyz", "/none"])
def test_a_listed_origin_may_ask_before_it_calls_without_a_token(
    http: httpx.Client, method: str, path: str
) -> None:
    response = preflight(http, ORIGIN, path, Method=method)
    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert response.headers["Access-Control-Allow-Credentials"] == "true"
    assert method in listed(response.headers["Access-Control-Allow-Methods"])
    assert response.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert response.headers["Access-Control-Max-Age"] == "86400"
    assert listed(response.headers["Vary"]) == VARY


@pytest.mark.parametrize("names", [MONITORING, WRAPPERS, "x-strange", "X-Strange, x-other", "*"])
def test_whatever_headers_tools_add_pass(http: httpx.Client, names: str) -> None:
    response = preflight(http, ORIGIN, Headers=names)
    assert response.status_code == 204
    assert response.headers["Access-Control-Allow-Headers"] == names


def test_a_page_of_another_network_may_call_if_its_origin_is_listed(http: httpx.Client) -> None:
    asked = {"Private-Network": "true"}
    allowed = preflight(http, ORIGIN, **asked)
    assert allowed.headers["Access-Control-Allow-Private-Network"] == "true"
    assert told(preflight(http, "https://evil.example", **asked)) == set()


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "*",
        "null",
        "http://localhost",
        "http://localhost:3001",
        "https://localhost:3000",
        "HTTP://LOCALHOST:3000",
        "http://localhost:3000.evil.example",
        "http://evil.example",
    ],
)
def test_no_other_origin_is_told_anything(alice: Person, origin: str) -> None:
    assert told(alice.get(headers={"Origin": origin})) == set()
    assert told(alice.http.get(alice.tasks, headers={"Origin": origin})) == set()
    response = preflight(alice.http, origin)
    assert told(response) == set()
    assert listed(response.headers["Vary"]) == VARY
    assert_refused(response, 403, "origin_not_allowed")
    assert "CORS_ORIGINS" in response.json()["detail"]


def test_where_no_page_may_call_a_preflight_says_so(closed: httpx.Client) -> None:
    response = preflight(closed, ORIGIN)
    assert told(response) == set()
    assert_refused(response, 403, "origin_not_allowed")


def test_what_is_no_preflight_is_a_request_like_any_other(http: httpx.Client) -> None:
    """An `OPTIONS` that lacks one of a preflight's two headers."""
    for head in ({"Origin": ORIGIN}, {"Access-Control-Request-Method": "GET"}):
        assert_refused(http.options("/livez", headers=head), 405, "method_not_allowed")


# What the operator is told


def told_of(service: Service, http: httpx.Client, origins: Iterable[str]) -> list[dict[str, str]]:
    """The log's events about origins, after one preflight of each of these was refused."""
    begun = len(service.lines)
    for origin in origins:
        assert preflight(http, origin).status_code == 403
    http.get("/", headers={"X-Request-ID": "the-last-of-them"})
    service.wait_for(re.compile("the-last-of-them"))
    events = [json.loads(line) for line in service.lines[begun:]]
    preflights = [event for event in events if event.get("method") == "OPTIONS"]
    assert {event["reason"] for event in preflights} == {"origin"}
    return [event for event in events if event["level"] == "warning"]


def test_the_log_tells_of_an_origin_once_and_what_would_allow_it(
    development: tuple[Service, Person],
) -> None:
    service, alice = development
    listable, others = "https://my.example", ("null", "https://x y", "a" * 5000)
    first, *rest = told_of(service, alice.http, 3 * [listable, *others])
    assert (first["event"], first["origin"]) == ("origin_refused", listable)
    remedy = f"if you trust its pages, set CORS_ORIGINS={listable}"
    assert first["remedy"] == f"{remedy}, and add this machine's own that you use"
    assert [event["origin"] for event in rest] == ["null", "https://x y", "a" * 300]
    assert {event["remedy"].partition(":")[0] for event in rest} == {
        "CORS_ORIGINS cannot list this origin"
    }
    # Anybody can invent more of them.
    invented = [f"https://invented{number}.example" for number in range(2 * MAX_TOLD)]
    *more, last = told_of(service, alice.http, [*invented, listable])
    assert len(more) == MAX_TOLD - len([listable, *others])
    assert last["event"] == "origins_refused"
    assert told_of(service, alice.http, ["https://late.example"]) == []


def test_a_page_on_any_port_of_this_machine_may_call_the_embedded_service(
    development: tuple[Service, Person],
) -> None:
    _, alice = development
    for origin in ("http://localhost:3000", "http://127.0.0.1:5173", "http://[::1]:4200"):
        assert preflight(alice.http, origin).status_code == 204
        assert alice.get(headers={"Origin": origin}).status_code == 200


def test_the_log_repeats_what_is_listed_already(database: DatabaseUrl, tmp_path: Path) -> None:
    listed = "https://app.example.com,https://*.preview.example.com"
    settings = {
        "API_PORT": 0,
        "BETTER_AUTH_SECRET": SECRET,
        "CORS_ORIGINS": listed,
        "DATABASE_URL": as_service(database).dsn,
    }
    with started("taskapi", "serve", folder=tmp_path, settings=settings) as service:
        address = service.wait_for(ADDRESS)["url"]
        service.wait_for(READY)
        with client_of(address) as http:
            preflight(http, "tauri://localhost")
        said = service.wait_for(re.compile(r"set CORS_ORIGINS=([^\"]+)"))
        assert said[1] == f"{listed},tauri://localhost"
