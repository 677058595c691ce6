"""Files of tasks that are sent: exports of the service, and as other programs write them."""

import csv
import io
import json
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.database import DESCRIPTION, TITLES, Database
from benchmarks.processes import BenchmarkError
from benchmarks.worker import Worker

EXPORTED = ("jsonl", "csv", "ics", "todotxt")
"""The formats in which tasks leave, and come back."""

MAX_TASKS = 100_000
"""Of a file, and of a user."""

WORDS = (*TITLES[0].split(), *DESCRIPTION.split(), '"quoted"', "Grüße", "1,5")

TODOIST_COLUMNS = [
    *("TYPE", "CONTENT", "DESCRIPTION", "PRIORITY"),
    *("INDENT", "AUTHOR", "RESPONSIBLE", "DATE"),
]

FILL = """
WITH owner AS (INSERT INTO users VALUES ($1) ON CONFLICT DO NOTHING)
INSERT INTO tasks (title, description, is_completed, user_id)
SELECT $2 || ' ' || n, ($3::text[])[1 + n % cardinality($3)], n % 3 = 0, $1
FROM generate_series(1, $4) AS n
"""


class TaskFile(NamedTuple):
    """A file of tasks.

    Attributes:
        form: as `format=` has it.
        path: of the file.
        tasks: how many are in it.
    """

    form: str
    path: Path
    tasks: int


def texts(length: int) -> list[str]:
    """Some different texts of so many characters, in lines, the same in each run."""
    choose = random.Random(length)  # noqa: S311 - no secret
    lines = [" ".join(choose.choices(WORDS, k=12)) for _ in range(length // 40 + 1)]
    return [
        "\n".join(choose.sample(lines, len(lines)))[:length].strip().ljust(length, ".")
        for _ in range(50)
    ]


def fill(database: Database, user: int, descriptions: Sequence[str], tasks: int) -> None:
    """Give a new user so many tasks."""
    database.run(FILL, values=(user, TITLES[0], descriptions, tasks))


def todoist(descriptions: Sequence[str], tasks: int) -> bytes:
    """A project as Todoist exports it."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(TODOIST_COLUMNS)
    for number in range(tasks):
        description = descriptions[number % len(descriptions)]
        writer.writerow(["task", f"{TITLES[0]} {number}", description, 4, 1, "Alice (1)", "", ""])
    return text.getvalue().encode()


def google(descriptions: Sequence[str], tasks: int) -> bytes:
    """What Google Takeout has of Tasks."""
    items = [
        {
            "kind": "tasks#task",
            "id": f"MTIzNDU2Nzg5MDEyMzQ1Njc4OTA6MDo{number:08}",
            "title": f"{TITLES[0]} {number}",
            "notes": descriptions[number % len(descriptions)],
            "task_type": "PERSONAL_TASK",
            "status": "needsAction",
            "created": "2026-01-31T09:30:00.123456Z",
            "updated": "2026-01-31T09:30:00.123456Z",
        }
        for number in range(tasks)
    ]
    lists = [{"kind": "tasks#tasks", "id": "MTIz", "title": "My Tasks", "items": items}]
    return json.dumps({"kind": "tasks#taskLists", "items": lists}, indent=2).encode()


FOREIGN: dict[str, Callable[[Sequence[str], int], bytes]] = {"todoist": todoist, "google": google}
"""The formats that are only read."""


class Maker:
    """Makes files in a folder.

    Args:
        database: of the service.
        worker: which exports.
        first_user: those from here on own what is exported.
    """

    def __init__(self, database: Database, worker: Worker, first_user: int) -> None:
        self._database = database
        self._worker = worker
        self._user = first_user

    def make(self, form: str, descriptions: Sequence[str], tasks: int) -> TaskFile:
        """A file of so many tasks."""
        path = self._database.directory / f"{form}-{tasks}-{len(descriptions[0])}"
        if form in FOREIGN:
            path.write_bytes(FOREIGN[form](descriptions, tasks))
        else:
            self._user += 1
            fill(self._database, self._user, descriptions, tasks)
            self._worker.export(self._user, form, path)
        return TaskFile(form, path, tasks)

    def make_large(self, form: str, descriptions: Sequence[str], size: int) -> TaskFile:
        """A file of almost so many bytes, or of as many tasks as one may have."""
        some = self.make(form, descriptions, 100)
        each = some.path.stat().st_size / some.tasks
        file = self.make(form, descriptions, min(int(size * 0.98 / each), MAX_TASKS))
        if file.path.stat().st_size > size:
            raise BenchmarkError(f"{file.path} is longer than {size} bytes")
        return file
