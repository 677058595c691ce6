"""A migration that builds an index beside requests: by several programs at once, and killed."""

import signal
from pathlib import Path

import pytest

from support.own_database import OwnDatabase
from support.programs import Service, started
from support.rows import held
from support.service import settings_for
from support.waiting import eventually
from taskapi.database.schema import migrate, revisions
from taskapi.tasks.models import Task

BEFORE = revisions()[revisions().index("taskapi_006") + 1]

KEY = """
    SELECT attname FROM pg_index, unnest(indkey) WITH ORDINALITY AS part (number, position),
        pg_attribute
    WHERE indrelid = 'tasks'::regclass AND indisprimary AND indisvalid
      AND attrelid = indrelid AND attnum = number
    ORDER BY position
"""
LEFT = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('tasks_new_key')"
BUILDERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND state = 'active'
      AND query LIKE 'CREATE UNIQUE INDEX CONCURRENTLY%'
"""
OTHERS = """
    SELECT pid FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()
      AND query SIMILAR TO '(BEGIN|ROLLBACK|%pg_try_advisory_xact_lock)%'
"""
"""Those that try to get the lock again and again."""
ADD = "INSERT INTO tasks (title, user_id) VALUES ('Buy milk', 2)"
BUSY = "UPDATE tasks SET title = 'Buy bread' WHERE id = 1 RETURNING id"


@pytest.fixture
def behind(empty: OwnDatabase) -> OwnDatabase:
    """A database that is one migration behind, with tasks in it."""
    migrate(settings_for(empty.address), empty.address, BEFORE)
    empty.run("INSERT INTO users (id) VALUES (1), (2)")
    empty.run("INSERT INTO tasks (title, user_id) SELECT 'x', 1 FROM generate_series(1, 1000)")
    return empty


def key_of(own: OwnDatabase) -> list[str]:
    """The columns of the valid primary key of the tasks."""
    return [row["attname"] for row in own.run(KEY)]


def migrating(own: OwnDatabase, folder: Path) -> Service:
    """`taskapi migrate`, in a process of its own."""
    return Service(("taskapi", "migrate"), folder, (), {"DATABASE_URL": own.address.dsn})


def test_three_programs_migrate_at_once_while_a_transaction_is_open(
    behind: OwnDatabase, tmp_path: Path
) -> None:
    """One that builds the index waits for whoever has a snapshot; no other program may have one."""
    programs = []
    try:
        with held(behind.address, BUSY):
            programs = [migrating(behind, tmp_path) for _ in range(3)]
            eventually(lambda: behind.run(BUILDERS), "one of them builds the index")
            eventually(lambda: len(behind.run(OTHERS)) >= 2, "the others wait for their turn")
            behind.run(ADD)  # requests go on meanwhile
            assert key_of(behind) == ["id"]
        for program in programs:
            assert program.wait() == 0, program.output
    finally:
        for program in programs:
            program.close()
    assert key_of(behind) == ["id", "user_id"]
    assert behind.run("SELECT count(*) AS count FROM tasks")[0]["count"] == 1001


def test_what_a_killed_program_left_is_repaired_by_the_next(
    behind: OwnDatabase, tmp_path: Path
) -> None:
    with (
        held(behind.address, BUSY),
        started(
            "taskapi", "migrate", folder=tmp_path, settings={"DATABASE_URL": behind.address.dsn}
        ) as program,
    ):
        eventually(lambda: behind.run(BUILDERS), "it builds the index")
        program.end(signal.SIGKILL)
        for builder in behind.run(BUILDERS):
            behind.run("SELECT pg_terminate_backend($1)", builder["pid"])
        eventually(lambda: not behind.run(BUILDERS), "the server has given up")
    assert [row["indisvalid"] for row in behind.run(LEFT)] == [False]
    migrate(settings_for(behind.address), behind.address)
    assert behind.run(LEFT) == []
    assert key_of(behind) == ["id", "user_id"]


def test_the_model_has_the_same_key_as_the_table(behind: OwnDatabase) -> None:
    """Alembic compares everything but primary keys."""
    migrate(settings_for(behind.address), behind.address)
    assert [column.name for column in Task.__table__.primary_key] == key_of(behind)  # type: ignore[attr-defined]  # SQLModel does not declare it
