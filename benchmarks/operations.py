"""What is measured: operations, whose tasks they are about, and their requests as bytes."""

import json
import secrets
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache

from joserfc import jwt
from joserfc.jwk import OctKey

from benchmarks.database import DESCRIPTION, TITLES, Task, Users

SECRET = secrets.token_urlsafe(32)
"""Signs the tokens of this run: BETTER_AUTH_SECRET of each server."""

UNIQUE = "{unique}"
"""In a request: replaced by another number each time it is sent."""

READER_OF_1000 = Users(1, 1, 1000)
READER_OF_100 = Users(2, 2, 100)
WRITERS = Users(3, 50, 20)  # many, because the writes of one user may wait for each other
ASKING = (READER_OF_1000, READER_OF_100, WRITERS)
STRANGERS = Users(51, 150, 1000)
"""They only fill the table."""

Body = Mapping[str, object] | None
Headers = Mapping[str, str]


@dataclass(frozen=True, eq=False)  # each is itself
class Operation:
    """One kind of request.

    Attributes:
        name: in tables.
        method: of the request.
        path: behind the path of the tasks; `{id}` is the task's.
        bodies: sent as JSON, one after the other.
        headers: in addition to the token; `{etag}` is that of the response to the plain request.
        users: who send it.
        consumes: whether each request needs a task of its own, which is gone afterwards.
        status: of the right response.
        tasks: the number of tasks in it.
        endpoint: the path of the tasks, whose owner is `{owner}`, or another one.
    """

    name: str
    method: str = "GET"
    path: str = ""
    bodies: Sequence[Body] = (None,)
    headers: Headers = field(default_factory=dict)
    users: Users = WRITERS
    consumes: bool = False
    status: int = 200
    tasks: int = 1
    endpoint: str = "/api/{owner}/tasks"


NEW = {"title": TITLES[0], "description": DESCRIPTION}

ONE = Operation("one task", path="/{id}")
LIST_100 = Operation("list of 100", users=READER_OF_100, tasks=100)
LIST_1000 = Operation("list of 1000", users=READER_OF_1000, tasks=1000)
CREATE = Operation("create", "POST", bodies=(NEW,), status=201)
UPDATE = Operation("update", "PUT", "/{id}", [NEW | {"title": title} for title in TITLES])
TOGGLE = Operation("toggle", "PATCH", "/{id}/complete")
DELETE = Operation("delete", "DELETE", "/{id}", consumes=True, status=204, tasks=0)
COMMON = (ONE, LIST_100, LIST_1000, CREATE, UPDATE, TOGGLE, DELETE)
"""What every peer can do."""

KNOWN: Headers = {"If-None-Match": "{etag}"}
KNOWN_100 = replace(LIST_100, name="list of 100, unchanged", headers=KNOWN, status=304, tasks=0)
KNOWN_1000 = replace(LIST_1000, name="list of 1000, unchanged", headers=KNOWN, status=304, tasks=0)
ONCE = replace(CREATE, name="create, with a key", headers={"Idempotency-Key": f"key-{UNIQUE}"})
TEN = {"operations": [{"op": "create"} | NEW] * 10}
BATCH = Operation("batch of 10 creates", "POST", "/batch", (TEN,), tasks=10)
SEARCH = Operation("search in 1000", path="?q=nowhere", users=READER_OF_1000, tasks=0)
LIST_20 = Operation("list of 20", path="?limit=20", users=READER_OF_1000, tasks=20)

REVISION = "2026-07-28"
FIND: Body = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {
        "name": "find_tasks",
        "arguments": {"limit": 20},
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": REVISION,
            "io.modelcontextprotocol/clientCapabilities": {},
        },
    },
}
BY_AGENT: Headers = {
    "MCP-Protocol-Version": REVISION,
    "Mcp-Method": "tools/call",
    "Mcp-Name": "find_tasks",
}
FIND_20 = replace(
    LIST_20,
    name="the same by an agent",
    method="POST",
    endpoint="/mcp",
    path="",
    bodies=(FIND,),
    headers=BY_AGENT,
)
OURS = (KNOWN_100, KNOWN_1000, ONCE, BATCH, SEARCH, LIST_20, FIND_20)
"""What only taskapi can do."""


@cache
def token(user: int) -> str:
    """A token of this user that is valid for a day."""
    claims = {"sub": str(user), "exp": int(time.time()) + 24 * 60 * 60}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


def requests(operation: Operation, tasks: Iterable[Task], etag: str = "") -> list[bytes]:
    """The requests of an operation about tasks, as taskapi takes them."""
    headers = {name: value.replace("{etag}", etag) for name, value in operation.headers.items()}
    return [
        request(
            operation.method,
            (operation.endpoint + operation.path).format(owner=task.owner, id=task.id),
            token(task.owner),
            body,
            headers,
        )
        for body in operation.bodies
        for task in tasks
    ]


def request(method: str, path: str, bearer: str, body: Body, headers: Headers) -> bytes:
    """One HTTP/1.1 request of a client that keeps its connection."""
    content = b"" if body is None else json.dumps(body).encode()
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {bearer}", **headers}
    if content:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", ""]).encode() + content
