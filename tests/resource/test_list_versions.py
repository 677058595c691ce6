"""A list's `304` costs the row of its user's clock, and hides no change (contract, section 6)."""

import re
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import httpx

from support.people import Person
from support.postgres import Postgres
from support.rows import execute
from support.service import client_for, settings_for
from support.waiting import eventually
from taskapi.database.url import DatabaseUrl

STRONG_TAG = re.compile(r'"[\x21\x23-\x7e]+"')

NOW = datetime.now(UTC)


def poll(person: Person, tag: str, path: str = "") -> httpx.Response:
    """Ask for a list that this person has already."""
    return person.get(path, headers={"If-None-Match": tag})


def test_a_list_has_another_version_after_every_change_of_what_it_shows(alice: Person) -> None:
    task = alice.create()
    path = f"/{task['id']}"
    changes: list[Callable[[], httpx.Response]] = [
        lambda: alice.post(json={"title": "Another"}),
        lambda: alice.put(path, json={"title": "Changed"}),
        lambda: alice.patch(f"{path}/complete"),
        lambda: alice.delete(path),
    ]
    for change in changes:
        tag = alice.get().headers["ETag"]
        assert alice.get(headers={"If-None-Match": tag}).status_code == 304
        assert change().is_success
        assert alice.get(headers={"If-None-Match": tag}).status_code == 200


def test_a_list_stays_the_same_where_its_list_does(alice: Person, bob: Person) -> None:
    alice.create()
    tag = alice.get().headers["ETag"]
    bob.create()
    assert alice.get(headers={"If-None-Match": tag}).status_code == 304
    assert STRONG_TAG.fullmatch(tag)


def test_a_version_belongs_to_one_question(alice: Person) -> None:
    """A client that mixes them up would see another list's tasks."""
    alice.create("Buy milk")
    alice.create("Buy tea")
    paths = ["", "?limit=1", "?q=milk", "?sort=title"]
    tags = {path: alice.get(path).headers["ETag"] for path in paths}
    for path, tag in tags.items():
        found = [other for other in paths if poll(alice, tag, other).status_code == 304]
        assert found == [path]
    assert alice.request("HEAD").headers["ETag"] == tags[""]


def test_a_version_belongs_to_one_user(alice: Person, bob: Person, database: DatabaseUrl) -> None:
    """Even if both began in the same statement, as users do whom a program imports."""
    same = (
        "UPDATE user_clocks SET started_at = $1, changed_at = $1 WHERE user_id = ANY($2::bigint[])"
    )
    alice.create()
    bob.create()
    execute(database, same, NOW, [int(alice.id), int(bob.id)])
    assert poll(bob, alice.get().headers["ETag"]).status_code == 200


def test_the_version_of_a_page_is_that_of_its_cursor_too(alice: Person) -> None:
    for title in ("a", "b", "c"):
        alice.create(title)
    second = f"?limit=1&cursor={alice.get('?limit=1').json()['next_cursor']}"
    tag = alice.get(second).headers["ETag"]
    assert poll(alice, tag, second).status_code == 304
    alice.create("d")  # which changes the total
    assert poll(alice, tag, second).json()["total"] == 4


# What is read


def test_only_the_clock_is_read_for_a_list_that_the_client_has(
    alice: Person, postgres: Postgres
) -> None:
    """Nobody can read a task here, and the client is told at once that nothing has changed."""
    with client_for(settings_for(postgres.address)) as http:
        reader = Person(alice.id, alice.token, http)
        reader.create()
        paths = ["", "?limit=1", "?q=milk&sort=title"]
        tags = {path: reader.get(path).headers["ETag"] for path in paths}
        with postgres.session() as session:
            session.run("BEGIN")
            session.run("LOCK TABLE tasks IN ACCESS EXCLUSIVE MODE")
            assert [poll(reader, tags[path], path).status_code for path in paths] == [304] * 3
            with ThreadPoolExecutor(1) as threads:
                changed = threads.submit(poll, reader, '"another"')
                eventually(lambda: postgres.waiting() == 1, "a list waits for the tasks")
                session.run("ROLLBACK")
                assert changed.result().status_code == 200


# No change stays hidden


def test_one_version_has_one_content_while_others_write(alice: Person) -> None:
    """If the version and the rows were not of the same moment, a reader would keep an old list."""
    task = alice.create()
    seen: dict[str, set[bytes]] = defaultdict(set)

    def write(number: int) -> None:
        assert alice.patch(f"/{task['id']}", json={"title": f"{number}"}).is_success

    def read() -> None:
        response = alice.get("?limit=3")
        seen[response.headers["ETag"]].add(response.content)

    with ThreadPoolExecutor(8) as threads:
        both = [
            each
            for number in range(100)
            for each in (threads.submit(write, number), threads.submit(read))
        ]
        for each in both:
            each.result()
    assert len(seen) > 1
    assert [contents for contents in seen.values() if len(contents) > 1] == []


def test_a_reader_who_polls_has_at_the_end_what_there_is(alice: Person) -> None:
    alice.create()
    known = alice.get()
    with ThreadPoolExecutor(4) as threads:
        writes = [threads.submit(alice.create, f"{number}") for number in range(60)]
        while not all(write.done() for write in writes):
            response = poll(alice, known.headers["ETag"])
            known = known if response.status_code == 304 else response
    response = poll(alice, known.headers["ETag"])
    known = known if response.status_code == 304 else response
    assert known.content == alice.get().content


# Users without a clock, and with another one


def test_a_user_who_never_wrote_has_versions_too(alice: Person, database: DatabaseUrl) -> None:
    empty = alice.get()
    assert STRONG_TAG.fullmatch(empty.headers["ETag"])
    assert poll(alice, empty.headers["ETag"]).status_code == 304
    alice.create()
    assert poll(alice, empty.headers["ETag"]).json()["total"] == 1
    execute(database, "DELETE FROM user_clocks WHERE user_id = $1", int(alice.id))
    old = alice.get()  # as of a user who has not written since there are clocks
    assert poll(alice, old.headers["ETag"]).status_code == 304
    execute(database, "UPDATE tasks SET title = 'x' WHERE user_id = $1", int(alice.id))
    assert poll(alice, old.headers["ETag"]).json()["tasks"][0]["title"] == "x"


def test_the_lists_of_another_life_are_not_known(alice: Person, database: DatabaseUrl) -> None:
    """After a deletion of the account, or a restore, even if the clock shows the same time."""
    alice.create()
    old = alice.get().headers["ETag"]
    execute(
        database, "UPDATE user_clocks SET started_at = $2 WHERE user_id = $1", int(alice.id), NOW
    )
    assert poll(alice, old).status_code == 200
    execute(database, "DELETE FROM users WHERE id = $1", int(alice.id))
    assert poll(alice, old).json()["total"] == 0


def test_a_star_needs_a_user(strict: httpx.Client, alice: Person) -> None:
    stranger = Person(alice.id, alice.token, strict)
    assert poll(stranger, "*").status_code == 404
