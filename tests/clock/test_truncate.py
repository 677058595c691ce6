"""TRUNCATE of the tasks, on a server of the tests' own."""

from support.people import Person, token_for
from support.postgres import Postgres
from support.service import client_for, settings_for


def test_truncated_lists_are_not_taken_for_known(postgres: Postgres) -> None:
    with client_for(settings_for(postgres.address)) as http:
        alice = Person("1", token_for("1"), http)
        alice.create()
        known = {"If-None-Match": alice.get().headers["etag"]}
        postgres.run("TRUNCATE tasks")
        response = alice.get(headers=known)
    assert (response.status_code, response.json()["total"]) == (200, 0)
