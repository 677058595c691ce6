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

UNIQUE = "{a unique number}"
"""In a request: replaced by another number of as many digits each time it is sent."""

READER_OF_1000 = Users(1, 1, 1000)
READER_OF_100 = Users(2, 2, 100)
WRITERS = Users(3, 50, 20)  # many, because the writes of one user may wait for each other
ONE_WRITER = Users(3, 3, 20)
POLLERS_OF_100 = Users(51, 66, 100)  # many, because a user has few turns at once
POLLERS_OF_1000 = Users(67, 82, 1000)
ASKING = (READER_OF_1000, READER_OF_100, WRITERS, POLLERS_OF_100, POLLERS_OF_1000)
STRANGERS = Users(83, 165, 1000)
"""They only fill the table."""

Body = Mapping[str, object] | str | None
Headers = Mapping[str, str]


@dataclass(frozen=True, eq=False)  # each is itself
class Operation:
    """One kind of request.

    Attributes:
        name: in tables.
        method: of the request.
        path: behind the path of the tasks; `{id}` is the task's, `{since}` the token behind the
            user's last change.
        bodies: sent as JSON, or as they are, one after the other.
        headers: in addition to the token; `{etag}` is that of the user's list.
        users: who send it.
        one_each: whether each user sends one request again and again, and not one for each task.
        connections: at once, where the schedule names no number.
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
    one_each: bool = False
    connections: int = 32
    consumes: bool = False
    status: int = 200
    tasks: int = 1
    endpoint: str = "/api/{owner}/tasks"

    @property
    def remembers(self) -> bool:
        """Whether its requests name something that the user got before."""
        return "{since}" in self.path or "{etag}" in self.headers.values()


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

KNOWN_100 = Operation(
    "list of 100, unchanged",
    headers={"If-None-Match": "{etag}"},
    users=POLLERS_OF_100,
    one_each=True,
    status=304,
    tasks=0,
)
KNOWN_1000 = replace(KNOWN_100, name="list of 1000, unchanged", users=POLLERS_OF_1000)
NO_CHANGES = Operation(
    "changes, nothing new",
    path="/changes?since={since}",
    users=POLLERS_OF_1000,
    one_each=True,
    tasks=0,
)
POLLS = (KNOWN_100, KNOWN_1000, NO_CHANGES)
ONCE = replace(CREATE, name="create, with a key", headers={"Idempotency-Key": f"key-{UNIQUE}"})
TEN = {"operations": [{"op": "create"} | NEW] * 10}
BATCH = Operation("batch of 10 creates", "POST", "/batch", (TEN,), tasks=10)
FILE = "".join(
    json.dumps(NEW | {"title": f"{TITLES[0]} {line} {UNIQUE}"}) + "\n" for line in range(10)
)
IMPORT = Operation(
    "import of 10 tasks",
    "POST",
    "/import?format=jsonl",
    (FILE,),
    connections=4,  # a worker takes no more imports at once
    one_each=True,  # nor two of one user
    tasks=0,
)
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
OURS = (ONCE, BATCH, IMPORT, SEARCH, LIST_20, FIND_20, *POLLS)
"""What only taskapi can do."""


@cache
def token(user: int) -> str:
    """A token of this user that is valid for a day."""
    claims = {"sub": str(user), "exp": int(time.time()) + 24 * 60 * 60}
    return jwt.encode({"alg": "HS256"}, claims, OctKey.import_key(SECRET))


def requests(
    operation: Operation, tasks: Iterable[Task], etag: str = "", since: str = ""
) -> list[bytes]:
    """The requests of an operation about tasks, as taskapi takes them."""
    headers = {name: value.replace("{etag}", etag) for name, value in operation.headers.items()}
    path = (operation.endpoint + operation.path).replace("{since}", since)
    return [
        request(
            operation.method,
            path.format(owner=task.owner, id=task.id),
            token(task.owner),
            body,
            headers,
        )
        for body in operation.bodies
        for task in tasks
    ]


def request(method: str, path: str, bearer: str, body: Body, headers: Headers) -> bytes:
    """One HTTP/1.1 request of a client that keeps its connection."""
    text = body if isinstance(body, str) else "" if body is None else json.dumps(body)
    content = text.encode()
    fields = {"Host": "127.0.0.1", "Authorization": f"Bearer {bearer}", **headers}
    if content:
        fields |= {"Content-Type": "application/json", "Content-Length": str(len(content))}
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "\r\n".join([*head, "", ""]).encode() + content
