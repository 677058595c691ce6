"""What clients need passes HAProxy: all operations, queries and user ids, and the docs page."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote

import pytest

from deploy.http2 import status_over_http2
from support.haproxy import CLOSED, Balancer
from support.people import Person, token_for


@pytest.fixture
def alice(alice: Person, balancer: Balancer) -> Iterator[Person]:
    """Alice, who reaches the service through HAProxy."""
    with balancer.client() as http:
        yield Person(alice.id, alice.token, http)


def test_every_operation_passes(alice: Person) -> None:
    task = alice.create("Buy milk")
    one = f"/{task['id']}"
    for method, path, body, status in (
        ("GET", "", None, 200),
        ("GET", one, None, 200),
        ("PUT", one, {"title": "Buy oat milk"}, 200),
        ("PATCH", one, {"description": "Two litres"}, 200),
        ("PATCH", f"{one}/complete", None, 200),
        ("POST", "/batch", {"operations": [{"op": "complete", "id": task["id"]}]}, 200),
        ("DELETE", one, None, 204),
        ("GET", one, None, 404),
    ):
        response = alice.request(method, path, json=body) if body else alice.request(method, path)
        assert response.status_code == status, (method, path)
    assert "X-Request-ID" in alice.request("HEAD").headers


def test_every_path_of_the_document_for_clients_passes(balancer: Balancer) -> None:
    with balancer.client() as http:
        for path, operations in http.get("/openapi.json").json()["paths"].items():
            target = path.format(user_id=1, task_id=7)
            for method in operations:
                assert balancer.asked(target, method.upper()).passed is (path not in CLOSED)


def test_what_agents_need_passes(balancer: Balancer) -> None:
    metadata = "/.well-known/oauth-protected-resource"
    for method, path in (("POST", "/mcp"), ("GET", metadata), ("GET", f"{metadata}/mcp")):
        assert balancer.asked(path, method).passed


def test_queries_pass_as_they_are(alice: Person) -> None:
    title = "50% off / a&b=c;d #1 \"é🎂\" '..' %2e %0A //metrics"
    created = [alice.create(title) for _ in range(3)]
    question = {"q": title, "sort": "-title", "is_completed": "false", "limit": "2"}
    first = alice.get(params=question | {"created_since": "2026-01-31T09:30:00+01:00"})
    assert [task["title"] for task in first.json()["tasks"]] == [title, title]
    second = alice.get(first.links["next"]["url"])
    assert second.json()["tasks"] == created[:1]
    assert alice.get(f"?sort=title&q={quote(title, safe='')}").json()["total"] == 3


def test_a_browser_gets_its_preflight_and_the_page_its_files(balancer: Balancer) -> None:
    headers = {"Origin": "http://localhost:3000", "Access-Control-Request-Method": "PUT"}
    with balancer.client() as http:
        preflight = http.options("/api/1/tasks/7", headers=headers)
        assert preflight.headers["Access-Control-Allow-Origin"] == headers["Origin"]
        files = re.findall(r'(?:href|src)="(.+?)"', http.get("/docs").text)
        script = http.get("/docs/start.js").text
        for path in (*files, *re.findall(r'url: "(.+?)"', script), "/"):
            assert http.get(path).status_code == 200, path


USER_IDS = """
1 9223372036854775807 Kx3mQ9vT2bLw 0f9c5a4b-e1d9-4f0c-8f3f-5f0f6a1d2c3b alice@example.com
auth0|5f7c8ec7 google-oauth2:1 o'neil a+b x~y a.b ... - {1} <&;=#?> " Ünal 用户 🎂
"""

ENDS = ["\u0080", "\u07ff", "\u0800", "\uffff", "\U00010000", "\U0010ffff"]
"""Of what UTF-8 writes in two, three and four bytes."""


@pytest.mark.parametrize("user_id", [*USER_IDS.split(), *ENDS, "a b"], ids=ascii)
def test_every_user_id_passes_as_clients_write_it(balancer: Balancer, user_id: str) -> None:
    """Python's `quote`, JavaScript's `encodeURIComponent`, and what needs no encoding."""
    for safe in ("", "!*'()", "!$&'()*+,=:@"):
        address = f"/api/{quote(user_id, safe=safe)}/tasks"
        answer = balancer.asked(address)
        assert (answer.passed, answer.status) == (True, 401), address
        assert balancer.asked(f"{address}/7/complete", "PATCH").passed


def test_other_versions_and_forms_of_what_is_open_pass(balancer: Balancer, alice: Person) -> None:
    assert balancer.asked("/docs", version="1.0").passed
    assert balancer.asked(f"http://balancer{alice.tasks}?limit=1").status == 401
    with balancer.connected() as connection:
        assert status_over_http2(connection, "GET", f"{alice.tasks}?limit=1") == 401


def test_the_service_gets_a_path_whatever_the_client_sent(tmp_path: Path) -> None:
    """So both read the same path, even where they would take an address apart differently."""
    target = "/api/a%40b/tasks?q=http://x/%20"
    with listening() as (port, received), Balancer(tmp_path, [port]).running() as balancer:
        balancer.asked(f"http://balancer{target}")
        with balancer.connected() as connection:
            status_over_http2(connection, "GET", target)
    assert [path for path in received if path != "/readyz"] == [target, target]


@contextmanager
def listening() -> Iterator[tuple[int, list[str]]]:
    """A port in the place of a replica, and the targets of the requests that arrive there."""
    received: list[str] = []

    class Noting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            received.append(self.path)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Noting) as server:
        threading.Thread(target=server.serve_forever).start()
        try:
            yield server.server_port, received
        finally:
            server.shutdown()


def test_a_refusal_is_of_the_services_shape(balancer: Balancer) -> None:
    with balancer.client() as http:
        refused, own = http.get("/metrics"), http.get("/api/1/nothing", headers=bearer("1"))
    assert (refused.status_code, refused.headers["Content-Type"]) == (404, "application/json")
    assert refused.json().items() <= own.json().items()


def bearer(user_id: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token_for(user_id)}"}
