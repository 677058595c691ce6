"""Writes that are sent again and again, and what must be the same each time."""

from dataclasses import dataclass
from typing import Any

import httpx

from support.calls import REPEATABLE, call
from support.people import Person

CREATE, PATCH, COMPLETE, BATCH = REPEATABLE

Json = dict[str, Any]


@dataclass
class Write:
    """A write of Alice's that shows when it takes effect twice, and the key that it is sent with.

    Attributes:
        person: who sends it.
        operation: a key of `calls.CALLS`.
        task_id: the task that it is about.
        key: the `Idempotency-Key`, or None for none.
    """

    person: Person
    operation: str
    task_id: object
    key: str | None = "a-key"

    def __call__(self, **changed: Any) -> httpx.Response:
        """Send it, with this change of the request."""
        headers = {} if self.key is None else {"Idempotency-Key": self.key}
        options: Json = self.body() | changed | {"headers": headers | changed.get("headers", {})}
        ids: Json = {"user_id": self.person.id, "task_id": self.task_id}
        return call(self.person.http, self.operation, **ids, token=self.person.token, **options)

    def body(self) -> Json:
        toggle = {"op": "complete", "id": self.task_id}
        bodies: dict[str, Json] = {
            CREATE: {"json": {"title": "Buy tea", "description": "Green"}},
            PATCH: {"json": {"title": "Buy tea"}},
            COMPLETE: {"content": b""},
            BATCH: {"json": {"operations": [{"op": "create", "title": "Buy tea"}, toggle]}},
        }
        return bodies[self.operation]


def tasks_in(answer: httpx.Response) -> list[Json]:
    """The tasks in an answer to such a write."""
    body = answer.json()
    return [result["task"] for result in body["results"]] if "results" in body else [body]


def assert_same(again: httpx.Response, first: httpx.Response) -> None:
    """Hold that this is the first answer once more, and says so."""
    assert again.headers.get("Idempotency-Replayed") == "true"
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for name in ("Content-Type", "ETag", "Location"):
        assert again.headers.get(name) == first.headers.get(name)


def assert_took_effect_once(write: Write, tasks: list[Json]) -> None:
    """Hold that these are all tasks of a person who had one, and sent this write to it."""
    [task] = [task for task in tasks if task["id"] == write.task_id]
    assert len(tasks) == (2 if write.operation in {CREATE, BATCH} else 1)
    assert task["is_completed"] is (write.operation in {COMPLETE, BATCH})
