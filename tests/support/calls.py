"""How to call each operation of the API: the table that every new route has to be entered in."""

import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx


@dataclass(frozen=True)
class Call:
    """One right call of an operation.

    Attributes:
        success: the status of its answer.
        body: what it sends as JSON, about the task with a given id; None for an operation that is
            called without a body.
        streams: whether its answer need not end.
        query: what it cannot be called without.
        file: what it sends that is not JSON.
    """

    success: int
    body: Callable[[object], object] | None = None
    streams: bool = False
    query: str = ""
    file: bytes | None = None


CALLS = {
    "GET /api/{user_id}/tasks": Call(200),
    "POST /api/{user_id}/tasks": Call(201, lambda _: {"title": "Sent"}),
    "POST /api/{user_id}/tasks/batch": Call(
        200, lambda task_id: {"operations": [{"op": "update", "id": task_id, "title": "Sent"}]}
    ),
    "GET /api/{user_id}/tasks/changes": Call(200),
    "GET /api/{user_id}/tasks/events": Call(200, streams=True),
    "GET /api/{user_id}/tasks/export": Call(200, query="?format=jsonl"),
    "POST /api/{user_id}/tasks/import": Call(
        200, query="?format=jsonl", file=b'{"title": "Sent"}\n'
    ),
    "GET /api/{user_id}/tasks/{task_id}": Call(200),
    "PUT /api/{user_id}/tasks/{task_id}": Call(200, lambda _: {"title": "Sent"}),
    "PATCH /api/{user_id}/tasks/{task_id}": Call(200, lambda _: {"title": "Sent"}),
    "DELETE /api/{user_id}/tasks/{task_id}": Call(204),
    "PATCH /api/{user_id}/tasks/{task_id}/complete": Call(200, lambda _: {"is_completed": True}),
}

WITH_ID_IN_PATH = [operation for operation in CALLS if "{task_id}" in operation]
ABOUT_ONE_TASK = [*WITH_ID_IN_PATH, "POST /api/{user_id}/tasks/batch"]
WITH_BODY = [operation for operation, call in CALLS.items() if call.body is not None]

CONDITIONAL = [operation for operation in WITH_ID_IN_PATH if not operation.startswith("GET")]
"""Those that take `If-Match`."""

REPEATABLE = [
    "POST /api/{user_id}/tasks",
    "PATCH /api/{user_id}/tasks/{task_id}",
    "PATCH /api/{user_id}/tasks/{task_id}/complete",
    "POST /api/{user_id}/tasks/batch",
]
"""Those that take an `Idempotency-Key`."""

NO_TASK = 2**63 - 1
"""An id that no task has."""


WHITE_SPACE = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)
"""Unicode's White_Space, which titles are trimmed of."""


def call(  # noqa: PLR0913 - each of them is what some test changes about a right call
    http: httpx.Client,
    operation: str,
    *,
    user_id: object,
    token: str | None,
    task_id: object = NO_TASK,
    query: str = "",
    **options: Any,
) -> httpx.Response:
    """Call an operation as the table says, for any path, token and change of the request."""
    method, _, path = operation.partition(" ")
    headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
    headers |= options.pop("headers", {})
    right = CALLS[operation]
    if not options.keys() & {"content", "json"}:
        if right.body is not None:
            options["json"] = right.body(task_id)
        elif right.file is not None:
            options["content"] = right.file
    url = path.format(user_id=user_id, task_id=task_id) + (query or right.query)
    if right.streams:
        return _begun(http, method, url, headers=headers, **options)
    return http.request(method, url, headers=headers, **options)


def _begun(http: httpx.Client, method: str, url: str, **options: Any) -> httpx.Response:
    """A response that need not end: its first part, or the whole of an error."""
    with http.stream(method, url, **options) as response:
        content = response.read() if response.is_error else next(response.iter_bytes())
    return httpx.Response(
        response.status_code, headers=response.headers, content=content, request=response.request
    )


def assert_refused(response: httpx.Response, status: int, code: str) -> None:
    """Hold that this is the refusal with this status and code, in the one shape of all errors."""
    request = response.request
    assert response.status_code == status, f"{request.method} {request.url}: {response.text}"
    assert response.headers["Content-Type"] == "application/json"
    answer = response.json()
    current = ["current"] if code == "version_mismatch" else []
    assert list(answer) == ["detail", "code", "request_id", *current]
    assert answer["request_id"] == response.headers["X-Request-ID"]
    assert answer["code"] == code
    assert answer["detail"]
    assert isinstance(answer["detail"], list if status == 422 else str)


def moment(text: object) -> datetime:
    """A time as tasks have it: RFC 3339 in UTC, with a Z. As text, times have no order."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z", str(text)), text
    return datetime.fromisoformat(str(text))


def at_once(requests: Sequence[Callable[[], httpx.Response]]) -> list[httpx.Response]:
    """Send requests in parallel; their answers in the requests' order."""
    with ThreadPoolExecutor(len(requests)) as many:
        return [answer.result() for answer in [many.submit(request) for request in requests]]
