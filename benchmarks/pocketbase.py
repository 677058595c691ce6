"""PocketBase: a Go program with SQLite in it, the fastest of the ready-made backends."""

import secrets
import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from itertools import zip_longest
from typing import Any

import httpx

from benchmarks.database import DESCRIPTION, MAX_TARGETS, TITLES, Database
from benchmarks.operations import (
    CREATE,
    LIST_100,
    LIST_1000,
    STRANGERS,
    TOGGLE,
    UPDATE,
    Body,
    Operation,
    request,
)
from benchmarks.peers import POCKETBASE, Peer
from benchmarks.processes import Server, program

ALL = "?perPage=1000&sort=-created_at,-id"

ITS_OWN = {
    LIST_100.name: replace(LIST_100, path=ALL),
    LIST_1000.name: replace(LIST_1000, path=ALL),
    CREATE.name: replace(CREATE, status=200),
    UPDATE.name: replace(UPDATE, method="PATCH"),
    # It has no toggle. Alternating values make each request change something.
    TOGGLE.name: replace(
        TOGGLE, path="/{id}", bodies=({"is_completed": True}, {"is_completed": False})
    ),
}

ADMINISTRATOR = {"identity": "administrator@example.com", "password": "for one benchmark"}

INSERT = (
    "INSERT INTO tasks (id, title, description, created_at, updated_at, user)"
    " VALUES (?, ?, ?, ?, ?, ?)"
)


class PocketBase(Peer):
    """PocketBase with the same tasks, and rules that give each user only their own.

    Args:
        server: runs it.
        database: whose tasks it gets too.
    """

    def __init__(self, server: Server, database: Database) -> None:
        super().__init__(POCKETBASE, server, database)
        self._file = database.directory / "pocketbase" / "data.db"
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{server.port}/api")
        self._tokens: dict[int, str] = {}
        self._loaded_until = ""

    @property
    def database_pids(self) -> list[int]:
        return []

    def own(self, operation: Operation) -> Operation:
        return ITS_OWN.get(operation.name, operation)

    def requests(self, operation: Operation, new: int) -> list[bytes]:
        self._write("DELETE FROM tasks WHERE created_at > ?", [(self._loaded_until,)])
        users = range(operation.users.first, operation.users.last + 1)
        if operation.consumes:
            self._add_tasks(users, new)
        return [
            request(
                operation.method,
                "/api/collections/tasks/records" + operation.path.replace("{id}", task_id),
                self._tokens[user],
                _owned(body, user) if operation.method == "POST" else body,
                {},
            )
            for body in operation.bodies
            for user, task_id in self._targets(users, new=operation.consumes)
        ]

    def fill(self) -> None:
        """Make the collection and its users, and copy the tasks."""
        signed_in = self._post("/collections/_superusers/auth-with-password", ADMINISTRATOR)
        self._http.headers["Authorization"] = f"Bearer {signed_in['token']}"
        users = self._http.get("/collections/users").raise_for_status().json()
        self._post("/collections", _collection(users["id"]))
        self._add_users(range(1, STRANGERS.first))
        rows = self.database.run(
            "SELECT id, title, description, created_at, user_id FROM tasks ORDER BY id"
        )
        self._loaded_until = _moment(rows[-1]["created_at"])
        records = [
            (_id(number), title, description, *[_moment(created_at)] * 2, _id(owner))
            for number, title, description, created_at, owner in rows
        ]
        self._write(INSERT, records)

    def _add_users(self, users: range) -> None:
        """Users who need no password, because an administrator gets their tokens."""
        self._write(
            "INSERT INTO users (id, email, tokenKey, password) VALUES (?, ?, ?, '')",
            [(_id(user), f"{user}@example.com", secrets.token_hex(20)) for user in users],
        )
        for user in users:
            signed_in = self._post(f"/collections/users/impersonate/{_id(user)}", {})
            self._tokens[user] = signed_in["token"]

    def _add_tasks(self, users: range, count: int) -> None:
        task = (TITLES[0], DESCRIPTION, *[_moment(datetime.now(UTC))] * 2)
        owners = (_id(users[number % len(users)]) for number in range(count))
        self._write(INSERT, [(f"new{n:012d}", *task, owner) for n, owner in enumerate(owners)])

    def _targets(self, users: range, *, new: bool) -> list[tuple[int, str]]:
        """One of each user after the other, as taskapi gets them."""
        of_each = [[(user, task) for task in self._task_ids(user, new=new)] for user in users]
        return [each for row in zip_longest(*of_each) for each in row if each]

    def _task_ids(self, user: int, *, new: bool) -> list[str]:
        """Some tasks of a user: of the filled ones, or of the new ones."""
        with closing(sqlite3.connect(self._file)) as database:
            rows = database.execute(
                "SELECT id FROM tasks WHERE user = ? AND (created_at > ?) = ? LIMIT ?",
                (_id(user), self._loaded_until, new, MAX_TARGETS),
            )
            return [row[0] for row in rows]

    def _write(self, statement: str, rows: Sequence[Sequence[object]]) -> None:
        """Straight into the file: through the API it would take an hour."""
        with closing(sqlite3.connect(self._file, timeout=30)) as database, database:
            database.executemany(statement, rows)

    def _post(self, path: str, body: Body) -> Any:
        return self._http.post(path, json=body).raise_for_status().json()


@contextmanager
def pocketbase(database: Database) -> Iterator[PocketBase]:
    """PocketBase as it comes, with the tasks of the database in it."""
    here = ["--dir", str(database.directory / "pocketbase")]
    subprocess.run(
        [program("pocketbase"), "superuser", "upsert", *ADMINISTRATOR.values(), *here],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = [program("pocketbase"), "serve", "--http=127.0.0.1:{port}", *here]
    with Server(command, database.directory, "pocketbase", {}) as server:
        server.wait_until_ready("/api/health")
        peer = PocketBase(server, database)
        peer.fill()
        yield peer


def _collection(users: str) -> Body:
    own = "user = @request.auth.id"
    rules = {f"{verb}Rule": own for verb in ("list", "view", "create", "update", "delete")}
    user = {"required": True, "collectionId": users, "cascadeDelete": True, "maxSelect": 1}
    return {
        "name": "tasks",
        "type": "base",
        "fields": [
            {"name": "title", "type": "text", "required": True, "max": 500},
            {"name": "description", "type": "text", "max": 5000},
            {"name": "is_completed", "type": "bool"},
            {"name": "created_at", "type": "autodate", "onCreate": True},
            {"name": "updated_at", "type": "autodate", "onCreate": True, "onUpdate": True},
            {"name": "user", "type": "relation", **user},
        ],
        "indexes": [
            "CREATE INDEX tasks_by_age ON tasks (user, created_at, id)",
            "CREATE INDEX tasks_by_title ON tasks (user, title)",
        ],
        **rules,
    }


def _owned(body: Body, user: int) -> Body:
    """A new task names its owner."""
    return {**body, "user": _id(user)} if isinstance(body, Mapping) else body


def _id(number: int) -> str:
    """An id as PocketBase wants it: 15 characters."""
    return f"{number:015d}"


def _moment(moment: datetime) -> str:
    """A time as PocketBase keeps it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
