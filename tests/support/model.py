"""The service as a few dictionaries: what it may answer to a request, and what that changes.

An answer is not predicted, as ids and times are the database's to choose. It is checked against
everything that came before: `Model.apply` raises `Impossible` where the service could not have
given it, and otherwise remembers what it said.
"""

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

import httpx

from support.calls import WHITE_SPACE, moment
from support.people import Person

Json = dict[str, Any]

FIELDS = ["id", "title", "description", "is_completed", "created_at", "updated_at", "user_id"]


class Impossible(AssertionError):
    """The service cannot have given this answer at this point."""


@dataclass(frozen=True)
class Request:
    """What somebody asks.

    Attributes:
        asker: whose token it carries.
        owner: whose tasks its path names.
        kind: the name of a method of `Model` that knows what it does.
        task_id: the task it is about, where it is about one.
        body: its JSON, or None for none.
        query: its parameters.
        conditions: `If-Match` or `If-None-Match`.
        key: its `Idempotency-Key`.
    """

    asker: int
    owner: int
    kind: str
    task_id: int = 0
    body: Json | None = None
    query: tuple[tuple[str, str], ...] = ()
    condition: str | None = None
    key: str | None = None

    @property
    def fingerprint(self) -> str:
        """What makes two requests with the same key the same."""
        return json.dumps([self.kind, self.task_id, self.body, self.condition], sort_keys=True)

    def send(self, people: list[Person]) -> httpx.Response:
        """Ask the service."""
        method, path = ROUTES[self.kind]
        condition = "If-None-Match" if method == "GET" else "If-Match"
        headers = {condition: self.condition, "Idempotency-Key": self.key}
        return people[self.asker].request(
            method,
            people[self.owner].tasks + path.format(self.task_id),
            headers={name: value for name, value in headers.items() if value is not None},
            params=self.query,
            **({} if self.body is None else {"json": self.body}),
        )


ROUTES = {
    "page": ("GET", ""),
    "create": ("POST", ""),
    "batch": ("POST", "/batch"),
    "read": ("GET", "/{}"),
    "put": ("PUT", "/{}"),
    "patch": ("PATCH", "/{}"),
    "delete": ("DELETE", "/{}"),
    "complete": ("PATCH", "/{}/complete"),
}


@dataclass
class Owner:
    """What one user has.

    Attributes:
        id: of the user.
        tasks: by id.
        named: ids of tasks, also deleted ones, by the keys that they were created with.
        kept: first answers by the `Idempotency-Key` that they were given to.
    """

    id: int
    tasks: dict[int, Json] = field(default_factory=dict)
    named: dict[str, int] = field(default_factory=dict)
    kept: dict[str, tuple[str, httpx.Response]] = field(default_factory=dict)

    def newest_first(self) -> list[Json]:
        """All tasks in the order of a list."""
        return sorted(
            self.tasks.values(),
            key=lambda task: (moment(task["created_at"]), task["id"]),
            reverse=True,
        )


@dataclass
class Model:
    """All users, and every id that a task ever had."""

    owners: list[Owner]
    ids: set[int] = field(default_factory=set)

    def apply(self, request: Request, answer: httpx.Response) -> None:
        """Take an answer for what happened.

        Raises:
            Impossible: it cannot have happened.
        """
        if request.asker != request.owner:
            return refused(answer, 403, "forbidden")
        if not is_valid(request):
            return refused(answer, 422, "validation_failed")
        owner = self.owners[request.owner]
        if request.key in owner.kept:
            return repeated(owner, request, answer)
        if "Idempotency-Replayed" in answer.headers:
            raise Impossible("nothing was kept under this key")
        do: Callable[[Owner, Request, httpx.Response], None] = getattr(self, request.kind)
        do(owner, request, answer)
        if request.key is not None and answer.is_success:
            owner.kept[request.key] = (request.fingerprint, answer)
        return None

    def page(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Look at a part of the list."""
        asked = {name: value for name, value in request.query if value}
        wanted = asked.get("is_completed")
        tasks = [
            task
            for task in owner.newest_first()
            if wanted is None or task["is_completed"] is (wanted in {"true", "True"})
        ]
        limit, offset = int(asked.get("limit", 1000)), int(asked.get("offset", 0))
        body = answered(answer, 200)
        same(body["tasks"], tasks[offset : offset + limit])
        same((body["total"], body["limit"], body["offset"]), (len(tasks), limit, offset))
        same(body["has_more"], offset + limit < len(tasks))
        same(body["next_cursor"] is not None, body["has_more"])

    def create(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Add a task."""
        task = answered(answer, 201)
        same(answer.headers["Location"], f"/api/{owner.id}/tasks/{task['id']}")
        self._add(owner, request.body or {}, task)
        tagged(answer, task)

    def read(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Look at a task, unless it is known already."""
        task = owner.tasks.get(request.task_id)
        if task is None:
            return refused(answer, 404, "task_not_found")
        if accepts(request.condition, task) is True:
            same((answer.status_code, answer.content), (304, b""))
        else:
            same(answered(answer, 200), task)
        return tagged(answer, task)

    def put(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Replace what is given and not null."""
        body = request.body or {}
        given = {name: body[name] for name in TEXTS if body.get(name) is not None}
        self._change(owner, request, answer, given)

    def patch(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Merge a patch."""
        self._change(owner, request, answer, patched(request.body or {}))

    def complete(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Set completion, or toggle it; what is set already is left alone."""
        task = owner.tasks.get(request.task_id)
        self._change(owner, request, answer, completed(task, (request.body or {})))

    def delete(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Remove a task."""
        if self._found(owner, request, answer):
            same((answer.status_code, answer.content), (204, b""))
            del owner.tasks[request.task_id]

    def batch(self, owner: Owner, request: Request, answer: httpx.Response) -> None:
        """Do all of it, or nothing; or each operation by itself."""
        body = request.body or {}
        operations: list[Json] = body["operations"]
        if body.get("atomic", True) and (found := first_failure(owner, operations)):
            number, (status, code) = found
            refused(answer, status, code)
            hold(answer.json()["detail"].startswith(f"operations[{number}]: "))
            return
        results = answered(answer, 200)["results"]
        same(len(results), len(operations))
        for operation, result in zip(operations, results, strict=True):
            if failure := failure_of(operation, owner.tasks, owner.named):
                same((result["status"], result["code"]), failure)
                same((result["task"], result["etag"], result["current"]), (None, None, None))
            else:
                self._do(owner, operation, result)

    def _do(self, owner: Owner, operation: Json, result: Json) -> None:
        task_id = named_by(operation, owner.named)
        if result["task"] is not None:
            same(result["etag"], tag_of(result["task"]))
        match operation["op"]:
            case "create" if task_id in owner.tasks:
                same((result["status"], result["task"]), (200, owner.tasks[task_id]))
            case "create":
                same(result["status"], 201)
                self._add(owner, operation, result["task"])
                if "key" in operation:
                    owner.named[operation["key"]] = result["task"]["id"]
            case "delete":
                same(result, {"status": 204, "task": None, "etag": None})
                del owner.tasks[task_id]
            case "update":
                same(result["status"], 200)
                merge(owner, task_id, patched(operation), result["task"])
            case "complete":
                same(result["status"], 200)
                changes = completed(owner.tasks[task_id], operation)
                merge(owner, task_id, changes, result["task"])

    def _add(self, owner: Owner, body: Json, task: Json) -> None:
        same(list(task), FIELDS)
        same(task["title"], body["title"].strip(WHITE_SPACE))
        same(task["description"], body.get("description") or "")
        same((task["is_completed"], task["user_id"]), (body.get("is_completed", False), owner.id))
        same(task["created_at"], task["updated_at"])
        hold(task["id"] not in self.ids)
        self.ids.add(task["id"])
        owner.tasks[task["id"]] = task

    def _change(
        self, owner: Owner, request: Request, answer: httpx.Response, changes: Json
    ) -> None:
        if self._found(owner, request, answer):
            task = answered(answer, 200)
            merge(owner, request.task_id, changes, task)
            tagged(answer, task)

    def _found(self, owner: Owner, request: Request, answer: httpx.Response) -> bool:
        """Whether there is such a task in such a version; otherwise the answer says so."""
        task = owner.tasks.get(request.task_id)
        if task is None:
            refused(answer, 404, "task_not_found")
        elif accepts(request.condition, task) is False:
            refused(answer, 412, "version_mismatch")
            tagged(answer, task)
        else:
            return True
        return False


def named_by(operation: Json, named: dict[str, int]) -> int:
    """The id of the task that an operation names; 0 for none that ever was."""
    task_id: int = operation.get("id", named.get(operation.get("key", ""), 0))
    return task_id


def failure_of(
    operation: Json, there: Collection[int], named: dict[str, int]
) -> tuple[int, str] | None:
    """Status and code of an operation that cannot be done, with these tasks and keys."""
    is_there = named_by(operation, named) in there
    if operation["op"] != "create":
        return None if is_there else (404, "task_not_found")
    return None if is_there or operation.get("key") not in named else (410, "task_deleted")


def first_failure(owner: Owner, operations: list[Json]) -> tuple[int, tuple[int, str]] | None:
    """The number of the first operation that cannot be done after those before it, and why."""
    there, named = set(owner.tasks), dict(owner.named)
    for number, operation in enumerate(operations):
        if failure := failure_of(operation, there, named):
            return number, failure
        if operation["op"] == "delete":
            there.remove(named_by(operation, named))
        elif operation.get("key") not in named:
            named[operation.get("key", "")] = -number - 1  # the id is not known yet
            there.add(-number - 1)
    return None


TEXTS = ("title", "description")
BOUNDS = {"title": 500, "description": 5000}


def is_valid(request: Request) -> bool:
    """Whether a request breaks no rule of its own."""
    body = request.body
    match request.kind:
        case "create":
            return body is not None and is_text(body, "title") and is_patch(body)
        case "put":
            given = {name: body.get(name) for name in TEXTS} if body else {}
            texts = {name: value for name, value in given.items() if value is not None}
            return bool(texts) and all(is_text(texts, name) for name in texts)
        case "patch":
            return body is not None and is_patch(body)
        case "batch":
            return all(
                is_patch(operation)
                for operation in (body or {})["operations"]
                if operation["op"] in {"create", "update"}
            )
    return True


def is_patch(body: Json) -> bool:
    """Whether the members that are there are right; null is only an empty description."""
    given = {
        name: value for name, value in body.items() if name != "description" or value is not None
    }
    return all(is_text(given, name) for name in TEXTS if name in given) and isinstance(
        given.get("is_completed", True), bool
    )


def is_text(body: Json, name: str) -> bool:
    """Whether a member is text of a length that is allowed."""
    value = body.get(name)
    if not isinstance(value, str):
        return False
    measured = value.strip(WHITE_SPACE) if name == "title" else value
    return (name == "description" or measured != "") and len(measured) <= BOUNDS[name]


def patched(body: Json) -> Json:
    """What a merge patch changes."""
    changes = {name: body[name] for name in (*TEXTS, "is_completed") if name in body}
    return changes | ({"description": ""} if changes.get("description", "") is None else {})


def completed(task: Json | None, body: Json) -> Json:
    """What a completion changes: nothing, if it is so already."""
    if task is None:
        return {}
    wanted = body.get("is_completed")
    state = not task["is_completed"] if wanted is None else wanted
    return {"is_completed": state} if state is not task["is_completed"] else {}


def merge(owner: Owner, task_id: int, changes: Json, task: Json) -> None:
    """Take a task for what became of it: changed, and later; or not changed, and not later."""
    before = owner.tasks[task_id]
    if "title" in changes:
        changes = changes | {"title": changes["title"].strip(WHITE_SPACE)}
    same(task, before | changes | {"updated_at": task["updated_at"]})
    then, now = moment(before["updated_at"]), moment(task["updated_at"])
    hold(now > then if changes else now == then)
    owner.tasks[task_id] = task


def tag_of(task: Json) -> str:
    """The `ETag` of a task: its `updated_at` in microseconds."""
    when = moment(task["updated_at"])
    seconds = int(when.replace(microsecond=0).timestamp())
    return f'"{seconds * 1_000_000 + when.microsecond:x}"'


def accepts(condition: str | None, task: Json) -> bool | None:
    """Whether a condition names the version that a task has; None without a condition."""
    if condition is None:
        return None
    named = condition.removeprefix("W/").replace('-gzip"', '"').split(", ")
    return condition == "*" or not {tag_of(task), f'"{task["updated_at"]}"'}.isdisjoint(named)


def tagged(answer: httpx.Response, task: Json) -> None:
    """Hold that an answer names the version of this task."""
    same(answer.headers["ETag"], tag_of(task))


def answered(answer: httpx.Response, status: int) -> Any:
    """The JSON of a success."""
    same(answer.status_code, status)
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str) -> None:
    """Hold that an answer is this refusal."""
    same(answer.status_code, status)
    same(answer.json()["code"], code)


def repeated(owner: Owner, request: Request, answer: httpx.Response) -> None:
    """Hold that a key is answered as it was at first, with tasks as they are by now.

    And only to the request that it was for.
    """
    fingerprint, first = owner.kept[request.key or ""]
    if request.fingerprint != fingerprint:
        return refused(answer, 422, "idempotency_key_reused")
    if request.kind != "batch":
        task = owner.tasks.get(first.json()["id"])
        if task is None:
            return refused(answer, 410, "task_deleted")
        same(answered(answer, first.status_code), task)
        same(answer.headers.get("Location"), first.headers.get("Location"))
        tagged(answer, task)
    else:
        results = [result_now(owner, result) for result in first.json()["results"]]
        same(answered(answer, 200)["results"], results)
    return same(answer.headers.get("Idempotency-Replayed"), "true")


def result_now(owner: Owner, result: Json) -> Json:
    """The result of an operation in a repetition: a deletion stays one."""
    if result["task"] is None:
        return result
    task = owner.tasks.get(result["task"]["id"])
    if task is not None:
        return {"status": result["status"], "task": task, "etag": tag_of(task)}
    detail = "The request took effect, and its task has been deleted since."
    gone: Json = {"status": 410, "task": None, "etag": None}
    return gone | {"code": "task_deleted", "detail": detail, "current": None}


def same(found: object, expected: object) -> None:
    """Hold that two values are equal."""
    if found != expected:
        raise Impossible(f"{found!r}\nis not\n{expected!r}")


def hold(so: bool) -> None:
    """Hold that something is so."""
    if not so:
        raise Impossible
