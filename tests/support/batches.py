"""How the tests send batches."""

from collections.abc import Mapping
from typing import Any

import httpx

from support.people import Person

Json = dict[str, Any]


def batch(person: Person, *operations: Json, atomic: bool = True, **options: Any) -> httpx.Response:
    """Send a batch."""
    body: Json = {"operations": operations} | ({} if atomic else {"atomic": False})
    return person.post("/batch", json=body, **options)


def done(person: Person, *operations: Json, **options: Any) -> list[Json]:
    """The results of a batch."""
    response = batch(person, *operations, **options)
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert list(response.json()) == ["results"]
    results: list[Json] = response.json()["results"]
    return results


def create(key: str | None = None, title: str = "Buy milk") -> Json:
    """A create, with a key for the task or without one."""
    return {"op": "create", "title": title} | ({} if key is None else {"key": key})


def idempotent(key: str = "once") -> Json:
    """The options of a request with an `Idempotency-Key`."""
    return {"headers": {"Idempotency-Key": key}}


def statuses(results: list[Json]) -> list[int]:
    """The status of each result."""
    return [result["status"] for result in results]


def failure(status: int, code: str, detail: str, **more: object) -> Mapping[str, object]:
    """The result of an operation that was not done."""
    usual = {"status": status, "task": None, "etag": None}
    return {**usual, "code": code, "detail": detail, "current": None, **more}


DELETED = "The request took effect, and its task has been deleted since."

GONE = failure(410, "task_deleted", DELETED)

NOT_FOUND = failure(404, "task_not_found", "There is no such task.")
