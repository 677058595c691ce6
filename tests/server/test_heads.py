"""Request lines and headers that are odd, enormous or hostile: refused, or taken for what they are.

None of them reaches somebody else's tasks, and none is answered with a 500.
"""

import re

import httpx
import pytest

from support.people import Person
from support.wire import Answer, assert_refused, connected, exchange, request

LAST = "Connection: close"
JSON = "Content-Type: application/json"

MEGABYTE = 1024 * 1024


def token(person: Person) -> str:
    return f"Authorization: Bearer {person.token}"


def only(http: httpx.Client, *parts: bytes) -> Answer:
    """The one answer to these bytes, after which the service closes the connection."""
    [answer] = exchange(http, *parts)
    return answer


# Size and number


@pytest.mark.parametrize(
    "head",
    [
        request("GET", "/livez", "X: " + "a" * MEGABYTE),
        request("GET", "/livez", "X" * MEGABYTE + ": a"),
        request("GET", "/livez", *["X: " + "a" * 4096] * 300),
        request("GET", "/livez", *["X:"] * 10_000),
        request("GET", "/" + "a" * MEGABYTE),
        request("GET", "/livez?" + "a" * MEGABYTE),
        b"\r\n" * MEGABYTE,
    ],
    ids=["value", "name", "values", "number", "path", "query", "empty lines"],
)
def test_a_head_over_its_bound_is_431(http: httpx.Client, head: bytes) -> None:
    answer = only(http, head)
    assert_refused(answer, 431, "headers_too_large")
    assert b"64 KiB" in answer.body
    assert b"definePayload" in answer.body  # a token may be what is too large


def test_what_never_ends_behind_a_head_is_cut_off(alice: Person) -> None:
    """A chunk's extension and a trailer have no bound of their own."""
    head = request("POST", alice.tasks, token(alice), JSON, "Transfer-Encoding: chunked")
    for endless in (b"2;" + b"a" * 2 * MEGABYTE, b"0\r\nX: " + b"a" * 2 * MEGABYTE):
        assert_refused(only(alice.http, head + endless), 431, "headers_too_large")


def test_a_large_head_is_read_if_it_is_within_its_bound(http: httpx.Client) -> None:
    headers = [f"X-{number}: {'a' * 1000}" for number in range(60)]
    assert only(http, request("GET", "/livez", LAST, *headers)).status == 200


@pytest.mark.parametrize("length", [2_000, 60_000])
def test_a_very_long_path_is_not_found_and_not_repeated(alice: Person, length: int) -> None:
    long = "a" * length
    for path, status in (
        (f"/{long}", 404),
        (f"/api/{alice.id}/{long}", 404),
        (f"/api/{alice.id}/tasks/{long}", 422),
        (f"/api/{long}/tasks", 403),
        (f"/docs/assets/{long}", 404),
        (f"/{'a/' * (length // 2)}", 404),
    ):
        answer = only(alice.http, request("GET", path, token(alice), LAST))
        assert (answer.status, len(answer.body) < 1000) == (status, True)


@pytest.mark.parametrize("length", [66_000, 200_000])
def test_a_target_longer_than_64_kilobytes_is_431(http: httpx.Client, length: int) -> None:
    assert_refused(only(http, request("GET", "/" + "a" * length)), 431, "headers_too_large")


@pytest.mark.parametrize("count", [1, 16, 66])
def test_a_head_of_more_than_64_kilobytes_is_431(http: httpx.Client, count: int) -> None:
    headers = [f"X-{number}: {'a' * (66_000 // count)}" for number in range(count)]
    assert_refused(only(http, request("GET", "/livez", *headers)), 431, "headers_too_large")


EXPENSIVE = {
    "type": "Content-Type: application/json; " + 'a=";"' * 12_000,
    "charset": "Content-Type: application/json; charset=" + '"' * 60_000,
    "tags": "If-Match: " + '"",' * 20_000 + '""',
    "no tags": "If-Match: " + " ,\t" * 20_000 + "x",
    "key": "Idempotency-Key: " + "k" * 60_000,
    "token": "Authorization: Bearer " + "a." * 30_000,
    "id": "X-Request-ID: " + "a" * 60_000,
    "accept": "Accept: " + "a/b;q=0," * 6_000,
    "trace": "traceparent: " + "00-" * 20_000,
    "origin": "Origin: " + "http://" * 8_000,
}


@pytest.mark.parametrize("header", EXPENSIVE.values(), ids=EXPENSIVE)
def test_no_header_is_read_for_longer_than_a_request_may_take(
    hasty: httpx.Client, alice: Person, header: str
) -> None:
    """Where reading takes the square of the length, it takes minutes, and from all clients."""
    task = alice.create()
    name = header.partition(":")[0]
    others = [each for each in (JSON, token(alice)) if not each.startswith(name)]
    head = request("PATCH", f"{alice.tasks}/{task['id']}", *others, header, LAST, body=b"{}")
    assert only(hasty, head).status in {200, 401, 415, 422}


# Host


def test_http_1_1_names_one_host(http: httpx.Client) -> None:
    two = request("GET", "/livez", "Host: other")
    for malformed in (b"GET /livez HTTP/1.1\r\n\r\n", two):
        assert_refused(only(http, malformed), 400, "bad_request")


@pytest.mark.parametrize("host", ["", "evil.example", "evil.example\\@test", "[::1]:8", "a" * 5000])
def test_nothing_is_made_of_what_the_host_says(alice: Person, host: str) -> None:
    head = request("POST", alice.tasks, token(alice), JSON, LAST, body=b'{"title": "x"}')
    answer = only(alice.http, head.replace(b"Host: test", f"Host: {host}".encode()))
    assert answer.status == 201
    assert re.fullmatch(rf"{alice.tasks}/[1-9][0-9]*", answer.headers["location"])
    assert "evil" not in str(answer)


# Targets and paths


@pytest.mark.parametrize("authority", ["test", "other.example", "user:secret@other:99", "[::1]"])
def test_an_absolute_target_is_its_path(alice: Person, authority: str) -> None:
    target = f"http://{authority}{alice.tasks}"
    assert only(alice.http, request("GET", target, token(alice), LAST)).status == 200
    assert_refused(only(alice.http, request("GET", target, LAST)), 401, "not_authenticated")


def test_an_asterisk_is_no_path(alice: Person) -> None:
    for method in ("OPTIONS", "GET", "DELETE"):
        answer = only(alice.http, request(method, "*", token(alice), LAST))
        assert_refused(answer, 404, "route_not_found")


OUTSIDE = [
    "//api/{id}/tasks",
    "/api//{id}/tasks",
    "/api/{id}//tasks",
    "/api/{id}/tasks/",
    "/api/{id}/tasks//",
    "/./api/{id}/tasks",
    "/api/./{id}/tasks",
    "/api/{id}/./tasks",
    "/docs/../api/{id}/tasks",
    "/docs/assets/../../api/{id}/tasks",
    "/docs/assets/..%2f..%2fapi/{id}/tasks",
    "/api/0/../{id}/tasks",
    "/api/{id}/tasks/../../{id}/tasks",
    "/api/%2e%2e/{id}/tasks",
    "/api\\{id}\\tasks",
    "/api;x/{id}/tasks",
    "/api/{id};x/tasks",
    "/api/{id}/tasks;x",
    "/API/{id}/tasks",
    "/api/{id}/Tasks",
    "/api/%00{id}/tasks",
    "/api/{id}%00/tasks",
    "/api/{id}/tasks%00",
    "/api/{id}%20/tasks",
    "/api/%20{id}/tasks",
    "/api/{id}%0d%0a/tasks",
    "/api/+{id}/tasks",
    "/api/0{id}/tasks",
    "/api/{id}.0/tasks",
    "/api/{id}%252Ftasks",
    "/api/{id}/tasks%3Flimit=1",
    "/api/{id}/tasks%23",
    "/api/%FF/tasks",
    "/api/%C0%AF{id}/tasks",
    "/api/%ED%A0%80/tasks",
    "/api/{id}%FF/tasks",
    "/api/%D9%A1/tasks",
    "/api/%/tasks",
    "/api/%zz/tasks",
    "/%61pi%2F%2F{id}/tasks",
    "/api",
    "/api/",
    "/api/%2F{id}/tasks",
]


@pytest.mark.parametrize("path", OUTSIDE)
def test_no_other_spelling_of_a_path_is_understood(alice: Person, path: str) -> None:
    """So that a proxy in front, which reads paths too, never sees another one than we do."""
    answer = only(alice.http, request("GET", path.format(id=alice.id), token(alice), LAST))
    assert answer.status in {403, 404}
    assert "content-type" in answer.headers
    assert b'"tasks"' not in answer.body


@pytest.mark.parametrize("path", [*OUTSIDE, "/api/{id}/tasks", "/%61pi/{id}/tasks"])
def test_no_spelling_of_a_path_passes_the_guard(alice: Person, bob: Person, path: str) -> None:
    target = path.format(id=alice.id)
    alice.create("Alice's own")
    for header in ("X: no token", token(bob)):
        answer = only(alice.http, request("GET", target, header, LAST))
        assert answer.status in {401, 403, 404}
        assert b"own" not in answer.body


def test_escapes_that_mean_the_same_are_the_same(alice: Person) -> None:
    """RFC 3986, 2.3: an escaped letter or digit is that letter or digit."""
    digits = "".join(f"%{ord(digit):02x}" for digit in alice.id)
    for path in (f"/%61pi/{alice.id}/tasks", f"/api/{digits}/tasks"):
        assert only(alice.http, request("GET", path, token(alice), LAST)).status == 200


def test_a_fragment_is_no_part_of_a_path(alice: Person) -> None:
    """No client sends one; who does gets what it names without it."""
    answer = only(alice.http, request("GET", f"{alice.tasks}#x", token(alice), LAST))
    assert answer.status == 200


# Methods


@pytest.mark.parametrize(
    "method",
    ["TRACE", "OPTIONS", "PROPFIND", "LOCK", "PURGE", "QUERY", "LINK", "M-SEARCH", "REPORT"],
)
def test_methods_that_nothing_answers_to_are_405(alice: Person, method: str) -> None:
    answer = only(alice.http, request(method, alice.tasks, token(alice), "X: secret", LAST))
    assert_refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert b"secret" not in answer.body  # as TRACE would have it


@pytest.mark.parametrize(
    "method", ["FETCH", "get", "Get", "GETT", "G\x1b[2J", "G\xc9T", "\0", "G\rT"]
)
def test_what_is_no_method_is_400(alice: Person, method: str) -> None:
    assert_refused(only(alice.http, request(method, alice.tasks, token(alice))), 400, "bad_request")


def test_connect_is_refused_and_its_connection_closed(http: httpx.Client) -> None:
    for target, status in (("test:443", 400), ("/livez", 405)):
        answer = only(http, request("CONNECT", target) + request("GET", "/livez"))
        assert answer.status == status


def test_head_has_the_headers_of_its_refusal_and_no_body(alice: Person) -> None:
    """A body would be taken for the next answer."""
    with connected(alice.http) as wire:
        wire.send(request("HEAD", f"{alice.tasks}/0", token(alice)))
        wire.send(request("GET", "/livez", LAST))
        refused = wire.answer(bodiless=True)
        assert (refused.status, refused.headers["content-type"]) == (422, "application/json")
        [alive] = wire.answers()
    assert alive.json() == {"status": "alive"}


# Headers that come twice, or with something strange in them


def test_two_request_ids_are_none(http: httpx.Client) -> None:
    """Which of them would be in the logs of others, nobody knows."""
    for ids in (
        ("one", "two"),
        ("one", "one"),
        ("one", "not acceptable"),
        ("not acceptable", "two"),
    ):
        headers = [f"X-Request-ID: {name}" for name in ids]
        answer = only(http, request("GET", "/livez", LAST, *headers))
        assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize(
    "hostile",
    ["a\tb", "\x80", "\xff", "a" * 100_000, "{{7*7}}", "%0d%0aSet-Cookie:x", "\u00e9", "a,b"],
)
def test_a_hostile_request_id_is_replaced(http: httpx.Client, hostile: str) -> None:
    answer = only(http, request("GET", "/livez", f"X-Request-ID: {hostile}", LAST))
    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["x-request-id"])


@pytest.mark.parametrize("second", ["text/plain", "application/json", ""])
def test_two_content_types_are_none(alice: Person, second: str) -> None:
    head = request(
        "POST",
        alice.tasks,
        token(alice),
        JSON,
        f"Content-Type: {second}",
        LAST,
        body=b'{"title": "x"}',
    )
    assert_refused(only(alice.http, head), 415, "unsupported_media_type")


def test_two_content_encodings_are_none(alice: Person) -> None:
    headers = (token(alice), JSON, "Content-Encoding: identity", "Content-Encoding: gzip", LAST)
    head = request("POST", alice.tasks, *headers, body=b'{"title": "x"}')
    assert_refused(only(alice.http, head), 415, "unsupported_media_type")


def test_two_tokens_are_none(alice: Person, bob: Person) -> None:
    for first, second in ((alice, bob), (bob, alice), (alice, alice)):
        head = request("GET", alice.tasks, token(first), token(second), LAST)
        assert_refused(only(alice.http, head), 401, "invalid_token")


@pytest.mark.parametrize("name", ["If-Match", "If-None-Match", "Idempotency-Key"])
def test_no_header_twice_causes_a_500(alice: Person, name: str) -> None:
    task = alice.create()
    for method in ("GET", "PATCH"):
        target = f"{alice.tasks}/{task['id']}"
        body = b'{"title": "x"}' if method == "PATCH" else b""
        headers = (f"{name}: one", f'{name}: "two"', token(alice), JSON, LAST)
        answer = only(alice.http, request(method, target, *headers, body=body))
        assert answer.status < 500


# HEAD


def test_head_is_answered_wherever_get_is(alice: Person) -> None:
    """With the headers of GET, its length too, and no content (RFC 9110, 9.3.2)."""
    task = alice.create()
    document = alice.http.get("/openapi.json").json()
    streams = ("/events", "/export")  # whose length is not known before
    finite = (path for path in document["paths"] if not path.endswith(streams))
    paths = [path for path in finite if "get" in document["paths"][path]]
    assert len(paths) > 4
    for path in [*paths, "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"]:
        url = path.format(user_id=alice.id, task_id=task["id"])
        read = alice.get("/" if url == "/" else url) if url.startswith("/api") else None
        read = read or alice.http.get(url)
        head = alice.request("HEAD", url) if url.startswith("/api") else alice.http.head(url)
        assert (head.status_code, head.content) == (200, b""), path
        for name in ("content-type", "etag"):
            assert head.headers.get(name) == read.headers.get(name), (path, name)
        if path != "/metrics":  # which counts in between
            assert head.headers["content-length"] == str(len(read.content)), path


def test_head_keeps_conditions_and_refusals(alice: Person, bob: Person) -> None:
    task = alice.create()
    url = f"/{task['id']}"
    tag = alice.get(url).headers["etag"]
    assert alice.request("HEAD", url, headers={"If-None-Match": tag}).status_code == 304
    assert alice.request("HEAD", bob.tasks).status_code == 403
    assert alice.http.head(alice.tasks).status_code == 401
    assert alice.request("HEAD", "/9999999").status_code == 404


@pytest.mark.parametrize(
    "path",
    ["/metrics", "/livez", "/readyz", "/docs", "/openapi.json", "/docs/assets/swagger-ui.css"],
)
@pytest.mark.parametrize("end", ["%0A", "%0D", "%0D%0A", "%0a", "%00", "%20", "/", "//", "%2F"])
def test_a_route_matches_to_the_very_end(http: httpx.Client, path: str, end: str) -> None:
    """Python's `$` also matches in front of a last line break."""
    assert_refused(only(http, request("GET", path + end, LAST)), 404, "route_not_found")


@pytest.mark.parametrize("end", ["%0A", "%0D%0A"])
def test_a_task_is_not_found_behind_a_line_break(alice: Person, end: str) -> None:
    task = alice.create()
    for path, status in ((f"/{task['id']}{end}", 422), (f"/{task['id']}/complete{end}", 404)):
        sent = request("PATCH", alice.tasks + path, token(alice), LAST)
        assert only(alice.http, sent).status == status
    assert alice.get(f"/{task['id']}").json()["is_completed"] is False
