"""The number of tasks is set right however busily the user writes meanwhile."""

from concurrent.futures import ThreadPoolExecutor

import asyncpg

from support.background import Background
from support.people import Person
from support.rows import execute, is_waited_for
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

QUOTA = 3
FULL = "UPDATE user_clocks SET max_task_count = $2 WHERE user_id = $1"


def test_a_create_whose_user_writes_at_every_moment_finds_room(
    database: DatabaseUrl, background: Background, alice: Person
) -> None:
    alice.create()
    execute(database, FULL, int(alice.id), QUOTA)
    # As one message, so that there is hardly a moment between two writes.
    write = f"BEGIN; UPDATE user_clocks SET changed_at = now() WHERE user_id = {int(alice.id)}"  # noqa: S608 - a number
    writer = background.run(asyncpg.connect(database.dsn))
    with (
        client_for(settings_for(database, max_tasks_per_user=QUOTA)) as http,
        ThreadPoolExecutor(1) as threads,
    ):
        frugal = Person(alice.id, alice.token, http)
        background.run(writer.execute(write))
        response = threads.submit(frugal.post, json={"title": "x"})
        while not response.done():
            eventually(
                lambda: response.done() or is_waited_for(database, writer.get_server_pid(), 1),
                "the create waits for the clock",
            )
            background.run(writer.execute(f"COMMIT; {write}"))
        background.run(writer.close())
        assert response.result().status_code == 201
