"""What is around the API: health, metrics, index and documentation, none of which needs a token.

Also the addresses and methods that no route knows, and which origins a browser may call from.
"""

import re
from collections.abc import Iterator
from html.parser import HTMLParser

import httpx
import pytest

from contract.calls import assert_refused
from contract.wire import answer_to, head_of
from support import Person, client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl

ORIGIN = "http://localhost:3000"


def test_the_index_leads_to_everything_else(http: httpx.Client) -> None:
    index = http.get("/").json()
    assert index["name"] == "taskapi"
    for name in ("live", "ready", "metrics", "documentation", "openapi"):
        assert http.get(index[name]).status_code == 200


def test_the_process_lives_and_is_ready(http: httpx.Client) -> None:
    assert http.get("/livez").json() == {"status": "alive"}
    assert http.get("/readyz").json() == {"status": "ready"}


def test_metrics_count_requests_by_route_and_not_by_address(alice: Person) -> None:
    alice.get(f"/{alice.create()['id']}")
    response = alice.http.get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    label = 'method="GET",route="/api/{user_id}/tasks/{task_id}",status="200"'
    assert f"taskapi_requests_total{{{label}}}" in response.text
    assert alice.id not in response.text


def test_a_token_is_neither_needed_nor_looked_at(http: httpx.Client) -> None:
    for path in ("/", "/livez", "/readyz", "/metrics", "/docs", "/openapi.json"):
        response = http.get(path, headers={"Authorization": "Bearer nonsense"})
        assert response.status_code == 200, path
        assert response.headers["X-Content-Type-Options"] == "nosniff"


# Documentation


class Links(HTMLParser):
    """Collects what a page loads."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.feed(page)

    def handle_starttag(self, _tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.loaded += [value for name, value in attrs if name in {"src", "href"} and value]


def test_the_documentation_loads_from_here_alone(http: httpx.Client) -> None:
    page = http.get("/docs")
    loaded = Links(page.text).loaded
    assert len(loaded) >= 3
    for path in loaded:
        assert path.startswith("/")
        assert http.get(path).status_code == 200
    policy = page.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "http" not in policy


@pytest.fixture(scope="module")
def undocumented(database: DatabaseUrl) -> Iterator[httpx.Client]:
    with (
        serving(settings_for(database, docs_enabled=False)) as address,
        client_of(address) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "path", ["/docs", "/openapi.json", "/docs/start.js", "/docs/assets/swagger-ui.css", "/redoc"]
)
def test_the_documentation_can_be_left_out(undocumented: httpx.Client, path: str) -> None:
    assert_refused(undocumented.get(path), 404, "route_not_found")


def test_without_documentation_the_index_does_not_name_it(undocumented: httpx.Client) -> None:
    assert not undocumented.get("/").json().keys() & {"documentation", "openapi"}


def test_the_page_gets_every_file_that_it_names(http: httpx.Client) -> None:
    named = re.findall(r'(?:href|src)="(.+?)"', http.get("/docs").text)
    assert len(named) == 4
    for path in named:
        assert http.get(path).status_code == 200, path
    first = http.get(named[0])
    again = http.get(named[0], headers={"If-None-Match": first.headers["ETag"]})
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/docs/assets/",
        "/docs/assets/%00",
        "/docs/assets/redoc.standalone.js",
        "/docs/assets/./swagger-ui.css",
        "/docs/assets//swagger-ui.css",
        "/docs/assets/docs/assets/swagger-ui.css",
        "/docs/assets/../../pyproject.toml",
        "/docs/assets/..%2f__init__.py",
        "/docs/assets/%2e%2e/__init__.py",
        "/docs/assets//etc/passwd",
    ],
)
def test_nothing_but_the_pages_own_files_is_served(http: httpx.Client, path: str) -> None:
    answer = answer_to(http, head_of("GET", path))
    assert answer.startswith(b"HTTP/1.1 404 ")


# Addresses and methods that no route knows


@pytest.mark.parametrize(
    "path",
    [
        "/api/{id}",
        "/api/{id}/",
        "/api/{id}//tasks",
        "/api/{id}/./tasks",
        "/api/{id}/TASKS",
        "/api/{id}/tasks/",
        "/api/{id}/tasks//",
        "/api/{id}/tasks;x",
        "/api/{id}/tasks%2F%2F",
        "/api/{id}/tasks/1/",
        "/api/{id}/tasks/1/2",
        "/api/{id}/tasks/1/../..",
        "/api/{id}/tasks/1/complete/",
    ],
)
def test_an_address_has_one_spelling_and_no_redirect(alice: Person, path: str) -> None:
    head = head_of("GET", path.format(id=alice.id), f"Authorization: Bearer {alice.token}")
    answer = answer_to(alice.http, head)
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"location" not in answer.lower()


@pytest.mark.parametrize(
    "path", ["//api/1/tasks", "/API/1/tasks", "/x/../api/1/tasks", "/api", "/*"]
)
def test_what_is_not_under_api_is_404_for_everybody(http: httpx.Client, path: str) -> None:
    assert answer_to(http, head_of("GET", path)).startswith(b"HTTP/1.1 404 ")


@pytest.mark.parametrize(
    "path", ["/api/../api/1/tasks", "/api/%2e%2e/x", "/api//1/tasks", "/api/1%2Ftasks"]
)
def test_what_is_under_api_is_401_for_nobody(http: httpx.Client, path: str) -> None:
    assert answer_to(http, head_of("GET", path)).startswith(b"HTTP/1.1 401 ")


@pytest.mark.parametrize("method", ["OPTIONS", "TRACE", "CONNECT", "PROPFIND", "PURGE"])
def test_an_unknown_method_is_401_or_405_and_never_500(alice: Person, method: str) -> None:
    path = "localhost:1" if method == "CONNECT" else alice.tasks
    token = f"Authorization: Bearer {alice.token}"
    for headers in ((), (token,)):
        status = answer_to(alice.http, head_of(method, path, *headers)).split()[1]
        assert status in {b"400", b"401", b"404", b"405"}


def test_a_method_that_is_no_word_is_400(http: httpx.Client) -> None:
    for method in ("get", "G@T", "GETT", ""):
        assert answer_to(http, head_of(method, "/livez")).startswith(b"HTTP/1.1 400 ")


# Origins that a browser may call from


def allowed(response: httpx.Response) -> set[str]:
    """The headers that say anything about origins."""
    return {name for name in response.headers if name.startswith("access-control-")}


def test_a_listed_origin_may_read_every_answer(alice: Person) -> None:
    for response in (
        alice.get(headers={"Origin": ORIGIN}),
        alice.post(json={}, headers={"Origin": ORIGIN}),
        alice.http.get(alice.tasks, headers={"Origin": ORIGIN}),
    ):
        assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "Origin" in response.headers["Vary"]
        exposed = response.headers["Access-Control-Expose-Headers"].split(", ")
        assert {"Location", "X-Request-ID", "WWW-Authenticate", "Retry-After"} <= set(exposed)
        assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_a_listed_origin_may_ask_before_it_calls_without_a_token(
    alice: Person, method: str
) -> None:
    response = alice.http.options(
        alice.tasks,
        headers={
            "Origin": ORIGIN,
            "Access-Control-Request-Method": method,
            "Access-Control-Request-Headers": "authorization,content-type",
        },
    )
    assert response.is_success
    assert response.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")
    named = response.headers["Access-Control-Allow-Headers"].lower()
    assert {"authorization", "content-type"} <= set(re.split(r", *", named))


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
    asked = {"Origin": origin, "Access-Control-Request-Method": "GET"}
    assert allowed(alice.get(headers={"Origin": origin})) == set()
    assert allowed(alice.http.get(alice.tasks, headers={"Origin": origin})) == set()
    preflight = alice.http.options(alice.tasks, headers=asked)
    assert allowed(preflight) == set()
    assert_refused(preflight, 401, "not_authenticated")
