"""The edge cases that the requirements name (FR-010, FR-012, FR-013, SC-003, SC-006)."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import asyncpg
import httpx
import pytest

from support.calls import ABOUT_ONE_TASK, CALLS, assert_refused, call, moment
from support.people import Person, token_for
from taskapi.auth.claims import LEEWAY
from taskapi.database.url import DatabaseUrl

THOUSANDS = 2500


def expiring(person: Person, seconds: float) -> str:
    """A token of this person that expires so many seconds from now."""
    return token_for(person.id, exp=time.time() + seconds)


def add_tasks(database: DatabaseUrl, owner: str, count: int) -> None:
    """Add many tasks at once, all of one age, so that only their ids tell which is newer."""

    async def add() -> None:
        connection = await asyncpg.connect(database.dsn)
        await connection.execute("INSERT INTO users (id) VALUES ($1)", int(owner))
        await connection.execute(
            "INSERT INTO tasks (title, user_id) SELECT n::text, $1 FROM generate_series(1, $2) n",
            int(owner),
            count,
        )
        await connection.close()

    asyncio.run(add())


@pytest.mark.parametrize("operation", CALLS)
def test_a_token_that_expires_in_mid_use_is_401_and_changes_nothing(
    alice: Person, operation: str
) -> None:
    alice.token = expiring(alice, 20 - LEEWAY)  # late, within what clocks may differ
    task = alice.create()
    before = alice.get().content
    response = call(
        alice.http,
        operation,
        user_id=alice.id,
        task_id=task["id"],
        token=expiring(alice, -LEEWAY - 1),
    )
    assert_refused(response, 401, "token_expired")
    assert 'error="invalid_token"' in response.headers["WWW-Authenticate"]
    alice.token = token_for(alice.id)
    assert alice.get().content == before


@pytest.mark.parametrize(
    "body", ["{", '{"title": "Buy milk"', "title=Buy milk", '{"title": }', "'"]
)
def test_malformed_json_is_422(alice: Person, body: str) -> None:
    task = alice.create()
    headers = {"Content-Type": "application/json"}
    for response in (
        alice.post(content=body, headers=headers),
        alice.put(f"/{task['id']}", content=body, headers=headers),
        alice.patch(f"/{task['id']}/complete", content=body, headers=headers),
    ):
        assert_refused(response, 422, "validation_failed")
        assert response.json()["detail"][0]["type"] == "json_invalid"
    assert alice.get().json()["tasks"] == [task]


def test_of_concurrent_updates_one_is_last_and_none_is_mixed(alice: Person) -> None:
    path = f"/{alice.create()['id']}"

    def update(number: int) -> httpx.Response:
        return alice.put(path, json={"title": f"Title {number}", "description": f"Text {number}"})

    with ThreadPoolExecutor(20) as many:
        responses = list(many.map(update, range(40)))
    assert {response.status_code for response in responses} == {200}
    answers = [response.json() for response in responses]
    assert len({answer["updated_at"] for answer in answers}) == 40
    assert alice.get(path).json() == max(answers, key=lambda answer: moment(answer["updated_at"]))


@pytest.mark.parametrize(
    "text",
    [
        "Geburtstag 🎂 für 👩‍👩‍👧 und 🏳️‍🌈",
        "<script>alert('x')</script> & <b>bold</b> &amp;",
        "'; DROP TABLE tasks; --",
        "$1 %s %(owner)s {user_id} :owner \\u0041 \\",
        "مرحبا שלום 你好 ẞ e\u0301 \u202ertl\u202c",
        "quotes \" and ' and ` and \x07 bell \x7f delete",
    ],
)
def test_emoji_html_and_sql_come_back_as_sent(alice: Person, text: str) -> None:
    task = alice.create(text, text)
    assert (task["title"], task["description"]) == (text, text)
    assert alice.get(f"/{task['id']}").json() == task
    assert alice.put(f"/{task['id']}", json={"title": text}).json()["title"] == text
    assert alice.get().json()["tasks"][0]["description"] == text


@pytest.mark.parametrize("operation", CALLS)
def test_a_valid_token_of_an_unknown_user_is_404(
    strict: httpx.Client, alice: Person, operation: str
) -> None:
    response = call(strict, operation, user_id=alice.id, token=alice.token)
    assert_refused(response, 404, "user_not_found")


def test_an_unknown_user_is_created_on_the_way_where_that_is_wanted(
    strict: httpx.Client, alice: Person
) -> None:
    assert alice.get().json()["tasks"] == []
    task = alice.create()
    alice.http = strict
    assert alice.get().json()["tasks"] == [task]


def test_a_known_user_without_tasks_has_an_empty_list(strict: httpx.Client, alice: Person) -> None:
    alice.delete(f"/{alice.create()['id']}")
    alice.http = strict
    assert (alice.get().status_code, alice.get().json()["tasks"]) == (200, [])


@pytest.mark.parametrize("operation", ABOUT_ONE_TASK)
def test_a_known_user_is_told_that_it_is_the_task_that_is_missing(
    strict: httpx.Client, alice: Person, operation: str
) -> None:
    alice.create()
    response = call(strict, operation, user_id=alice.id, token=alice.token)
    assert_refused(response, 404, "task_not_found")


def test_a_thousand_tasks_come_in_one_call(database: DatabaseUrl, alice: Person) -> None:
    add_tasks(database, alice.id, 1000)
    page = alice.get().json()
    assert [task["title"] for task in page["tasks"]] == [str(n) for n in range(1000, 0, -1)]
    assert (page["total"], page["has_more"], page["next_cursor"]) == (1000, False, None)


def by_offset(page: dict[str, object], read: int) -> str:
    return f"?limit=999&offset={read}"


def by_cursor(page: dict[str, object], read: int) -> str:
    return f"?limit=999&cursor={page['next_cursor']}"


@pytest.mark.parametrize("following", [by_offset, by_cursor])
def test_thousands_of_tasks_come_in_pages(
    database: DatabaseUrl, alice: Person, following: Callable[[dict[str, object], int], str]
) -> None:
    add_tasks(database, alice.id, THOUSANDS)
    page = alice.get("?limit=999").json()
    titles = [task["title"] for task in page["tasks"]]
    while page["has_more"]:
        assert page["total"] == THOUSANDS
        page = alice.get(following(page, len(titles))).json()
        titles += [task["title"] for task in page["tasks"]]
    assert page["next_cursor"] is None
    assert titles == [str(n) for n in range(THOUSANDS, 0, -1)]


def test_a_cursor_is_not_shifted_by_tasks_that_come_and_go(alice: Person) -> None:
    old = [alice.create(f"Task {number}") for number in range(4)][::-1]
    first = alice.get("?limit=2").json()
    assert first["tasks"] == old[:2]
    alice.create("Newer")
    alice.delete(f"/{old[0]['id']}")
    alice.delete(f"/{old[1]['id']}")  # the very task that the cursor stands behind
    second = alice.get(f"?limit=2&cursor={first['next_cursor']}").json()
    assert second["tasks"] == old[2:]
    assert (second["total"], second["has_more"]) == (3, False)


@pytest.mark.parametrize(
    ("query", "shown", "has_more"),
    [
        ("?limit=3", 3, False),
        ("?limit=2", 2, True),
        ("?limit=2&offset=1", 2, False),
        ("?offset=3", 0, False),
        ("?offset=4", 0, False),
        (f"?offset={2**63 - 1}&limit=1000", 0, False),
    ],
)
def test_the_edges_of_pages(alice: Person, query: str, shown: int, has_more: bool) -> None:
    for _ in range(3):
        alice.create()
    page = alice.get(query).json()
    assert (len(page["tasks"]), page["total"], page["has_more"]) == (shown, 3, has_more)
    assert (page["next_cursor"] is not None) is has_more
