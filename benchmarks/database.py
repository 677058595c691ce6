"""The database of a run: the service's embedded PostgreSQL, with tasks of many users in it."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import asyncpg

TITLES = ("Write the monthly report", "Write the yearly report")
DESCRIPTION = "For the whole team: figures first, then what they mean, and what follows from them."

MAX_TARGETS = 20_000
"""Different tasks that the requests of one measurement are about."""

FILL = """
INSERT INTO tasks (title, description, created_at, updated_at, user_id)
SELECT $1, $2, moment, moment, owner FROM (
  SELECT owner, timestamptz '2020-01-01Z' + interval '1 ms' * row_number() OVER (
    -- Every user's tasks are spread over the whole table, as if they were added now and then.
    ORDER BY (nth - owner * 0.618034 % 1) / tasks, owner) AS moment
  FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS g(first, last, tasks),
    generate_series(first, last) AS owner, generate_series(1, tasks) AS nth
) AS spread ORDER BY moment
"""


FILL_CLOCKS = """
INSERT INTO user_clocks (user_id, started_at, changed_at, max_task_count)
SELECT user_id, min(created_at), max(updated_at), count(*) FROM tasks GROUP BY user_id
"""
"""What writing those tasks through the service would have left of each user."""

AS_SERVICE = "SET taskapi.owner = 'benchmark'"
"""The triggers, which move the users' clocks for other programs, then do nothing."""


class Users(NamedTuple):
    """Some users, each with the same number of tasks.

    Attributes:
        first: the smallest of their ids.
        last: the largest.
        tasks: the number of tasks of each.
    """

    first: int
    last: int
    tasks: int

    def __len__(self) -> int:
        return self.last - self.first + 1


class Task(NamedTuple):
    """A task, by the ids of its owner and of itself."""

    owner: int
    id: int


class Database:
    """The embedded PostgreSQL of a service.

    Args:
        directory: where the service is started.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._own = directory / ".taskapi"
        self._loaded = 0
        self._targets: dict[Users, list[Task]] = {}

    @property
    def postmaster(self) -> int:
        """The process id of the server's first process."""
        return int(self._lock_file()[0])

    @property
    def sockets(self) -> Path:
        """Where the server listens, as its lock file says: a long path moves its socket."""
        return Path(self._lock_file()[4])

    @property
    def dsn(self) -> str:
        """Its URL, for its owner."""
        return f"postgresql://taskapi@/postgres?host={quote(str(self.sockets))}"

    def _lock_file(self) -> list[str]:
        return (self._own / "postgres" / "postmaster.pid").read_text().splitlines()

    @property
    def log(self) -> Path:
        """The server's log file."""
        return self._own / "postgres.log"

    def run(self, *statements: str, values: Iterable[object] = ()) -> list[Any]:
        """Run statements on one connection; gives the rows of the last one, which takes values."""

        async def run() -> list[Any]:
            connection = await asyncpg.connect(self.dsn, command_timeout=3600)
            try:
                for statement in statements[:-1]:
                    await connection.execute(statement)
                rows: list[Any] = await connection.fetch(statements[-1], *values)
                return rows
            finally:
                await connection.close()

        return asyncio.run(run())

    def fill(self, groups: Iterable[Users]) -> None:
        """Replace all tasks by those of these users. Indexes are built afterwards, at once."""
        firsts, lasts, tasks = zip(*groups, strict=True)
        indexes = self.run(
            "SELECT indexname, indexdef FROM pg_indexes"
            " WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"
        )
        self.run(
            "TRUNCATE tasks, tombstones, user_clocks RESTART IDENTITY",
            "ALTER TABLE tasks SET (autovacuum_enabled = off)",
            *(f'DROP INDEX "{index["indexname"]}"' for index in indexes),
            f"INSERT INTO users SELECT generate_series(1, {max(lasts)}) ON CONFLICT DO NOTHING",
            # The users are all there, so ten million checks of the foreign key would find nothing.
            "SET session_replication_role = replica",
            FILL,
            values=(TITLES[0], DESCRIPTION, firsts, lasts, tasks),
        )
        self.run(*(index["indexdef"] for index in indexes), FILL_CLOCKS, "VACUUM (ANALYZE)")
        self._loaded = self.run("SELECT max(id) FROM tasks")[0][0]
        self._targets.clear()

    def targets(self, users: Users, new: int = 0) -> list[Task]:
        """Restore the tasks as they were filled, and give some of these users' tasks.

        Vacuum and checkpoint take place now, so that they do not during some measurement.

        Args:
            users: the owners.
            new: the number of tasks to add for the purpose and to give in place of filled ones.
        """
        self.run(AS_SERVICE, f"DELETE FROM tasks WHERE id > {self._loaded}")
        self.run("TRUNCATE tombstones")
        if new:
            self.run(
                AS_SERVICE,
                "INSERT INTO tasks (title, description, user_id)"
                " SELECT $1, $2, $3::bigint + n % $4 FROM generate_series(1, $5) AS n",
                values=(TITLES[0], DESCRIPTION, users.first, len(users), new),
            )
        self.run("VACUUM (ANALYZE) tasks", "CHECKPOINT")
        if new:
            return self._some(users, since=self._loaded, limit=new)
        if users not in self._targets:
            self._targets[users] = self._some(users, since=0, limit=MAX_TARGETS)
        return self._targets[users]

    def _some(self, users: Users, since: int, limit: int) -> list[Task]:
        # One of each user after the other, because people seldom write twice at once. In no order,
        # writes waited for each other, which was a tenth of PostgreSQL's CPU for them.
        found = self.run(
            "SELECT user_id, id FROM tasks WHERE user_id BETWEEN $1 AND $2 AND id > $3"
            " ORDER BY row_number() OVER (PARTITION BY user_id ORDER BY hashint8(id)),"
            " hashint8(user_id) LIMIT $4",
            values=(users.first, users.last, since, limit),
        )
        return [Task(*row) for row in found]
