"""The tasks table of the benchmark: filled by COPY, put in order between two measurements."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, TypeVar

import asyncpg

from bench.operations import DESCRIPTION, TITLES

FIRST_DAY = datetime(2026, 1, 1, tzinfo=UTC)
COLUMNS = ["id", "title", "description", "created_at", "updated_at", "user_id"]
CHUNK = 50_000

Result = TypeVar("Result")


class Tasks:
    """The tasks of a PostgreSQL database, as an administrator handles them.

    Args:
        dsn: the database.
    """

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn

    def load(
        self,
        users: int,
        owners: Iterable[int],
        progress: Callable[[int], None] = lambda _rows: None,
    ) -> None:
        """Replace all tasks by one for each entry of `owners`, in that order of age.

        Args:
            users: how many there are to be, numbered from 1.
            owners: whose the tasks are.
            progress: is told how many rows were added.
        """
        self.rows("INSERT INTO users SELECT generate_series(1, $1) ON CONFLICT DO NOTHING", users)
        self._do(lambda connection: _load(connection, iter(owners), progress))

    def ids_of(self, owner: int) -> list[int]:
        """The ids of somebody's tasks."""
        return [row[0] for row in self.rows("SELECT id FROM tasks WHERE user_id = $1", owner)]

    def add(self, owners: Sequence[int]) -> list[int]:
        """Add a task for each of these owners, and give the ids."""
        added = self.rows(
            "INSERT INTO tasks (title, description, user_id)"
            " SELECT $1, $2, owner FROM unnest($3::bigint[]) AS owner RETURNING id",
            TITLES[0],
            DESCRIPTION,
            owners,
        )
        return [row[0] for row in added]

    def last_id(self) -> int:
        """The largest id of all."""
        last: int = self.rows("SELECT coalesce(max(id), 0) FROM tasks")[0][0]
        return last

    def remove_after(self, last_id: int) -> None:
        """Remove what was added since."""
        self.rows("DELETE FROM tasks WHERE id > $1", last_id)

    def tidy(self) -> None:
        """Do now what autovacuum and the checkpointer would do during some measurement."""
        self.rows("VACUUM (ANALYZE) tasks")
        self.rows("CHECKPOINT")

    def rows(self, query: str, *arguments: object) -> list[Any]:
        """Run a query."""
        return self._do(lambda connection: connection.fetch(query, *arguments))

    def _do(self, work: Callable[[Any], Coroutine[Any, Any, Result]]) -> Result:
        async def connected() -> Result:
            connection = await asyncpg.connect(self._dsn)
            try:
                return await work(connection)
            finally:
                await connection.close()

        return asyncio.run(connected())


async def _load(connection: Any, owners: Iterator[int], progress: Callable[[int], None]) -> None:
    indexes = await connection.fetch(
        "SELECT indexname, indexdef FROM pg_indexes"
        " WHERE tablename = 'tasks' AND indexname <> 'tasks_pkey'"
    )
    await connection.execute("TRUNCATE tasks")
    await connection.execute("ALTER TABLE tasks SET (autovacuum_enabled = off)")
    for index in indexes:
        await connection.execute(f'DROP INDEX "{index["indexname"]}"')
    # All users are there, so there is nothing for ten million checks of the key to find.
    await connection.execute("SET session_replication_role = replica")
    rows = 0
    while part := list(islice(owners, CHUNK)):
        records = _records(rows, part)
        await connection.copy_records_to_table("tasks", records=records, columns=COLUMNS)
        rows += len(part)
        progress(len(part))
    for index in indexes:
        await connection.execute(index["indexdef"])
    await connection.fetch("SELECT setval(pg_get_serial_sequence('tasks', 'id'), $1)", rows)
    await connection.execute("VACUUM (ANALYZE)")


def _records(start: int, owners: Iterable[int]) -> Iterator[tuple[object, ...]]:
    for number, owner in enumerate(owners, start):
        moment = FIRST_DAY + timedelta(milliseconds=number)
        yield number + 1, TITLES[0], DESCRIPTION, moment, moment, owner
