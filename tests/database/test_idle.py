"""A service that nobody uses asks its database nothing, so that one which may suspend does."""

import pytest

from support.people import Person, token_for
from support.postgres import Postgres
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.changes import notifier
from taskapi.database import sweeper

OLD = """INSERT INTO kept_answers (user_id, key, request, body, kept_at)
    VALUES (1, 'old', '', '', now() - interval '25 hours')"""


def test_an_idle_service_asks_nothing_and_one_that_has_written_sweeps(
    postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have to connect for a question, because its connections are ended before."""
    turns: list[float] = []

    def soon(seconds: float) -> float:
        turns.append(seconds)
        return 0.001

    def another(count: int) -> None:
        end = len(turns) + count
        eventually(lambda: len(turns) > end, "the sweeper has had its turns")

    monkeypatch.setattr(sweeper, "jittered", soon)
    monkeypatch.setattr(notifier, "ASK_SECONDS", 0.001)
    postgres.run("INSERT INTO users (id) VALUES (1) ON CONFLICT DO NOTHING")
    postgres.run(OLD)
    with client_for(settings_for(postgres.address)) as http:
        alice = Person("1", token_for("1"), http)
        another(300)
        assert is_there(postgres), "nobody has written yet"
        alice.create()
        eventually(lambda: not is_there(postgres), "it has swept")
        another(2)  # with all that it sweeps
        postgres.run(OLD)
        postgres.terminate_connections()
        another(300)
        for path in ("/livez", "/metrics", "/"):
            assert http.get(path).status_code == 200
        assert postgres.connections() == 0
        alice.create()
        eventually(lambda: not is_there(postgres), "it has swept")


def is_there(postgres: Postgres) -> bool:
    return bool(postgres.run("SELECT FROM kept_answers WHERE key = 'old'"))
