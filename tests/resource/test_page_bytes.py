"""Pages end at 4 MiB of JSON, wherever that is, and go on exactly there (contract, section 2)."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.people import Person
from support.rows import execute
from taskapi.database.owner import Users
from taskapi.database.url import DatabaseUrl
from taskapi.resource.pages import Bound, Shape, page_statement
from taskapi.resource.responses import MAX_PAGE_BYTES
from taskapi.tasks.statements import TASKS

Json = dict[str, Any]

SORTS = ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

TEXTS = ["x", '"', "\x01", "\n", "é", "🎂"]
"""Of each length that a character can have in JSON: 1 to 6 bytes."""

FILL = """INSERT INTO tasks (user_id, title, description, is_completed, created_at, updated_at)
    SELECT $1, 'Task ' || number % 7, description, number % 3 = 0,
        now() - number % 50 * interval '1 minute', now() - number % 40 * interval '1 minute'
    FROM unnest($2::text[]) WITH ORDINALITY AS rows (description, number)"""


def fill(database: DatabaseUrl, person: Person, descriptions: list[str]) -> None:
    """Tasks with these descriptions, many with the same title and the same times."""
    execute(database, "INSERT INTO users (id) VALUES ($1) ON CONFLICT DO NOTHING", int(person.id))
    execute(database, FILL, int(person.id), descriptions)


def test_a_task_is_never_longer_than_what_is_reserved_for_it(alice: Person) -> None:
    alice.create("\x01" * 500, "\x01" * 5000)
    [task] = alice.get().json()["tasks"]
    assert len(json.dumps(task, separators=(",", ":"))) <= TASKS.max_row_bytes
    assert TASKS.max_row_bytes < 35_000


def test_a_page_that_would_be_longer_ends_early_and_says_so(
    alice: Person, database: DatabaseUrl
) -> None:
    fill(database, alice, ["🎂" * 5000] * 300)
    response = alice.get()
    page = response.json()
    room = MAX_PAGE_BYTES - len(response.content)
    assert 0 <= room < TASKS.max_row_bytes, "it is full, and no fuller than it may be"
    assert (page["total"], page["limit"], page["has_more"]) == (300, 1000, True)
    assert f"cursor={page['next_cursor']}" in response.headers["Link"]
    rest = alice.get(params={"cursor": page["next_cursor"]}).json()
    assert (rest["total"], rest["has_more"]) == (300, False)
    ids = [task["id"] for task in page["tasks"] + rest["tasks"]]
    assert ids == [row["id"] for row in execute(database, NEWEST_FIRST, int(alice.id))]


NEWEST_FIRST = "SELECT id FROM tasks WHERE user_id = $1 ORDER BY created_at DESC, id DESC"


@pytest.mark.parametrize(
    ("texts", "rendered", "shown"),
    [
        (["x" * 100] * 300, True, True),
        (["\x01" * 5000] * 300, True, False),  # 1.5 MB, and 9 MB of JSON
        (["🎂" * 5000] * 300, False, False),
    ],
    ids=["short", "long in JSON", "long"],
)
def test_a_page_that_is_refused_is_not_rendered_if_its_texts_alone_are_too_long(
    alice: Person, database: DatabaseUrl, texts: list[str], rendered: bool, shown: bool
) -> None:
    fill(database, alice, texts)
    shape = Shape(bound=Bound.REFUSED)
    statement = page_statement(TASKS, Users("users", create_unknown=True), shape)
    asked = {"owner": int(alice.id), "limit": 1000, "offset": 0, "max_bytes": MAX_PAGE_BYTES}
    arguments = statement.arguments(asked)
    plan = execute(database, f"EXPLAIN (ANALYZE, COSTS OFF) {statement.text}", *arguments)
    [page] = [line for [line] in plan if "Subquery Scan on page" in line]
    assert ("never executed" not in page) == rendered
    assert len(execute(database, statement.text, *arguments)) == shown


@pytest.mark.parametrize("sort", SORTS)
def test_pages_of_rows_of_all_sizes_together_are_the_list(
    someone: Callable[[], Person], database: DatabaseUrl, sort: str
) -> None:
    @settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(
        sizes=st.lists(
            st.tuples(st.sampled_from(TEXTS), st.sampled_from([0, 100, 4000, 5000])),
            min_size=4,
            max_size=40,
        ),
        offset=st.integers(0, 300),
        is_completed=st.sampled_from([None, "true", "false"]),
    )
    def check(sizes: list[tuple[str, int]], offset: int, is_completed: str | None) -> None:
        person = someone()
        descriptions = [text * count for text, count in sizes] * 25
        fill(database, person, descriptions[:800])
        query = {"sort": sort} | ({"is_completed": is_completed} if is_completed else {})
        expected = [
            task
            for start in range(0, 800, 100)  # pages of 100 tasks are never cut
            for task in person.get(params=query | {"limit": 100, "offset": start}).json()["tasks"]
        ]
        place: Json = {"offset": offset}
        found: list[Json] = []
        while True:
            response = person.get(params=query | place)
            page = response.json()
            found += page["tasks"]
            behind = len(expected) - offset - len(found)
            assert len(response.content) <= MAX_PAGE_BYTES
            assert page["total"] == len(expected)
            assert page["has_more"] == (behind > 0)
            if behind <= 0:
                break
            next_row = len(json.dumps(expected[offset + len(found)], ensure_ascii=False).encode())
            room = MAX_PAGE_BYTES - len(response.content)
            assert room < next_row + 5000, "more would have fitted"
            place = {"cursor": page["next_cursor"]}
        assert found == expected[offset:]

    check()
