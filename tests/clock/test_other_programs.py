"""SQL of other programs in ways that a client of ours has none for: no version of a list stays."""

from datetime import datetime, timedelta

import pytest

from support.people import Person
from support.rows import execute
from support.service import client_for, settings_for
from taskapi.database.url import DatabaseUrl

MOVE = "UPDATE tasks SET user_id = $2 WHERE id = $1"
SET = "UPDATE tasks SET title = $2, updated_at = $3 WHERE id = $1 RETURNING updated_at"
STONES = "SELECT task_id FROM tombstones WHERE user_id = $1"


def tag(person: Person) -> dict[str, str]:
    return {"If-None-Match": person.get().headers["etag"]}


def test_a_task_that_gets_another_owner_is_missed_by_the_first(
    database: DatabaseUrl, alice: Person, bob: Person
) -> None:
    task = alice.create()
    bob.create()
    tags = tag(alice), tag(bob)
    execute(database, MOVE, task["id"], int(bob.id))
    lists = alice.get(headers=tags[0]), bob.get(headers=tags[1])
    assert [each.status_code for each in lists] == [200, 200]
    assert [each.json()["total"] for each in lists] == [0, 2]
    assert [row["task_id"] for row in execute(database, STONES, int(alice.id))] == [task["id"]]
    assert execute(database, STONES, int(bob.id)) == []


def test_the_version_that_a_statement_returned_stays_the_latest(
    database: DatabaseUrl, alice: Person
) -> None:
    """A replica of the version before has sent it to its client as the `ETag`."""
    task = alice.create()
    for title in ("a", "b"):
        now = datetime.fromisoformat(alice.get(f"/{task['id']}").json()["updated_at"])
        later = now + timedelta(microseconds=1)
        [row] = execute(database, SET, task["id"], title, later)
        version = {"If-Match": f'"{row["updated_at"]:%Y-%m-%dT%H:%M:%S.%fZ}"'}
        response = alice.put(f"/{task['id']}", json={"title": "c"}, headers=version)
        assert response.status_code == 200


def test_an_update_that_changes_nothing_leaves_the_version(
    database: DatabaseUrl, alice: Person
) -> None:
    task = alice.create()
    execute(database, "UPDATE tasks SET is_completed = false WHERE id = $1", task["id"])
    assert alice.get(f"/{task['id']}").json() == task


def test_tasks_that_another_program_adds_count_while_the_number_is_known(
    database: DatabaseUrl, alice: Person
) -> None:
    with client_for(settings_for(database, max_tasks_per_user=3)) as http:
        frugal = Person(alice.id, alice.token, http)
        frugal.create()
        add = "INSERT INTO tasks (title, user_id) SELECT 'x', $1 FROM generate_series(1, 2)"
        execute(database, add, int(alice.id))
        response = frugal.post(json={"title": "x"})
    assert (response.status_code, response.json()["code"]) == (403, "quota_exceeded")


@pytest.mark.parametrize("starter", ["request", "program"])
def test_a_first_clock_is_later_than_every_task(
    database: DatabaseUrl, alice: Person, starter: str
) -> None:
    """The task is from before there were clocks, and the server's has been set back since."""
    tasks = [alice.create() for _ in range(2)]
    ahead = "UPDATE tasks SET updated_at = '2999-01-01Z' WHERE id = $1"
    execute(database, ahead, tasks[0]["id"])
    execute(database, "DELETE FROM user_clocks WHERE user_id = $1", int(alice.id))
    if starter == "program":
        execute(database, "UPDATE tasks SET title = 'x' WHERE id = $1", tasks[1]["id"])
    before = alice.get(f"/{tasks[0]['id']}").json()["updated_at"]
    assert alice.put(f"/{tasks[0]['id']}", json={"title": "x"}).json()["updated_at"] > before
