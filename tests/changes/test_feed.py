"""The feed in pages: what it tells, in which order, and what it reads for that."""

import asyncio

import asyncpg
import httpx
import pytest

from support.calls import assert_refused
from support.feed import Copy, changes, everything, ids, token_of_now
from support.people import Person
from support.rows import execute
from taskapi.changes.feed import MAX_PAGE_BYTES
from taskapi.changes.position import BEGINNING, FeedPosition, read_token
from taskapi.changes.statements import changes_statement
from taskapi.database.url import DatabaseUrl
from taskapi.tasks.statements import TASKS

BULK = "INSERT INTO tasks (title, user_id) SELECT n, $1 FROM generate_series(1, $2) n"


def test_without_a_token_the_feed_is_everything_there_is(alice: Person, bob: Person) -> None:
    tasks = [alice.create(), alice.create("Call Bob")]
    alice.delete(f"/{alice.create()['id']}")
    bob.create("Bob's")
    page = changes(alice).json()
    assert list(page) == ["changes", "next", "has_more"]
    tags = [alice.get(f"/{task['id']}").headers["ETag"] for task in tasks]
    assert page["changes"] == [
        {"id": task["id"], "key": None, "etag": tag, "task": task}
        for task, tag in zip(tasks, tags, strict=True)
    ]
    assert page["has_more"] is False


def test_the_next_call_has_what_has_changed_in_its_latest_state_and_order(alice: Person) -> None:
    first, second, third = (alice.create(title) for title in "abc")
    since = token_of_now(alice)
    fourth = alice.create("d")
    alice.patch(f"/{second['id']}/complete")
    alice.delete(f"/{first['id']}")
    alice.put(f"/{fourth['id']}", json={"title": "D"})
    latest = alice.patch(f"/{second['id']}", json={"title": "B"}).json()
    page = changes(alice, since).json()
    assert ids(page) == [first["id"], fourth["id"], second["id"]]
    assert page["changes"][0] == {"id": first["id"], "key": None, "etag": None, "task": None}
    assert page["changes"][2]["task"] == latest
    assert third["id"] not in ids(page)
    again = changes(alice, since)
    assert again.json() == page
    nothing = changes(alice, page["next"]).json()
    assert nothing == {"changes": [], "next": page["next"], "has_more": False}


def test_a_batch_is_told_in_the_order_of_its_operations(alice: Person) -> None:
    gone = alice.create()
    since = token_of_now(alice)
    operations = [
        {"op": "create", "title": "x"},
        {"op": "delete", "id": gone["id"]},
        {"op": "create", "title": "y"},
    ]
    results = alice.post("/batch", json={"operations": operations}).json()["results"]
    told = changes(alice, since).json()["changes"]
    assert [change["task"] for change in told] == [result["task"] for result in results]


def test_a_feed_that_is_empty_has_a_token_to_go_on_from(alice: Person) -> None:
    """It starts the clock of a user who has written nothing."""
    since = token_of_now(alice)
    assert changes(alice, since).json() == {"changes": [], "next": since, "has_more": False}
    task = alice.create()
    assert ids(changes(alice, since).json()) == [task["id"]]


def test_a_user_without_a_clock_gets_all_their_tasks(database: DatabaseUrl, alice: Person) -> None:
    """They had tasks before there were clocks."""
    task = alice.create()
    execute(database, "DELETE FROM user_clocks WHERE user_id = $1", int(alice.id))
    page = changes(alice).json()
    assert ids(page) == [task["id"]]
    later = alice.create()
    assert ids(changes(alice, page["next"]).json()) == [later["id"]]


def test_a_user_who_does_not_exist_is_404(strict: httpx.Client, alice: Person) -> None:
    nobody = Person(alice.id, alice.token, strict)
    assert_refused(changes(nobody), 404, "user_not_found")


def test_tasks_that_are_ahead_of_the_clock_are_told(database: DatabaseUrl, alice: Person) -> None:
    """They were written by somebody who does not know of clocks, and whose time is later."""
    ahead = [alice.create()["id"] for _ in range(3)]
    execute(database, "UPDATE tasks SET updated_at = '2999-01-01Z' WHERE id = ANY($1)", ahead)
    copy = Copy()
    assert walk(alice, copy, 1) == 3
    assert copy.tasks == everything(alice)
    assert ids(changes(alice, copy.since).json()) == []
    alice.patch(f"/{ahead[0]}/complete")
    assert walk(alice, copy, 1) >= 1
    assert copy.tasks == everything(alice)


# Pages


def walk(person: Person, copy: Copy, limit: int = 500) -> int:
    """Read the feed to its end; the number of pages."""
    pages, has_more = 0, True
    while has_more:
        response = changes(person, copy.since, limit=limit)
        assert response.status_code == 200, response.text
        page = response.json()
        assert len(page["changes"]) <= limit
        assert len(set(ids(page))) == len(ids(page))
        copy.apply(page)
        pages, has_more = pages + 1, page["has_more"]
    return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8, 1000])
def test_a_walk_in_pages_tells_everything_once(
    database: DatabaseUrl, alice: Person, limit: int
) -> None:
    """Seven tasks, of which five were written at the same moment."""
    alice.create()
    execute(database, BULK, int(alice.id), 5)
    alice.create()
    copy = Copy()
    assert walk(alice, copy, limit) == -(-7 // limit)
    assert copy.tasks == everything(alice)


def test_what_changes_during_a_walk_comes_later_in_it(alice: Person) -> None:
    tasks = [alice.create(str(number)) for number in range(6)]
    copy = Copy()
    page = changes(alice, limit=3).json()
    copy.apply(page)
    alice.patch(f"/{tasks[0]['id']}/complete")  # has been told
    alice.delete(f"/{tasks[1]['id']}")  # likewise
    alice.delete(f"/{tasks[4]['id']}")  # not yet
    alice.patch(f"/{tasks[5]['id']}/complete")  # likewise
    alice.create("new")
    walk(alice, copy, 1)
    assert copy.tasks == everything(alice)


def test_a_walk_of_old_tasks_goes_on_although_its_position_is_old(
    database: DatabaseUrl, alice: Person
) -> None:
    """It began a moment ago, and deletions from before are of no use to it."""
    for title in "abcd":
        alice.create(title)
    alice.delete(f"/{alice.create()['id']}")
    age(database, alice, "100 days")
    copy = Copy()
    assert walk(alice, copy, 1) == 4
    assert copy.tasks == everything(alice)


def age(database: DatabaseUrl, person: Person, by: str) -> None:
    """Have everything of this person happened so much earlier, but for the clock."""
    for change in (
        "UPDATE tasks SET updated_at = updated_at - $2::text::interval WHERE user_id = $1",
        "UPDATE tombstones SET deleted_at = deleted_at - $2::text::interval WHERE user_id = $1",
    ):
        execute(database, change, int(person.id), by)


def test_a_page_ends_at_half_a_mebibyte(database: DatabaseUrl, alice: Person) -> None:
    alice.create()
    fat = """INSERT INTO tasks (title, description, user_id)
             SELECT n, repeat(E'\\x01', 5000), $1 FROM generate_series(1, 300) n"""
    execute(database, fat, int(alice.id))
    page = changes(alice, limit=1000)
    assert 0.9 * MAX_PAGE_BYTES < len(page.content) <= MAX_PAGE_BYTES + 200
    copy = Copy()
    assert walk(alice, copy, 1000) == 18
    assert copy.tasks == everything(alice)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "offset=1", "since=a&since=b"]
)
def test_a_query_that_cannot_be_read_is_422(alice: Person, query: str) -> None:
    assert_refused(alice.get(f"/changes?{query}"), 422, "validation_failed")


@pytest.mark.parametrize("value", ["%FF", "%ED%A0%80"])
@pytest.mark.parametrize("name", ["since", "limit"])
def test_a_parameter_that_is_not_utf_8_is_422(alice: Person, name: str, value: str) -> None:
    response = alice.get(f"/changes?{name}={value}")
    assert_refused(response, 422, "validation_failed")
    assert "UTF-8" in response.json()["detail"][0]["msg"]


@pytest.mark.parametrize("query", ["since=", "since", "limit=", "since=&limit="])
def test_an_empty_parameter_is_an_absent_one(alice: Person, query: str) -> None:
    alice.create()
    assert alice.get(f"/changes?{query}").json() == alice.get("/changes").json()


# What it costs


def plan(database: DatabaseUrl, person: Person, position: FeedPosition, mode: str) -> list[str]:
    """How PostgreSQL has read a page, planned for the values or without knowing them."""
    statement = changes_statement(TASKS)
    values = {
        "owner": person.id,
        **position._asdict(),
        "retention": "30 days",
        "limit": 500,
        "max_bytes": MAX_PAGE_BYTES,
    }
    arguments = ", ".join(f"'{values[name]}'" for name in statement.parameters)

    async def explain() -> list[str]:
        connection = await asyncpg.connect(database.dsn)
        try:
            await connection.execute(f"SET plan_cache_mode = {mode}")
            await connection.execute(f"PREPARE page AS {statement.text}")
            lines = await connection.fetch(
                f"EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) EXECUTE page({arguments})"
            )
        finally:
            await connection.close()
        return [line[0] for line in lines]

    return asyncio.run(explain())


@pytest.mark.parametrize("mode", ["force_generic_plan", "force_custom_plan"])
def test_with_nothing_new_only_the_clock_is_read(
    database: DatabaseUrl, alice: Person, mode: str
) -> None:
    for _ in range(3):
        alice.create()
    alice.delete(f"/{alice.create()['id']}")
    position = read_token(int(alice.id), token_of_now(alice))
    idle = plan(database, alice, position, mode)
    for table in ("tasks", "tombstones"):
        scans = [line for line in idle if f" on {table}" in line]
        assert scans
        assert all("never executed" in line for line in scans), idle
    busy = plan(database, alice, BEGINNING, mode)
    assert any(" on tasks" in line and "never" not in line for line in busy), busy
