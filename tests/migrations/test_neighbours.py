"""Other programs' migrations in the same database, and the table that earlier versions shared."""

import io
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config

from support.machine import ROOT
from support.own_database import OwnDatabase, statements_of
from support.programs import run
from support.service import settings_for
from taskapi.database.schema import MigrationError, migrate, revisions
from taskapi.database.tables import own_tables

NEIGHBOUR = """
from alembic import op
import sqlalchemy as sa

revision, down_revision = {revision!r}, {before!r}

def upgrade():
    op.create_table("theirs_{revision}", sa.Column("id", sa.Integer, primary_key=True))

def downgrade():
    op.drop_table("theirs_{revision}")
"""

NEIGHBOURS_ENV = """
import asyncio

from alembic import context
from sqlalchemy.ext.asyncio import create_async_engine

def migrate(connection):
    context.configure(connection=connection)
    with context.begin_transaction():
        context.run_migrations()

async def run():
    engine = create_async_engine(context.config.attributes["dsn"])
    async with engine.begin() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()

asyncio.run(run())
"""
"""Alembic's own template for an asynchronous driver, as far as it matters here."""

EARLIER = [revision.removeprefix("taskapi_") for revision in revisions()]
"""The ids that earlier versions gave their revisions."""


@pytest.fixture
def neighbour(empty: OwnDatabase, tmp_path: Path) -> Config:
    """Another program that migrates with Alembic, as its tutorial has it."""
    (tmp_path / "versions").mkdir()
    (tmp_path / "env.py").write_text(NEIGHBOURS_ENV)
    for before, revision in ((None, "001"), ("001", "002")):
        script = NEIGHBOUR.format(revision=revision, before=before)
        (tmp_path / "versions" / f"{revision}_.py").write_text(script)
    config = Config(stdout=io.StringIO())
    config.set_main_option("script_location", str(tmp_path))
    config.attributes["dsn"] = empty.address.dsn.replace("postgresql:", "postgresql+asyncpg:")
    return config


def own_revision(empty: OwnDatabase) -> list[str]:
    """Where we stand."""
    return [row[0] for row in empty.run("SELECT version_num FROM taskapi_version")]


def versions(empty: OwnDatabase) -> tuple[list[str], list[str]]:
    """Where the other program stands, and where we stand."""
    theirs = empty.run("SELECT version_num FROM alembic_version")
    return [row[0] for row in theirs], own_revision(empty)


def migrate_to(empty: OwnDatabase, revision: str = "head") -> None:
    migrate(settings_for(empty.address), empty.address, revision)


def as_an_earlier_version_left_it(empty: OwnDatabase, number: str) -> None:
    """At this revision, told by Alembic's own table, which a role of the service may read."""
    migrate_to(empty, f"taskapi_{number}")
    empty.run_script(
        "DROP TABLE taskapi_version",
        "CREATE TABLE alembic_version (version_num varchar(32) NOT NULL)",
        f"INSERT INTO alembic_version VALUES ('{number}')",  # noqa: S608 - one of ours
        "INSERT INTO users (id) VALUES (1)",
        "INSERT INTO tasks (title, user_id) VALUES ('Buy milk', 1)",
    )


def test_another_programs_migrations_go_on_beside_ours(
    empty: OwnDatabase, neighbour: Config
) -> None:
    """Both call their first revision 001, as many programs do."""
    command.upgrade(neighbour, "001")
    migrate_to(empty)
    assert versions(empty) == (["001"], [revisions()[0]])
    command.upgrade(neighbour, "head")
    migrate_to(empty)
    assert versions(empty) == (["002"], [revisions()[0]])
    tables = {row[0] for row in empty.run("SELECT tablename FROM pg_tables")}
    assert tables >= {"theirs_001", "theirs_002", *own_tables()}


def test_another_program_may_come_later(empty: OwnDatabase, neighbour: Config) -> None:
    migrate_to(empty)
    command.upgrade(neighbour, "head")
    assert versions(empty) == (["002"], [revisions()[0]])
    command.downgrade(neighbour, "base")
    migrate_to(empty)
    assert versions(empty) == ([], [revisions()[0]])


@pytest.mark.parametrize("number", EARLIER)
def test_the_revision_of_an_earlier_version_is_taken_over(empty: OwnDatabase, number: str) -> None:
    """It stays where it was, because replicas of that version read it until they are replaced."""
    as_an_earlier_version_left_it(empty, number)
    migrate_to(empty)
    assert versions(empty) == ([number], [revisions()[0]])
    assert [row["title"] for row in empty.run("SELECT title FROM tasks")] == ["Buy milk"]


def test_who_could_read_the_revision_can_read_it_where_it_is_now(
    empty: OwnDatabase, role: str
) -> None:
    as_an_earlier_version_left_it(empty, EARLIER[0])
    quoted = role.replace('"', '""')
    empty.run(f'GRANT SELECT ON alembic_version TO "{quoted}"')
    migrate_to(empty)
    (row,) = empty.run("SELECT has_table_privilege($1, 'taskapi_version', 'SELECT')", role)
    assert row[0]


def test_a_revision_beside_another_programs_tasks_is_not_ours(empty: OwnDatabase) -> None:
    empty.run_script(
        "CREATE TABLE tasks (id int)",
        "CREATE TABLE alembic_version (version_num text)",
        "INSERT INTO alembic_version VALUES ('001')",
    )
    with pytest.raises(MigrationError, match="another program with names of ours, tasks"):
        migrate_to(empty)
    rows = empty.run("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    assert {row[0] for row in rows} == {"tasks", "alembic_version"}


@pytest.mark.parametrize("dropped", ["tasks", "user_clocks", "tombstones"])
def test_a_table_that_somebody_has_dropped_is_missed(empty: OwnDatabase, dropped: str) -> None:
    """As another program's tool does which drops the tables that it does not know."""
    migrate_to(empty)
    empty.run(f"DROP TABLE {dropped} CASCADE")
    with pytest.raises(MigrationError, match=f"but there is no {dropped}: restore"):
        migrate_to(empty)


def test_the_way_down_needs_no_checkout(empty: OwnDatabase) -> None:
    """Nor does the SQL of it: an image has only the command."""
    migrate_to(empty)
    settings = {"DATABASE_URL": empty.address.dsn}
    down = ("taskapi", "migrate", "--down", "--revision")
    assert run(*down, "taskapi_005", folder=ROOT, settings=settings).stdout == (
        "The schema is at taskapi_005.\n"
    )
    assert own_revision(empty) == ["taskapi_005"]
    printed = run(*down, "taskapi_005:taskapi_004", "--sql", folder=ROOT, settings=settings)
    empty.run_script(*statements_of(printed.stdout))
    assert own_revision(empty) == ["taskapi_004"]
    migrate_to(empty)
    assert own_revision(empty) == [revisions()[0]]


def test_a_revision_that_there_is_not_is_named(empty: OwnDatabase) -> None:
    done = run("taskapi", "migrate", "--revision", "taskapi_999", folder=ROOT, settings={})
    assert done.returncode == 1
    assert "Can't locate revision identified by 'taskapi_999'" in done.stderr


def test_a_way_down_grants_nothing() -> None:
    done = run("taskapi", "migrate", "--down", "--grant", "service", folder=ROOT)
    assert done.returncode == 1
    assert "exclude each other" in done.stderr
