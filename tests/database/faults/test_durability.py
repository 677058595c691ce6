"""The database is killed: what was acknowledged is there."""

from support.people import Person
from support.postgres import Postgres


def test_a_task_survives_a_kill_9_of_the_database_after_its_201(
    postgres: Postgres, alice: Person
) -> None:
    for number in range(3):
        task = alice.create(f"Task {number}")
        postgres.kill()
        postgres.start()
        assert alice.get(f"/{task['id']}").json() == task
    assert alice.get().json()["total"] == 3
