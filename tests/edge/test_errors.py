"""Errors: one shape for all of them, in one order, and nothing in them that is not for clients.

FR-010 to FR-012, FR-019, SC-004, SC-008, SC-009.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import httpx
import pytest

from support.calls import CALLS, NO_TASK, WITH_BODY, assert_refused, call
from support.people import Person, token_for
from support.programs import run_script
from support.wire import answer_to, head_of

JSON = {"Content-Type": "application/json"}
PROBLEM = "application/problem+json"
TITLES = {413: "Content Too Large", 422: "Unprocessable Content"}  # Python's, from 3.13 on
TOO_LARGE = b" " * (1024 * 1024 + 1)  # also for a batch


@dataclass(frozen=True)
class Stage:
    """Alice, and the services on which each error can be seen."""

    alice: Person
    strict: httpx.Client
    stranded: httpx.Client
    broken: httpx.Client


@pytest.fixture
def stage(
    alice: Person, strict: httpx.Client, stranded: httpx.Client, broken: httpx.Client
) -> Stage:
    return Stage(alice, strict, stranded, broken)


Headers = dict[str, str]
Provoke = Callable[[Stage, Headers], httpx.Response]


def by_nobody(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.http.get(stage.alice.tasks, headers=headers)


def with_nonsense(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get(headers=headers | {"Authorization": "Bearer nonsense"})


def too_late(stage: Stage, headers: Headers) -> httpx.Response:
    expired = token_for(stage.alice.id, exp=1)
    return stage.alice.get(headers=headers | {"Authorization": f"Bearer {expired}"})


def on_a_foreign_path(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get("/api/1/tasks", headers=headers)


def for_a_missing_task(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get(f"/{NO_TASK}", headers=headers)


def as_an_unknown_user(stage: Stage, headers: Headers) -> httpx.Response:
    stage.alice.http = stage.strict
    return stage.alice.get(headers=headers)


def to_no_route_of_ones_own(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get(f"/api/{stage.alice.id}/nothing", headers=headers)


def to_no_route_at_all(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.http.get("/nothing", headers=headers)


def to_no_file(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.http.get("/docs/assets/nothing.js", headers=headers)


def with_a_wrong_method(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.request("DELETE", headers=headers)


def with_a_wrong_method_outside(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.http.post("/livez", headers=headers)


def with_a_large_body(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.post(content=TOO_LARGE, headers=headers | JSON)


def with_a_form(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.post(data={"title": "Buy milk"}, headers=headers)


def with_no_title(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.post(json={}, headers=headers)


def with_broken_json(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.post(content="{", headers=headers | JSON)


def with_a_wrong_id(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get("/first", headers=headers)


def with_a_wrong_query(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get("?colour=blue", headers=headers)


def with_an_outdated_version(stage: Stage, headers: Headers) -> httpx.Response:
    path, outdated = f"/{stage.alice.create()['id']}", {"If-Match": '"outdated"'}
    return stage.alice.put(path, json={"title": "Buy tea"}, headers=headers | outdated)


def with_a_condition_that_is_none(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.get(headers=headers | {"If-None-Match": "outdated"})


def with_a_used_key(stage: Stage, headers: Headers) -> httpx.Response:
    key = {"Idempotency-Key": "one"}
    stage.alice.post(json={"title": "Buy milk"}, headers=key)
    return stage.alice.post(json={"title": "Buy tea"}, headers=headers | key)


def with_a_key_that_is_none(stage: Stage, headers: Headers) -> httpx.Response:
    key = {"Idempotency-Key": "not a key"}
    return stage.alice.post(json={"title": "Buy tea"}, headers=headers | key)


def in_a_batch(stage: Stage, headers: Headers) -> httpx.Response:
    operations = [{"op": "delete", "id": NO_TASK}]
    return stage.alice.post("/batch", json={"operations": operations}, headers=headers)


def with_an_unknown_operation(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.alice.post("/batch", json={"operations": [{"op": "undo"}]}, headers=headers)


def to_a_bug(stage: Stage, headers: Headers) -> httpx.Response:
    return stage.broken.get("/bug", headers=headers)


def to_a_bug_of_the_api(stage: Stage, headers: Headers) -> httpx.Response:
    stage.alice.http = stage.broken
    return stage.alice.get(f"/api/{stage.alice.id}/bug", headers=headers)


def without_a_database(stage: Stage, headers: Headers) -> httpx.Response:
    stage.alice.http = stage.stranded
    return stage.alice.get(headers=headers)


ERRORS = pytest.mark.parametrize(
    ("provoke", "status", "code"),
    [
        (by_nobody, 401, "not_authenticated"),
        (with_nonsense, 401, "invalid_token"),
        (too_late, 401, "token_expired"),
        (on_a_foreign_path, 403, "forbidden"),
        (for_a_missing_task, 404, "task_not_found"),
        (as_an_unknown_user, 404, "user_not_found"),
        (to_no_route_of_ones_own, 404, "route_not_found"),
        (to_no_route_at_all, 404, "route_not_found"),
        (to_no_file, 404, "route_not_found"),
        (with_a_wrong_method, 405, "method_not_allowed"),
        (with_a_wrong_method_outside, 405, "method_not_allowed"),
        (with_a_large_body, 413, "body_too_large"),
        (with_a_form, 415, "unsupported_media_type"),
        (with_no_title, 422, "validation_failed"),
        (with_broken_json, 422, "validation_failed"),
        (with_a_wrong_id, 422, "validation_failed"),
        (with_a_wrong_query, 422, "validation_failed"),
        (with_an_outdated_version, 412, "version_mismatch"),
        (with_a_condition_that_is_none, 422, "validation_failed"),
        (with_a_used_key, 422, "idempotency_key_reused"),
        (with_a_key_that_is_none, 422, "validation_failed"),
        (in_a_batch, 404, "task_not_found"),
        (with_an_unknown_operation, 422, "validation_failed"),
        (to_a_bug, 500, "internal_error"),
        (to_a_bug_of_the_api, 500, "internal_error"),
        (without_a_database, 503, "database_unavailable"),
    ],
)


@ERRORS
def test_every_error_has_the_one_shape(
    stage: Stage, provoke: Provoke, status: int, code: str
) -> None:
    response = provoke(stage, {})
    assert_refused(response, status, code)
    for mistake in response.json()["detail"] if status == 422 else ():
        assert list(mistake) == ["loc", "msg", "type"]


@ERRORS
def test_every_error_is_a_problem_for_those_who_ask_for_one(
    stage: Stage, provoke: Provoke, status: int, code: str
) -> None:
    """RFC 9457, whose `detail` is always a sentence."""
    response = provoke(stage, {"Accept": f"{PROBLEM}, application/json;q=0.5"})
    problem = response.json()
    assert response.status_code == status
    assert response.headers["Content-Type"] == PROBLEM
    assert isinstance(problem.pop("detail"), str)
    assert ("errors" in problem) is (status == 422)
    assert ("current" in problem) is (status == 412)
    for extension in ("errors", "current"):
        problem.pop(extension, None)
    assert problem == {
        "type": "about:blank",
        "title": TITLES.get(status, HTTPStatus(status).phrase),
        "status": status,
        "code": code,
        "request_id": response.headers["X-Request-ID"],
    }


@ERRORS
def test_every_error_has_the_headers_of_its_kind(
    stage: Stage, provoke: Provoke, status: int, code: str
) -> None:
    headers = provoke(stage, {"X-Request-ID": "chosen.by_the-client-1"}).headers
    assert headers["X-Request-ID"] == "chosen.by_the-client-1"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert ("WWW-Authenticate" in headers) is (status == 401)
    assert ("Retry-After" in headers) is (status == 503)
    assert ("Allow" in headers) is (status == 405)
    assert ("ETag" in headers) is (status == 412)


@pytest.mark.parametrize("operation", CALLS)
def test_every_success_has_the_headers_of_every_answer(alice: Person, operation: str) -> None:
    task = alice.create()
    response = call(alice.http, operation, user_id=alice.id, task_id=task["id"], token=alice.token)
    assert response.status_code == CALLS[operation].success
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "provoke",
    [
        by_nobody,
        on_a_foreign_path,
        to_no_route_of_ones_own,
        with_a_wrong_method,
        to_a_bug_of_the_api,
    ],
)
def test_no_error_of_the_api_is_stored_by_a_cache(stage: Stage, provoke: Provoke) -> None:
    assert provoke(stage, {}).headers["Cache-Control"] == "no-store"


# The challenge (RFC 6750, 3)


def test_without_a_token_the_challenge_names_no_error(stage: Stage) -> None:
    challenge = by_nobody(stage, {}).headers["WWW-Authenticate"]
    assert challenge == 'Bearer realm="taskapi"'


@pytest.mark.parametrize("provoke", [with_nonsense, too_late])
def test_with_a_wrong_token_the_challenge_says_what_is_wrong(
    stage: Stage, provoke: Provoke
) -> None:
    response = provoke(stage, {})
    assert response.headers["WWW-Authenticate"] == (
        'Bearer realm="taskapi", error="invalid_token", '
        f'error_description="{response.json()["detail"]}"'
    )


# Methods


def test_405_says_which_methods_an_address_takes(http: httpx.Client, alice: Person) -> None:
    paths = http.get("/openapi.json").json()["paths"]
    for path in paths:
        url = path.format(user_id=alice.id, task_id=1)
        taken = {
            method.upper()
            for template, item in paths.items()
            if re.fullmatch(re.sub(r"{\w+}", "[^/]+", template), url)
            for method in item
        }
        taken |= {"HEAD"} if "GET" in taken else set()
        for method in {"GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"} - taken:
            headers = {"Authorization": f"Bearer {alice.token}"}
            response = http.request(method, url, headers=headers)
            assert_refused(response, 405, "method_not_allowed")
            assert set(response.headers["Allow"].split(", ")) == taken, (method, path)


@pytest.mark.parametrize("path", ["/docs", "/openapi.json", "/docs/assets/swagger-ui.css"])
def test_405_says_so_for_the_documentation_too(http: httpx.Client, path: str) -> None:
    response = http.post(path)
    assert_refused(response, 405, "method_not_allowed")
    assert "GET" in response.headers["Allow"].split(", ")


# Request ids


@pytest.mark.parametrize("request_id", ["a", "A.b_c-9", "x" * 128])
def test_an_acceptable_request_id_is_taken(http: httpx.Client, request_id: str) -> None:
    response = http.get("/nothing", headers={"X-Request-ID": request_id})
    assert response.headers["X-Request-ID"] == request_id
    assert response.json()["request_id"] == request_id


@pytest.mark.parametrize("request_id", ["", "x" * 129, "a b", "a/b", "é", '"', "{}", "a;b"])
def test_any_other_request_id_is_replaced(http: httpx.Client, request_id: str) -> None:
    response = http.get("/nothing", headers=[(b"X-Request-ID", request_id.encode())])
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["X-Request-ID"])
    assert response.json()["request_id"] == response.headers["X-Request-ID"]


def test_no_two_requests_get_the_same_id(http: httpx.Client) -> None:
    assert len({http.get("/livez").headers["X-Request-ID"] for _ in range(20)}) == 20


# The order of the checks: 401, 403, then 413, 415 and 422, then 404

BODIES: dict[str, tuple[int, dict[str, Any]]] = {
    "too large": (413, {"content": TOO_LARGE, "headers": JSON}),
    "of another type": (415, {"content": b"<a/>", "headers": {"Content-Type": "text/xml"}}),
    "malformed": (422, {"content": b"{", "headers": JSON}),
    "not an object": (422, {"json": ["title"]}),
}

BROKEN_BODIES = pytest.mark.parametrize("body", BODIES)


@BROKEN_BODIES
def test_401_comes_before_what_is_wrong_with_the_body(alice: Person, body: str) -> None:
    options = BODIES[body][1]
    for operation in WITH_BODY:
        response = call(alice.http, operation, user_id=1, token=None, **options)
        assert_refused(response, 401, "not_authenticated")


@BROKEN_BODIES
def test_403_comes_before_what_is_wrong_with_the_body(alice: Person, body: str) -> None:
    options = BODIES[body][1]
    for operation in WITH_BODY:
        response = call(alice.http, operation, user_id=1, token=alice.token, **options)
        assert_refused(response, 403, "forbidden")


@BROKEN_BODIES
def test_what_is_wrong_with_the_body_comes_before_404(
    alice: Person, strict: httpx.Client, body: str
) -> None:
    status, options = BODIES[body]
    for operation in WITH_BODY:
        for client in (alice.http, strict):  # here the task is unknown, there the user is
            response = call(client, operation, user_id=alice.id, token=alice.token, **options)
            assert response.status_code == status


@pytest.mark.parametrize("path", ["/api/1/nothing", "/api/1/tasks/1/nothing", "/api/", "/api/1"])
def test_under_api_401_and_403_come_before_404(alice: Person, path: str) -> None:
    assert_refused(alice.http.get(path), 401, "not_authenticated")
    assert_refused(alice.get(path), 403, "forbidden")


def test_under_api_401_and_403_come_before_405(alice: Person, bob: Person) -> None:
    assert_refused(alice.http.delete(alice.tasks), 401, "not_authenticated")
    assert_refused(bob.request("DELETE", alice.tasks), 403, "forbidden")
    assert_refused(alice.request("DELETE"), 405, "method_not_allowed")


# A request that fails an earlier check costs no later one


@pytest.mark.parametrize("operation", CALLS)
def test_no_database_is_needed_for_401_and_403(
    stranded: httpx.Client, alice: Person, operation: str
) -> None:
    """Its database refuses connections: whoever wanted one would get 503, as the owner does."""
    nobody = call(stranded, operation, user_id=alice.id, token=None)
    another = call(stranded, operation, user_id=1, token=alice.token)
    owner = call(stranded, operation, user_id=alice.id, token=alice.token)
    assert_refused(nobody, 401, "not_authenticated")
    assert_refused(another, 403, "forbidden")
    assert_refused(owner, 503, "database_unavailable")
    assert int(owner.headers["Retry-After"]) >= 1


@BROKEN_BODIES
def test_no_database_is_needed_to_see_what_is_wrong_with_a_body(
    stranded: httpx.Client, alice: Person, body: str
) -> None:
    status, options = BODIES[body]
    for operation in WITH_BODY:
        response = call(stranded, operation, user_id=alice.id, token=alice.token, **options)
        assert response.status_code == status


def test_without_a_database_the_process_lives_and_is_not_ready(stranded: httpx.Client) -> None:
    assert stranded.get("/livez").status_code == 200
    response = stranded.get("/readyz")
    assert_refused(response, 503, "database_unavailable")
    assert int(response.headers["Retry-After"]) >= 1


def announcing(path: str, token: str, length: int) -> bytes:
    """The head of a POST that holds its body back until it is asked for it."""
    return head_of(
        "POST",
        path,
        f"Authorization: Bearer {token}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
        "Expect: 100-continue",
    )


def test_no_body_is_read_for_401_403_and_413(alice: Person, bob: Person) -> None:
    """The server says "100 Continue" at the moment when somebody starts to read a body."""
    gigabytes = 10_000_000_000
    for token, path, length, status in (
        ("nonsense", alice.tasks, gigabytes, 401),
        (bob.token, alice.tasks, gigabytes, 403),
        (alice.token, alice.tasks, gigabytes, 413),
        (bob.token, alice.tasks, 20, 403),
    ):
        answer = answer_to(alice.http, announcing(path, token, length))
        assert answer.startswith(f"HTTP/1.1 {status} ".encode())


def test_a_body_is_read_where_all_is_well_so_far(alice: Person) -> None:
    """What the test above does not see is there to be seen."""
    body = b'{"title": "Buy milk"}'
    answer = answer_to(alice.http, announcing(alice.tasks, alice.token, len(body)), body)
    assert answer.startswith(b"HTTP/1.1 100 ")
    assert b"HTTP/1.1 201 " in answer


# A bug: its traceback goes to the log, and nothing of it to the client


def test_nothing_of_an_exception_reaches_the_client(broken: httpx.Client) -> None:
    response = broken.get("/bug")
    shown = f"{response.headers} {response.text}"
    for inside in ("RuntimeError", "nobody's business", "Traceback", ".py", "raise"):
        assert inside not in shown


LOGGED_BUG = """
import asyncio
import httpx
from support.people import SECRET, token_for
from taskapi.app import create_app
from taskapi.config import Settings
from taskapi.edge.route import Route

async def bug() -> dict:
    raise RuntimeError("these words are for the log")

async def ask():
    told = {"better_auth_secret": SECRET, "database_url": "postgresql://host/db"}
    app = create_app(Settings.model_validate(told | {"log_format": "json"}))
    app.router.routes.append(Route("/api/{user_id}/bug", bug, method="GET", requires="tasks:read"))
    headers = {"Authorization": f"Bearer {token_for('7')}", "X-Request-ID": "known-to-both"}
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as http:
        await http.get("/api/7/bug", headers=headers)

asyncio.run(ask())
"""


def test_an_exception_is_logged_with_its_traceback_and_request_id_and_without_the_token() -> None:
    """In a process of its own, whose output is the log."""
    log = run_script(LOGGED_BUG).stdout
    [entry] = [line for line in map(json.loads, log.splitlines()) if line["level"] == "error"]
    assert entry["request_id"] == "known-to-both"
    assert entry["exception"].startswith("Traceback")
    assert "RuntimeError: these words are for the log" in entry["exception"]
    assert "eyJ" not in log
