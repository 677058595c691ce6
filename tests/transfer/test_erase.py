"""`taskapi erase`: nothing of a user is left, and everything of the others."""

import io
import threading

import httpx
import pytest

from support.commands import told
from support.files import exported, imported, titles
from support.own_database import OwnDatabase, own_database
from support.people import Person, token_for
from support.rows import execute
from support.service import as_service, client_for, prepare, settings_for
from taskapi.database.url import DatabaseUrl

TABLES = """SELECT c.oid::regclass::text AS name FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p') AND c.relnamespace = 'public'::regnamespace ORDER BY 1"""


def rows_that_mention(database: DatabaseUrl, person: Person) -> dict[str, int]:
    """How many rows of each table have a person's id in some column, by the catalogue."""
    with_id = """SELECT count(*) AS count FROM {} AS t
        WHERE EXISTS (SELECT FROM jsonb_each_text(to_jsonb(t)) WHERE value = $1)"""
    names = [row["name"] for row in execute(database, TABLES)]
    found = {name: execute(database, with_id.format(name), person.id)[0]["count"] for name in names}
    return {name: count for name, count in found.items() if count}


def lived(person: Person) -> None:
    """Have a person leave something in every table that has anything of users."""
    imported(person, titles("One", "Two"))
    task = person.post(
        json={"title": "Buy milk"}, headers={"Idempotency-Key": f"key-{person.id}"}
    ).json()
    operation = {"op": "create", "title": "With a key", "key": "mine"}
    assert person.post("/batch", json={"operations": [operation]}).status_code == 200
    assert person.delete(f"/{task['id']}").status_code == 204


def test_every_table_that_has_a_users_rows_is_emptied_of_them(
    own: OwnDatabase, alone: httpx.Client, alice: Person, bob: Person
) -> None:
    alice, bob = (Person(person.id, person.token, alone) for person in (alice, bob))
    for person in (alice, bob):
        lived(person)
    of_bob = rows_that_mention(own.address, bob)
    of_alice = rows_that_mention(own.address, alice)
    columns = """SELECT DISTINCT attrelid::regclass::text AS name FROM pg_attribute
        JOIN pg_class ON pg_class.oid = attrelid WHERE attname = 'user_id' AND relkind = 'r'
        AND relnamespace = 'public'::regnamespace"""
    assert of_alice.keys() == {row["name"] for row in own.run(columns)} | {"users"}
    since = exported(alice).token
    erased = told(own.address, "erase", "--user-id", alice.id, "--yes")
    assert (erased.status, erased.stderr) == (0, "")
    assert erased.stdout.startswith(f"Erased 3 tasks of user {alice.id}, and ")
    assert rows_that_mention(own.address, alice) == {}
    assert rows_that_mention(own.address, bob) == of_bob
    assert len(exported(bob).tasks) == 3
    # A client of the former life begins anew.
    alice.create("Another life")
    assert alice.get("/changes", params={"since": since}).status_code == 410


def test_a_user_of_the_auth_server_stays_in_its_table(database: DatabaseUrl) -> None:
    with own_database(database) as own:
        own.run('CREATE TABLE "user" (id text PRIMARY KEY, name text NOT NULL)')
        own.run("INSERT INTO \"user\" (id, name) VALUES ('alice', 'Alice')")
        kinds = {"user_id_type": "text", "users_table": "user", "create_unknown_users": False}
        prepare(own.address, **kinds)
        with client_for(settings_for(own.address, **kinds)) as http:
            alice = Person("alice", token_for("alice"), http)
            lived(alice)
            environment = {"USER_ID_TYPE": "text", "USERS_TABLE": "user"}
            erased = told(own.address, "erase", "--user-id=alice", "--yes", **environment)
            assert erased.status == 0, erased
            first, last = erased.stdout.splitlines()
            assert first.startswith("Erased 3 tasks of user alice, and ")
            assert "user" in last
            assert "auth server" in last
            assert rows_that_mention(own.address, alice) == {'"user"': 1}
            assert alice.get().json()["total"] == 0
            again = told(own.address, "erase", "--user-id=alice", "--yes", **environment)
            assert again.stdout.startswith("Erased 0 tasks of user alice")


def test_nothing_is_erased_without_a_yes(
    own: OwnDatabase, alone: httpx.Client, alice: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice = Person(alice.id, alice.token, alone)
    lived(alice)
    for answer in ("", "n\n"):
        monkeypatch.setattr("sys.stdin", io.StringIO(answer))
        assert told(own.address, "erase", "--user-id", alice.id).status == 1
        assert len(exported(alice).tasks) == 3
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert told(own.address, "erase", "--user-id", alice.id).status == 0
    assert exported(alice).tasks == []


def test_erase_by_a_role_that_may_not_is_told_in_a_line(
    own: OwnDatabase, alone: httpx.Client, alice: Person
) -> None:
    """The service's role may delete tasks, and no users: all or nothing is erased."""
    alice = Person(alice.id, alice.token, alone)
    lived(alice)
    refused = told(as_service(own.address), "erase", "--user-id", alice.id, "--yes")
    assert refused.status == 1
    assert refused.stderr.endswith("permission denied for table users\n")
    assert len(exported(alice).tasks) == 3


def test_an_erase_while_the_user_writes_leaves_nothing_of_before(
    own: OwnDatabase, alone: httpx.Client, alice: Person
) -> None:
    alice = Person(alice.id, alice.token, alone)
    lived(alice)
    stop = threading.Event()
    answers: list[httpx.Response] = []

    def write() -> None:
        while not stop.is_set():
            answers.append(alice.post(json={"title": "Meanwhile"}))

    writers = [threading.Thread(target=write) for _ in range(3)]
    for writer in writers:
        writer.start()
    erased = [told(own.address, "erase", "--user-id", alice.id, "--yes") for _ in range(3)]
    stop.set()
    for writer in writers:
        writer.join()
    assert [each.status for each in erased] == [0, 0, 0], erased
    assert {answer.status_code for answer in answers} == {201}
    assert told(own.address, "erase", "--user-id", alice.id, "--yes").status == 0
    assert rows_that_mention(own.address, alice) == {}
