"""The addresses and methods that no route knows."""

import httpx
import pytest

from support.people import Person
from support.wire import answer_to, head_of


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
