"""Tables in partitions: a plan for all of them, and the names of constraints."""

from collections.abc import Iterator

import asyncpg
import pytest

from support.own_database import OwnDatabase, own_database
from support.partitions import partition
from support.people import Person, token_for
from support.service import client_for, prepare, settings_for
from taskapi.database.faults import violated
from taskapi.database.url import DatabaseUrl

TWICE = {
    "kept_answers_pkey": """INSERT INTO kept_answers (user_id, key, request, body)
        SELECT 1, 'same', '', '' FROM generate_series(1, 2)""",
    "task_keys_by_task": """INSERT INTO task_keys (user_id, key, task_id)
        SELECT 1, n, 1 FROM generate_series(1, 2) AS n""",
    "tasks_pkey": """INSERT INTO tasks (id, title, user_id) OVERRIDING SYSTEM VALUE
        SELECT 1, 'Twice', 1 FROM generate_series(1, 2)""",
}


@pytest.fixture(scope="module")
def divided(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database in partitions, whose tables had a task before."""
    with own_database(database) as own:
        prepare(own.address)
        own.run("INSERT INTO users (id) VALUES (1)")
        own.run("INSERT INTO tasks (title, user_id) VALUES ('From before', 1)")
        own.run("GRANT SELECT ON tombstones TO PUBLIC")
        partition(own.address)
        yield own


@pytest.mark.parametrize(("name", "twice"), TWICE.items())
def test_a_key_that_is_taken_has_the_name_of_the_whole_tables(
    divided: OwnDatabase, name: str, twice: str
) -> None:
    with pytest.raises(asyncpg.UniqueViolationError) as raised:
        divided.run(twice)
    assert raised.value.constraint_name != name
    assert violated(raised.value) == name


def test_a_key_that_is_taken_on_a_shard_is_known_by_the_message() -> None:
    """Citus passes on no name of a constraint (13.2)."""
    text = 'duplicate key value violates unique constraint "kept_answers_pkey_102104"'
    assert violated(asyncpg.UniqueViolationError(text)) == "kept_answers_pkey"


def test_rights_that_everybody_has_are_kept(divided: OwnDatabase) -> None:
    may = "SELECT has_table_privilege('pg_monitor', $1::text, 'SELECT')"
    assert [divided.run(may, name)[0][0] for name in ("tombstones", "tasks")] == [True, False]


def test_a_plan_for_all_partitions_finds_what_is_there(divided: OwnDatabase) -> None:
    """The policy must not choose among them: it would, before a statement declares its owner."""
    with client_for(settings_for(divided.address)) as http:
        alice = Person("1", token_for("1"), http)
        assert [task["title"] for task in alice.get().json()["tasks"]] == ["From before"]
        assert alice.get(f"/{alice.create()['id']}").status_code == 200
