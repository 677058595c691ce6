"""What a request costs, counted instead of timed, so that it holds on a busy machine.

One request, one SQL statement, one round trip, planned once; and a bounded number of function
calls. A proxy in front of the database reads what the service says to it, PostgreSQL tells how it
has planned, and the interpreter counts calls.
"""

import asyncio
import itertools
import sys
from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import column, func, select, table
from starlette.types import Message

from support.people import Person
from support.service import settings_for
from taskapi.app import Service as Application
from taskapi.app import create_app
from taskapi.database.statement import Constant, compiled
from taskapi.database.url import DatabaseUrl


class Operation(NamedTuple):
    """A request of a client who does what most do: nothing fails, everything is there.

    Attributes:
        path: behind the person's tasks, with the id of a task and the cursor of a second page.
        headers: with a task's tag and the list's, and a new key for each request.
    """

    method: str
    path: str
    body: object = None
    headers: Mapping[str, str] = MappingProxyType({})


ONCE = {"Idempotency-Key": "{key}"}
UNCHANGED = {"If-Match": '"another", {tag}'}

OPERATIONS = {
    "list": Operation("GET", ""),
    "create": Operation("POST", "", {"title": "Buy milk"}),
    "create once": Operation("POST", "", {"title": "Buy milk"}, ONCE),
    "get": Operation("GET", "/{id}"),
    "get if changed": Operation("GET", "/{id}", headers={"If-None-Match": "{tag}"}),
    "update": Operation("PUT", "/{id}", {"title": "Buy oat milk"}),
    "update if unchanged": Operation("PUT", "/{id}", {"title": "Buy oat milk"}, UNCHANGED),
    "merge patch": Operation("PATCH", "/{id}", {"description": "Two litres"}),
    "merge patch once, if unchanged": Operation(
        "PATCH", "/{id}", {"description": "Two litres"}, ONCE | UNCHANGED
    ),
    "toggle": Operation("PATCH", "/{id}/complete"),
    "toggle once": Operation("PATCH", "/{id}/complete", headers=ONCE),
    "complete": Operation("PATCH", "/{id}/complete", {"is_completed": True}),
    "delete": Operation("DELETE", "/{id}"),
    "delete if unchanged": Operation("DELETE", "/{id}", headers=UNCHANGED),
    "list in another order": Operation("GET", "?sort=title&limit=5&offset=1"),
    "list filtered": Operation(
        "GET",
        "?is_completed=false&q=milk&created_since=2026-01-31T09:30:00Z"
        "&created_before=9999-01-31T09:30:00Z&updated_since=2026-01-31T09:30:00Z",
    ),
    "list if changed": Operation("GET", "", headers={"If-None-Match": '"another"'}),
    "list unchanged": Operation("GET", "", headers={"If-None-Match": "{list_tag}"}),
    "list from a cursor": Operation("GET", "?limit=1&cursor={cursor}"),
}

BATCHES = {
    "batch": Operation(
        "POST",
        "/batch",
        {"operations": [{"op": "create", "title": "Buy milk"}, {"op": "create", "title": "Tea"}]},
    ),
}
BATCHES["batch once"] = BATCHES["batch"]._replace(headers=ONCE)

TIMES = 10

MOST_CALLS = 350
"""Without the access log, as tests are not logged."""

KINDS = {b"P": "parse", b"B": "bind", b"E": "execute", b"S": "sync", b"Q": "query"}
"""Messages of PostgreSQL's protocol. The server answers a sync or a query, and the client waits:
each is a round trip."""

ONE_ROUND_TRIP = {"bind": TIMES, "execute": TIMES, "sync": TIMES}

ROUND_TRIPS_OF_A_BATCH = {"batch": 2, "batch once": 2 + 2}
"""Between its beginning and its end: one for each operation, and to claim a key and to keep its
answer."""

replanned = table(
    "pg_prepared_statements", column("statement"), column("generic_plans"), column("custom_plans")
)
REPLANNED = compiled(
    select(
        func.count().label("statements"),
        func.array_agg(replanned.c.statement)
        .filter(replanned.c.custom_plans > Constant(0))
        .label("replanned"),
    ).where(replanned.c.generic_plans + replanned.c.custom_plans >= Constant(TIMES))
)
"""How many statements this connection has run that often, and which of them were planned for their
values: such a plan is made anew each time."""

TYPES_ASKED = compiled(
    select(
        func.count().label("statements"),
        func.count()
        .filter(func.strpos(replanned.c.statement, Constant("pg_type")) > Constant(0))
        .label("about_types"),
    ).select_from(replanned)
)
"""How many statements this connection has prepared, and how many of them ask about types."""


class Wire:
    """A socket in front of the database's own, which hears what the service says."""

    def __init__(self, directory: Path, database: DatabaseUrl) -> None:
        self._path = directory / ".s.PGSQL.5432"
        self._database = database.dsn.partition("host=")[2] + "/.s.PGSQL.5432"
        self.address = DatabaseUrl(f"postgresql://taskapi@/postgres?host={directory}")
        self.said: Counter[str] = Counter()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Listen."""
        async with await asyncio.start_unix_server(self._serve, self._path):
            yield

    async def _serve(self, client: asyncio.StreamReader, answers: asyncio.StreamWriter) -> None:
        server, questions = await asyncio.open_unix_connection(self._database)
        back = asyncio.create_task(_carry(server, answers))
        with suppress(asyncio.IncompleteReadError, ConnectionError):
            await self._listen(client, questions)
        questions.close()
        await back

    async def _listen(self, client: asyncio.StreamReader, server: asyncio.StreamWriter) -> None:
        # The first message has no kind, only its length; every other has its kind before it.
        server.write(await _message(client, await client.readexactly(4)))
        while True:
            head = await client.readexactly(5)
            if kind := KINDS.get(head[:1]):
                self.said[kind] += 1
            server.write(await _message(client, head))


async def _message(reader: asyncio.StreamReader, head: bytes) -> bytes:
    return head + await reader.readexactly(int.from_bytes(head[-4:]) - 4)


async def _carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
    writer.close()


class Service:
    """The service in this very loop, with one connection, and a person who calls it."""

    def __init__(self, app: Application, person: Person) -> None:
        self.app = app
        self._person = person
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="http://test",
            headers={"Authorization": f"Bearer {person.token}"},
        )
        self._keys = itertools.count()
        self._tags: dict[int, str] = {}
        self._cursor = self._list_tag = ""

    async def call(self, operation: Operation, task_id: int) -> httpx.Response:
        """Do an operation."""
        tag, key = self._tags.get(task_id), f"key-{next(self._keys)}"
        response = await self._client.request(
            operation.method,
            self._person.tasks + operation.path.format(id=task_id, cursor=self._cursor),
            json=operation.body,
            headers={
                name: value.format(tag=tag, key=key, list_tag=self._list_tag)
                for name, value in operation.headers.items()
            },
        )
        assert not response.is_error, response.text
        return response

    async def tasks(self, count: int) -> list[int]:
        """New tasks."""
        answers = [await self.call(OPERATIONS["create"], 0) for _ in range(count)]
        self._tags = {answer.json()["id"]: answer.headers["ETag"] for answer in answers}
        page = await self.call(Operation("GET", "?limit=1"), 0)
        self._cursor = page.json()["next_cursor"]
        self._list_tag = (await self.call(OPERATIONS["list"], 0)).headers["ETag"]
        return list(self._tags)


@asynccontextmanager
async def service(database: DatabaseUrl, person: Person) -> AsyncIterator[Service]:
    app = create_app(settings_for(database, database_pool_size=1))
    async with app.router.lifespan_context(app):
        yield Service(app, person)


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_is_one_statement_in_one_round_trip(
    name: str, database: DatabaseUrl, alice: Person, tmp_path: Path
) -> None:
    assert said(OPERATIONS[name], database, alice, tmp_path) == ONE_ROUND_TRIP


def said(
    operation: Operation, database: DatabaseUrl, person: Person, directory: Path
) -> Counter[str]:
    """What the service says to the database when an operation is done many times, once prepared."""

    async def listen() -> Counter[str]:
        wire = Wire(directory, database)
        async with wire.open(), service(wire.address, person) as serving:
            first, *others = await serving.tasks(1 + TIMES)
            await serving.call(operation, first)
            wire.said.clear()
            for task_id in others:
                await serving.call(operation, task_id)
            return wire.said.copy()

    return asyncio.run(listen())


@pytest.mark.parametrize("name", BATCHES)
def test_a_batch_is_one_transaction_of_one_statement_for_each_operation(
    name: str, database: DatabaseUrl, alice: Person, tmp_path: Path
) -> None:
    steps = ROUND_TRIPS_OF_A_BATCH[name] * TIMES
    expected = {"query": 2 * TIMES, "bind": steps, "execute": steps, "sync": steps}
    assert said(BATCHES[name], database, alice, tmp_path) == expected


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_statement_is_planned_once(name: str, database: DatabaseUrl, alice: Person) -> None:
    """Whatever the statistics say: PostgreSQL would plan anew for a user with few rows of many."""

    async def planned() -> Any:
        async with service(database, alice) as serving:
            for task_id in await serving.tasks(TIMES):
                await serving.call(OPERATIONS[name], task_id)
            return await serving.app.service_state.executor.fetch_row(REPLANNED, {})

    told = asyncio.run(planned())
    assert told["statements"] >= 1
    assert told["replanned"] is None


def test_a_new_connection_is_asked_about_no_type(database: DatabaseUrl, alice: Person) -> None:
    """As asyncpg asks about every array that is not of texts, in up to three round trips."""

    async def asked() -> Any:
        async with service(database, alice) as serving:
            operations = [*OPERATIONS.values(), *BATCHES.values()]
            for operation, task_id in zip(
                operations, await serving.tasks(len(operations)), strict=True
            ):
                await serving.call(operation, task_id)
            return await serving.app.service_state.executor.fetch_row(TYPES_ASKED, {})

    told = asyncio.run(asked())
    assert told["statements"] > len(OPERATIONS) / 2, "they are prepared"
    assert told["about_types"] == 1, "this question has the name of their table in its own text"


def test_a_request_makes_a_bounded_number_of_function_calls(
    database: DatabaseUrl, alice: Person
) -> None:
    """Python's own and those into C, for one `GET` of one task from the edge to the database.

    The same number each time, up to a timer's. Whoever makes it greater should know what for.
    """

    async def calls() -> float:
        async with service(database, alice) as serving:
            task_id, _ = await serving.tasks(2)
            path = f"{alice.tasks}/{task_id}"
            for _ in range(TIMES):
                await _get(serving.app, path, alice.token)
            counted = itertools.count()
            sys.setprofile(lambda _frame, event, _: next(counted) if "call" in event else None)
            try:
                for _ in range(TIMES):
                    await _get(serving.app, path, alice.token)
            finally:
                sys.setprofile(None)
            return next(counted) / TIMES

    assert asyncio.run(calls()) <= MOST_CALLS


async def _get(app: Application, path: str, token: str) -> None:
    """A request as the server hands it over, without a client in between that would count too."""
    authorization = (b"authorization", f"Bearer {token}".encode())
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"test"), authorization],
        "client": ("127.0.0.1", 1),
        "server": ("127.0.0.1", 2),
        "state": {},
    }
    answered = asyncio.Event()
    statuses = []

    async def receive() -> Message:
        await answered.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])
        elif not message.get("more_body"):
            answered.set()

    await app(scope, receive, send)
    assert statuses == [200]
