"""What each thing that a client may ask for costs beside the plain call.

What is counted is CPU: of the service's process, and of PostgreSQL's. So the figures hold on a
machine that does other things too, and say nothing about waiting.
"""

import http.client
import itertools
import json
import statistics
import tempfile
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple
from urllib.parse import urlencode

from rich.progress import Progress

from bench.machine import facts
from bench.operations import DESCRIPTION, NEW
from bench.peers import HttpPeer, taskapi
from bench.processes import BenchmarkError, cpu_seconds
from bench.stage import Stage, stage
from bench.tables import count, table

READER, WRITER = 1, 2
TASKS = {READER: 1000, WRITER: 200}
"""How many each of the two users has."""

REQUESTS = TASKS[WRITER]
"""In one sample: each of the writer's tasks is written once."""

LONG_AGO = "2000-01-01T00:00:00Z"

CONNECTIONS = 8

WARM_UP = 2
"""Rounds that are not counted."""

MICROSECONDS = 1e6

NO_HEADERS: Mapping[str, str] = MappingProxyType({})


class Request(NamedTuple):
    """One request about the user's own tasks."""

    method: str
    path: str = ""
    body: object = None
    headers: Mapping[str, str] = NO_HEADERS


class Client:
    """One user on a few connections, which ask at the same time.

    Args:
        peer: who is asked.
        stage: what signs the user's token.
        user: who asks.
    """

    def __init__(self, peer: HttpPeer, stage: Stage, user: int) -> None:
        self.ids = stage.tasks.ids_of(user)
        self._port = peer.port
        self._token = stage.token(user)
        self._tasks = f"/api/{user}/tasks"
        self._threads = ThreadPoolExecutor(CONNECTIONS)
        self._own = threading.local()

    def send_all(self, requests: Sequence[Request]) -> list[tuple[Message, Any]]:
        """The answers to requests, in their order."""
        return list(self._threads.map(self.send, requests))

    def send(self, request: Request) -> tuple[Message, Any]:
        """The headers and the JSON of an answer that is no error."""
        body = None if request.body is None else json.dumps(request.body)
        headers = {"Authorization": f"Bearer {self._token}", **request.headers}
        if body is not None:
            headers["Content-Type"] = "application/json"
        connection = self._connection()
        connection.request(request.method, self._tasks + request.path, body, headers)
        response = connection.getresponse()
        content = response.read()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise BenchmarkError(f"{request}: {response.status} {content[:500]!r}")
        return response.headers, json.loads(content) if content else None

    def tags(self, paths: Iterable[str]) -> list[str]:
        """The versions of tasks or lists."""
        answers = self.send_all([Request("GET", path) for path in paths])
        return [str(headers["ETag"]) for headers, _ in answers]

    def _connection(self) -> http.client.HTTPConnection:
        if not hasattr(self._own, "connection"):
            self._own.connection = http.client.HTTPConnection("127.0.0.1", self._port)
        connection: http.client.HTTPConnection = self._own.connection
        return connection


Prepare = Callable[[Client], Sequence[Request]]
"""The requests of one sample; what it asks for itself is not counted."""


@dataclass(frozen=True)
class Feature:
    """A row of the table.

    Attributes:
        name: in the table.
        prepare: makes its requests.
        user: who sends them.
        operations: how many each request does.
    """

    name: str
    prepare: Prepare
    user: int = WRITER
    operations: int = 1


def each(method: str, path: str = "", body: object = None, *, once: bool = False) -> Prepare:
    """A request for each task, with a key of its own where it is to be done once."""

    def prepare(client: Client) -> list[Request]:
        return [
            Request(method, path.format(id=task_id), body, _key() if once else NO_HEADERS)
            for task_id in client.ids
        ]

    return prepare


def conditional(header: str, method: str, body: object = None) -> Prepare:
    """A request for each task, about the version that it has."""

    def prepare(client: Client) -> list[Request]:
        paths = [f"/{task_id}" for task_id in client.ids]
        tags = zip(paths, client.tags(paths), strict=True)
        return [Request(method, path, body, {header: tag}) for path, tag in tags]

    return prepare


def replayed(client: Client) -> list[Request]:
    """Requests that were all answered before."""
    requests = [Request("POST", "", NEW, _key()) for _ in range(REQUESTS)]
    client.send_all(requests)
    return requests


def listed(times: int = REQUESTS, **query: object) -> Prepare:
    """The same list again and again."""
    request = Request("GET", f"?{urlencode(query)}" if query else "")
    return lambda _client: [request] * times


def known(times: int = REQUESTS, **query: object) -> Prepare:
    """The same list for a client that has it already."""
    path = f"?{urlencode(query)}" if query else ""

    def prepare(client: Client) -> list[Request]:
        [tag] = client.tags([path])
        return [Request("GET", path, headers={"If-None-Match": tag})] * times

    return prepare


def continued(client: Client) -> list[Request]:
    """The page in the middle of a list, from a cursor."""
    middle = TASKS[READER] // 2
    cursor = client.send(Request("GET", f"?limit={middle}"))[1]["next_cursor"]
    return [Request("GET", f"?limit=50&cursor={cursor}")] * REQUESTS


def batched(*, once: bool = False) -> Prepare:
    """Ten new tasks in each batch."""
    body = {"operations": [{"op": "create", **NEW}] * 10}
    return lambda _client: [
        Request("POST", "/batch", body, _key() if once else NO_HEADERS) for _ in range(20)
    ]


_numbers = itertools.count()


def _key() -> Mapping[str, str]:
    return {"Idempotency-Key": f"key-{next(_numbers)}"}


FEATURES = (
    (
        Feature("read one task", each("GET", "/{id}")),
        Feature("`If-None-Match`, 304", conditional("If-None-Match", "GET")),
    ),
    (
        Feature("`PUT`", each("PUT", "/{id}", NEW)),
        Feature("`PUT` with `If-Match`", conditional("If-Match", "PUT", NEW)),
        Feature("`PATCH`", each("PATCH", "/{id}", NEW)),
        Feature("`PATCH` with `Idempotency-Key`", each("PATCH", "/{id}", NEW, once=True)),
    ),
    (
        Feature("toggle", each("PATCH", "/{id}/complete")),
        Feature("with `Idempotency-Key`", each("PATCH", "/{id}/complete", once=True)),
    ),
    (
        Feature("create", each("POST", "", NEW)),
        Feature("with `Idempotency-Key`", each("POST", "", NEW, once=True)),
        Feature("replayed", replayed),
        Feature("one of ten in a batch", batched(), operations=10),
        Feature("likewise with `Idempotency-Key`", batched(once=True), operations=10),
    ),
    (
        Feature("list of 50 out of 1000", listed(limit=50), READER),
        Feature("`cursor` from the middle", continued, READER),
        Feature("`offset` to the middle", listed(limit=50, offset=500), READER),
        Feature("`sort=title`", listed(limit=50, sort="title"), READER),
        Feature("`sort=updated_at`", listed(limit=50, sort="updated_at"), READER),
        Feature("`is_completed`", listed(limit=50, is_completed="false"), READER),
        Feature("`created_since`, all", listed(limit=50, created_since=LONG_AGO), READER),
        Feature("`q`, found in each", listed(limit=50, q=DESCRIPTION[-10:]), READER),
        Feature("`q`, found in none", listed(limit=50, q="nowhere"), READER),
        Feature("`If-None-Match`, 304", known(limit=50), READER),
    ),
    (
        Feature("list of 1000", listed(times=50), READER),
        Feature("`If-None-Match`, 304", known(times=50), READER),
    ),
)
"""Each group begins with its plain call."""

Cost = tuple[float, float]
"""Microseconds of CPU for one operation: of the service, and of the database."""


def measure(client: Client, feature: Feature, peer: HttpPeer) -> Cost:
    """One sample."""
    requests = feature.prepare(client)
    api, database = cpu_seconds(peer.api), cpu_seconds(peer.database)
    client.send_all(requests)
    api, database = cpu_seconds(peer.api) - api, cpu_seconds(peer.database) - database
    operations = len(requests) * feature.operations
    return api / operations * MICROSECONDS, database / operations * MICROSECONDS


def measured(here: Stage, peer: HttpPeer, rounds: int, progress: Progress) -> list[list[Cost]]:
    """The costs by group: all features in turn, again and again."""
    samples: list[list[list[Cost]]] = [[] for _ in FEATURES]
    loaded = here.tasks.last_id()
    for number in progress.track(range(WARM_UP + rounds), description="features"):
        for group, kept in zip(FEATURES, samples, strict=True):
            here.tasks.remove_after(loaded)
            here.tasks.rows("TRUNCATE kept_answers")
            here.tasks.tidy()
            costs = [measure(Client(peer, here, feature.user), feature, peer) for feature in group]
            if number >= WARM_UP:
                kept.append(costs)
    return [_summary(kept) for kept in samples]


def _summary(samples: Sequence[Sequence[Cost]]) -> list[Cost]:
    """The median of a plain call, and of what the others took beyond it in the same round."""
    beyond = [
        [(api - plain[0], database - plain[1]) for api, database in others]
        for plain, *others in samples
    ]
    plain = [round_[0] for round_ in samples]
    return [_median(plain), *(_median(costs) for costs in zip(*beyond, strict=True))]


def _median(costs: Iterable[Cost]) -> Cost:
    api, database = zip(*costs, strict=True)
    return statistics.median(api), statistics.median(database)


def rows(costs: Sequence[Sequence[Cost]]) -> list[list[str]]:
    """The rows of the table: plain calls in full, what is asked beyond them as a difference."""
    lines = []
    for group, (whole, *beyond) in zip(FEATURES, costs, strict=True):
        plain, *others = group
        lines.append([f"**{plain.name}**", *map(count, whole)])
        for feature, cost in zip(others, beyond, strict=True):
            lines.append([feature.name, *(f"{part:+,.0f}" for part in cost)])
    return lines


def run(rounds: int, progress: Progress) -> str:
    """The table, and what it was measured on."""
    with tempfile.TemporaryDirectory(prefix="taskapi-features-") as folder:
        directory = Path(folder)
        directory.chmod(0o755)  # the embedded server may run as another user
        with stage(directory) as here:
            owners = itertools.chain(*([user] * many for user, many in TASKS.items()))
            here.tasks.load(len(TASKS), owners)
            with taskapi(here, workers=1) as peer:
                costs = measured(here, peer, rounds, progress)
    told = [f"{name}: {fact}" for name, fact in facts().items()]
    head = ["microseconds of CPU for one operation", "service", "PostgreSQL"]
    return "\n".join([table(head, rows(costs)), "", *told])
