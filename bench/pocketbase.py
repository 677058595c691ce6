"""PocketBase: a Go program with SQLite in it, the fastest of the ready-made backends."""

import sqlite3
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx

from bench.dataset import FIRST_DAY
from bench.load import replay
from bench.operations import (
    CREATOR,
    DELETER,
    DESCRIPTION,
    NEW,
    STOCK_PER_SECOND,
    TITLES,
    USERS,
    Operation,
)
from bench.peers import Job, Peer, program, serving
from bench.processes import Server, free_port
from bench.wire import Call, written

ALL = [Call("GET", "?perPage=1000&sort=-created_at,-id")]

CALLS: Mapping[Operation, Sequence[Call]] = {
    Operation.ONE: [Call("GET", "/{key}")],
    Operation.LIST_100: ALL,
    Operation.LIST_1000: ALL,
    Operation.UPDATE: [Call("PATCH", "/{key}", NEW | {"title": title}) for title in TITLES],
    # It has no toggle of its own: what is set alternates, so that each one changes something.
    Operation.TOGGLE: [
        Call("PATCH", "/{key}", {"is_completed": wanted}) for wanted in (True, False)
    ],
    Operation.DELETE: [Call("DELETE", "/{key}")],
}
"""In its own words; what a new task says names its user, whose id it makes itself."""

ADMINISTRATOR = {"identity": "administrator@example.com", "password": "for one benchmark"}


class PocketBase(Peer):
    """PocketBase with the same tasks, rules that give each user only their own, a user's token."""

    name = "PocketBase"

    def __init__(self, server: Server, port: int, data: Path) -> None:
        self.server = server
        self._port = port
        self._data = data
        self._tokens: dict[int, str] = {}
        self._users: dict[int, str] = {}
        self._client = httpx.Client(base_url=f"http://127.0.0.1:{port}/api")

    def fill(self, all_owners: Sequence[int]) -> None:
        """Make the collection, the users and the tasks."""
        token = self._sign_in("_superusers", ADMINISTRATOR)["token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        users = self._client.get("/collections/users").raise_for_status().json()
        own = "user = @request.auth.id"
        rules = {f"{verb}Rule": own for verb in ("list", "view", "create", "update", "delete")}
        collection = {"name": "tasks", "type": "base", "fields": _fields(users["id"]), **rules}
        collection["indexes"] = [
            "CREATE INDEX tasks_by_age ON tasks (user, created_at, id)",
            "CREATE INDEX tasks_by_title ON tasks (user, title)",
        ]
        self._client.post("/collections", json=collection).raise_for_status()
        for user in sorted(set(USERS.values())):
            self._add_user(user)
        self._insert(all_owners, "loaded")

    def job(self, operation: Operation, connections: int, seconds: int) -> Job:
        requests = self._requests(operation, seconds)
        return lambda: replay(requests, self._port, connections, seconds)

    def _requests(self, operation: Operation, seconds: int) -> list[bytes]:
        user = USERS[operation]
        with self._database() as database:
            database.execute(
                "DELETE FROM tasks WHERE user IN (?, ?)",
                (self._users[CREATOR], self._users[DELETER]),
            )
        if operation is Operation.DELETE:
            self._insert([user] * (STOCK_PER_SECOND * seconds), "stock")
        new = Call("POST", "", NEW | {"user": self._users[user]})
        calls = CALLS.get(operation, [new])
        return written(
            calls, self._keys(user) or [""], "/api/collections/tasks/records", self._tokens[user]
        )

    def _add_user(self, user: int) -> None:
        password = "a password for the benchmark"  # noqa: S105 - of a user that lives for a run
        email = f"user{user}@example.com"
        new = {"email": email, "password": password, "passwordConfirm": password}
        self._client.post("/collections/users/records", json=new).raise_for_status()
        answer = self._sign_in("users", {"identity": email, "password": password})
        self._users[user], self._tokens[user] = answer["record"]["id"], answer["token"]

    def _sign_in(self, collection: str, credentials: dict[str, str]) -> dict[str, Any]:
        answer = self._client.post(
            f"/collections/{collection}/auth-with-password", json=credentials
        )
        signed_in: dict[str, Any] = answer.raise_for_status().json()
        return signed_in

    def _keys(self, user: int) -> list[str]:
        with self._database() as database:
            rows = database.execute("SELECT id FROM tasks WHERE user = ?", (self._users[user],))
            return [row[0] for row in rows]

    def _insert(self, all_owners: Sequence[int], prefix: str) -> None:
        """Straight into the file: through the API it would take an hour."""
        records = (
            (
                f"{prefix[0]}{number:014d}",
                TITLES[0],
                DESCRIPTION,
                _moment(number),
                _moment(number),
                self._users.get(owner, f"{owner:015d}"),
            )
            for number, owner in enumerate(all_owners)
        )
        with self._database() as database:
            database.executemany(
                "INSERT INTO tasks (id, title, description, created_at, updated_at, user)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                records,
            )

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        database = sqlite3.connect(self._data / "data.db", timeout=30)
        try:
            with database:
                yield database
        finally:
            database.close()


@contextmanager
def pocketbase(directory: Path, all_owners: Sequence[int]) -> Iterator[PocketBase]:
    """Its server, as it comes, with the tasks in it."""
    port, data = free_port(), directory / "pocketbase"
    here = ["--dir", str(data)]
    subprocess.run(  # noqa: S603 - a program that we installed
        [program("pocketbase"), "superuser", "upsert", *ADMINISTRATOR.values(), *here],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    command = [program("pocketbase"), "serve", f"--http=127.0.0.1:{port}", *here]
    with serving(command, directory, "pocketbase", {}) as server:
        server.wait_until_ready(f"http://127.0.0.1:{port}/api/health")
        peer = PocketBase(server, port, data)
        peer.fill(all_owners)
        yield peer


def _fields(users: str) -> list[dict[str, Any]]:
    return [
        {"name": "title", "type": "text", "required": True, "max": 500},
        {"name": "description", "type": "text", "max": 5000},
        {"name": "is_completed", "type": "bool"},
        {"name": "created_at", "type": "autodate", "onCreate": True},
        {"name": "updated_at", "type": "autodate", "onCreate": True, "onUpdate": True},
        {
            "name": "user",
            "type": "relation",
            "required": True,
            "collectionId": users,
            "cascadeDelete": True,
            "maxSelect": 1,
        },
    ]


def _moment(number: int) -> str:
    """A time as PocketBase keeps it."""
    moment = FIRST_DAY + timedelta(milliseconds=number)
    return moment.strftime("%Y-%m-%d %H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"
