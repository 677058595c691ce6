"""Files of tasks that leave the running service, and come to it."""

import json
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from support.feed import changes
from support.people import Person
from support.rows import execute
from support.wire import Wire, connected, request
from taskapi.database.url import DatabaseUrl

Json = dict[str, Any]

FILL = """INSERT INTO tasks (user_id, title, description)
    SELECT $1, 'Task ' || number, repeat('x', $3) FROM generate_series(1, $2) AS number"""


def at(person: Person, http: httpx.Client) -> Person:
    """The same person, at another service."""
    return Person(person.id, person.token, http)


class Export(NamedTuple):
    """What an export in JSON Lines has.

    Attributes:
        tasks: in their order.
        token: of the changes feed, from its end.
    """

    tasks: list[Json]
    token: str

    @property
    def by_id(self) -> dict[int, Json]:
        return {task["id"]: task for task in self.tasks}


def export_in(content: bytes) -> Export:
    """The tasks of a file that is whole."""
    *tasks, last = map(json.loads, content.splitlines())
    assert last["end"]["tasks"] == len(tasks)
    return Export(tasks, last["end"]["next"])


def exported(person: Person, **query: object) -> Export:
    """A person's export."""
    response = person.get("/export", params={"format": "jsonl", **query})
    assert response.status_code == 200, response.text
    return export_in(response.content)


def json_lines(tasks: Iterable[Json]) -> bytes:
    """A file that somebody has written by hand."""
    return b"".join(json.dumps(task).encode() + b"\n" for task in tasks)


WRONG = json_lines([{"title": ""}])
"""A line that cannot be a task."""


def titles(*names: str) -> bytes:
    """The same, of tasks with these titles."""
    return json_lines({"title": name} for name in names)


def send(person: Person, file: Any, **query: object) -> httpx.Response:
    """Import a file."""
    return person.post("/import", params={"format": "jsonl", **query}, content=file)


def imported(person: Person, file: Any, **query: object) -> tuple[int, int]:
    """How many tasks of a file were created, and how many were known."""
    response = send(person, file, **query)
    assert response.status_code == 200, response.text
    report = response.json()
    assert list(report) == ["created", "known", "ignored", "dry_run"]
    return report["created"], report["known"]


def fill(database: DatabaseUrl, person: Person, count: int, length: int = 0) -> None:
    """Give a person so many tasks with descriptions of this length."""
    user_id = int(person.id)
    execute(database, "INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING", user_id)
    execute(database, FILL, user_id, count, length)


def spools(process: object = "self") -> int:
    """How many files without a name a process has open; this one, unless its id is given."""
    return sum(_is_nameless(each) for each in Path(f"/proc/{process}/fd").iterdir())


def _is_nameless(descriptor: Path) -> bool:
    try:
        target = str(descriptor.readlink())
    except OSError:  # closed meanwhile
        return False
    return target.startswith("/") and target.endswith(" (deleted)")


@contextmanager
def taking_nothing(person: Person, query: str = "?format=jsonl") -> Iterator[Wire]:
    """A connection that has asked for an export, of which it takes the head at most."""
    with connected(person.http) as wire:
        wire.send(export_request(person, query))
        yield wire


def export_request(person: Person, query: str = "?format=jsonl") -> bytes:
    """The bytes of a request for an export."""
    token = f"Authorization: Bearer {person.token}"
    return request("GET", f"{person.tasks}/export{query}", token)


def import_head(person: Person, *headers: str, query: str = "?format=jsonl") -> bytes:
    """The head of an import, whose body follows."""
    token = f"Authorization: Bearer {person.token}"
    return request("POST", f"{person.tasks}/import{query}", token, *headers)


# What is there before and after


def untouched(person: Person) -> Callable[[], None]:
    """What holds that nothing of a person's has changed."""

    def seen() -> list[object]:
        page = person.get()
        return [page.content, page.headers["ETag"], changes(person).content, exported(person)]

    before = seen()

    def check() -> None:
        assert seen() == before

    return check


TABLES = """SELECT c.oid::regclass::text AS name FROM pg_class AS c
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = 'user_id'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
        AND c.relnamespace = 'public'::regnamespace
    ORDER BY 1"""


def rows_of(database: DatabaseUrl, person: Person) -> dict[str, object]:
    """Every row of a person's, in whatever table it is; each with its transaction."""
    names = [row["name"] for row in execute(database, TABLES)]
    assert {"tasks", "task_keys", "user_clocks"} <= set(names)
    return {
        name: execute(
            database,
            f"SELECT xmin::text, t::text FROM {name} AS t WHERE user_id = $1 ORDER BY 2",  # noqa: S608 - names from the catalogue
            int(person.id),
        )
        for name in names
    }
