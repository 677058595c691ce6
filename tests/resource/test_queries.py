"""Queries: a list filtered, searched, sorted and read in pages (contract, section 6).

What is no number, an unknown parameter and a forged cursor are in test_input; a list that changes
while it is read is in test_page_walk.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.calls import assert_refused, moment
from support.people import SECRET, Person, sign, token_for
from support.rows import execute
from support.service import client_of, serving, settings_for
from taskapi.database.url import DatabaseUrl
from taskapi.openapi.responses import EXAMPLE_CURSOR

MICROSECOND = timedelta(microseconds=1)

Json = dict[str, Any]


def listed(alice: Person, **query: object) -> list[Json]:
    """The tasks of a list that is one page."""
    response = alice.get(params=query)
    assert response.status_code == 200, response.text
    page = response.json()
    assert (page["total"], page["has_more"]) == (len(page["tasks"]), False)
    tasks: list[Json] = page["tasks"]
    return tasks


def titles(alice: Person, **query: object) -> list[str]:
    return [task["title"] for task in listed(alice, **query)]


# Filters


@pytest.mark.parametrize(("yes", "no"), [("true", "false"), ("True", "FALSE"), ("1", "0")])
def test_tasks_that_are_done_and_tasks_to_be_done(alice: Person, yes: str, no: str) -> None:
    """As JavaScript, Python and PHP write a boolean into a URL."""
    done, to_do = alice.create("Done"), alice.create("To do")
    alice.patch(f"/{done['id']}/complete")
    assert titles(alice, is_completed=yes) == ["Done"]
    assert titles(alice, is_completed=no) == ["To do"]
    assert titles(alice) == [to_do["title"], done["title"]]


@pytest.mark.parametrize("written", ["{}", "{}="])
@pytest.mark.parametrize(
    "name",
    ["is_completed", "q", "limit", "offset", "cursor", "sort", "created_since", "updated_before"],
)
def test_an_empty_parameter_of_a_list_is_an_absent_one(
    alice: Person, name: str, written: str
) -> None:
    tasks = [alice.create(title) for title in ("First", "Second")]
    page = alice.get(f"?{written.format(name)}").json()
    assert page == alice.get().json()
    assert page["tasks"] == tasks[::-1]


@pytest.mark.parametrize("blank", ["%20", "+", "+%09%0A", "%E3%80%80", "%E2%80%A8%C2%A0"])
def test_a_search_for_white_space_alone_is_none(alice: Person, blank: str) -> None:
    alice.create("First")
    alice.create("\x1c\u200bSecond")
    assert alice.get(f"?q={blank}&limit=1").json() == alice.get("?limit=1").json()
    for character in ("%1C", "%E2%80%8B"):  # no white space, so they mean themselves
        assert alice.get(f"?q={character}").json()["total"] == 1


@pytest.mark.parametrize(
    "query", ["sort=%20", "is_completed=+", "cursor=%E2%80%A8", "created_since=%09"]
)
def test_white_space_is_no_value_of_another_parameter(alice: Person, query: str) -> None:
    assert_refused(alice.get(f"?{query}"), 422, "validation_failed")


def test_empty_parameters_leave_the_others_as_they_are(alice: Person) -> None:
    for title in ("Buy milk", "Buy tea", "Call Mum"):
        alice.create(title)
    query = "is_completed=&sort=&offset=&created_since=&q=buy&limit=1"
    first = alice.get(f"?{query}&cursor=")
    page = alice.get(next_link(first) or "").json()
    assert first.json()["tasks"] + page["tasks"] == listed(alice, q="buy")
    cursor = first.json()["next_cursor"]
    assert alice.get(f"?{query}&cursor={cursor}").json() == page  # an offset would exclude it


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("milk", ["Buy MILK", "Cook"]),
        ("Buy m", ["Buy MILK"]),
        ("%", ["100% sure"]),
        ("100%", ["100% sure"]),
        ("0%s", []),
        ("_", ["snake_case"]),
        ("e_c", ["snake_case"]),
        ("k__c", []),
        ("\\", ["C:\\Temp"]),
        ("\\T", ["C:\\Temp"]),
        ("\\%", []),
        ("\\\\", []),
        ("'", ["It's"]),
        ("apfel", []),
        ("äpfel", ["Äpfel"]),
        ("ÄPFEL", ["Äpfel"]),
        ("ХЛЕБ", ["хлеб"]),
        ("🎂", ["Cake"]),
        ("x" * 500, []),
    ],
)
def test_text_is_found_in_title_and_description_in_any_case_and_means_itself(
    alice: Person, q: str, found: list[str]
) -> None:
    for title in ("Buy MILK", "100% sure", "snake_case", "C:\\Temp", "It's", "Äpfel", "хлеб"):
        alice.create(title)
    alice.create("Cook", "with milk")
    alice.create("Cake", "🎂")
    assert sorted(titles(alice, q=q)) == found


@pytest.mark.parametrize("time", ["created", "updated"])
def test_since_is_inclusive_and_before_is_not(alice: Person, time: str) -> None:
    alice.create("First")
    alice.create("Second")
    when = moment(alice.get("?q=second").json()["tasks"][0][f"{time}_at"])
    assert titles(alice, **{f"{time}_since": when.isoformat()}) == ["Second"]
    assert titles(alice, **{f"{time}_since": (when + MICROSECOND).isoformat()}) == []
    assert titles(alice, **{f"{time}_before": when.isoformat()}) == ["First"]
    later = (when + MICROSECOND).isoformat()
    assert titles(alice, **{f"{time}_before": later}) == ["Second", "First"]
    both = {f"{time}_since": when.isoformat(), f"{time}_before": later}
    assert titles(alice, **both) == ["Second"]
    assert titles(alice, **both | {f"{time}_before": when.isoformat()}) == []


def test_an_updated_task_moves_in_one_time_and_stays_in_the_other(alice: Person) -> None:
    first, second = alice.create("First"), alice.create("Second")
    alice.put(f"/{first['id']}", json={"title": "First"})
    assert titles(alice, updated_since=second["updated_at"]) == ["Second", "First"]
    assert titles(alice, created_since=second["created_at"]) == ["Second"]


@pytest.mark.parametrize(
    "written",
    [
        lambda when: when.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        lambda when: when.strftime("%Y-%m-%dt%H:%M:%S.%fz"),
        lambda when: when.astimezone(timezone(timedelta(hours=5, minutes=45))).isoformat(),
        lambda when: when.astimezone(timezone(-timedelta(hours=11))).isoformat(),
        lambda when: when.strftime("%Y-%m-%dT%H:%M:%S.%f-00:00"),
        lambda when: when.strftime("%Y-%m-%dT%H:%M:%S.%f999Z"),
    ],
    ids=["Z", "z", "+05:45", "-11:00", "-00:00", "nanoseconds"],
)
def test_a_moment_may_be_written_in_any_way_of_rfc_3339(
    alice: Person, written: Callable[[datetime], str]
) -> None:
    when = moment(alice.create()["created_at"])
    assert len(listed(alice, created_since=written(when))) == 1
    assert len(listed(alice, created_before=written(when))) == 0


@pytest.mark.parametrize(
    "short", ["2026-11-25T00:00Z", "2026-11-25t00:00z", "2026-11-25T01:30%2B01:30"]
)
def test_the_seconds_of_a_time_may_be_missing(
    database: DatabaseUrl, alice: Person, short: str
) -> None:
    midnight = datetime(2026, 11, 25, tzinfo=UTC)
    for when in (midnight - MICROSECOND, midnight):
        task = alice.create(when.isoformat())["id"]
        execute(database, "UPDATE tasks SET created_at = $1 WHERE id = $2", when, task)
    for name, found in (("created_since", midnight), ("created_before", midnight - MICROSECOND)):
        [task] = alice.get(f"?{name}={short}").json()["tasks"]
        assert task["title"] == found.isoformat()


@pytest.mark.parametrize(
    "when",
    [
        "0001-01-01T00:00:00Z",
        "0001-01-01T23:59:00+23:59",
        "9999-12-31T23:59:59.999999Z",
        "2024-02-29T00:00:00+00:00",
    ],
)
@pytest.mark.parametrize(
    "name", ["created_since", "created_before", "updated_since", "updated_before"]
)
def test_the_ends_of_time_are_times(alice: Person, name: str, when: str) -> None:
    assert listed(alice, **{name: when}) == []


@pytest.mark.parametrize(
    "when",
    [
        "now",
        "2026-01-31",
        "2026-01-31T09Z",
        "2026-01-31T09:30",
        "2026-01-31T9:30Z",
        "2026-01-31T09:30.5Z",
        "2026-01-31T24:00Z",
        "2026-01-31T09:60Z",
        "2026-01-31T09:30 01:00",
        "2026-01-31T09:30:00",
        "2026-01-31 09:30:00Z",
        "2026-01-31T09:30:00 00:00",
        "2026-01-31T09:30:00.Z",
        "2026-01-31T09:30:00.1234567890Z",
        "2026-01-31T09:30:00+0100",
        "2026-01-31T09:30:00+24:00",
        "2026-01-31T24:00:00Z",
        "2026-01-31T09:30:60Z",
        "2026-02-29T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00+00:01",
        "9999-12-31T23:59:59-23:59",
        "10000-01-01T00:00:00Z",
        "+2026-01-31T09:30:00Z",
        "1769851800",
        "1769851800.5",
        "\u0662\u0660\u0662\u0666-01-31T09:30:00Z",
        "2026-01-31T09:30:00Z\n",
        "infinity",
        "P1D",
        "\0",
    ],
    ids=ascii,
)
@pytest.mark.parametrize(
    "name", ["created_since", "created_before", "updated_since", "updated_before"]
)
def test_what_is_no_moment_of_rfc_3339_is_422(alice: Person, name: str, when: str) -> None:
    response = alice.get(params={name: when})
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["query", name]


def test_a_leap_second_is_refused_in_the_words_for_all_that_is_no_time(alice: Person) -> None:
    for time in ("2026-12-31T23:59:60Z", "tomorrow"):
        [mistake] = alice.get(f"?created_since={time}").json()["detail"]
        assert mistake["msg"].startswith("must be a time like 2026-01-31T09:30:00Z")


@pytest.mark.parametrize("time", ["09:30:00+01:00", "09:30+01:00", "09:30:00%2001:00"])
def test_the_plus_of_an_offset_that_became_a_space_is_explained(alice: Person, time: str) -> None:
    response = alice.get(f"?created_since=2026-01-31T{time}")
    assert_refused(response, 422, "validation_failed")
    assert "%2B" in response.json()["detail"][0]["msg"]


# Any combination of filters, order and pages, against the same question asked of the whole list

DAWN = datetime(2026, 1, 31, 6, tzinfo=UTC)
FRUIT = ["apple", "banana", "Cherry", "apple", "APPLE PIE", "100% apple", "b_n", "apple", "fig"]


@pytest.fixture
def orchard(database: DatabaseUrl, alice: Person) -> list[Json]:
    """Tasks of Alice's with equal titles and equal times, updated in another order than created."""
    ids = [alice.create(title, title[::-1])["id"] for title in FRUIT]
    execute(
        database,
        """UPDATE tasks SET created_at = c, updated_at = u, is_completed = d
           FROM unnest($1::bigint[], $2::timestamptz[], $3::timestamptz[], $4::bool[])
           AS x (i, c, u, d) WHERE id = i""",
        ids,
        [DAWN + n // 2 * MICROSECOND for n in range(len(ids))],
        [DAWN + n * 5 % len(ids) // 2 * MICROSECOND for n in range(len(ids))],
        [n % 3 == 0 for n in range(len(ids))],
    )
    return listed(alice)


times = st.integers(min_value=-1, max_value=len(FRUIT) // 2 + 1)
questions = st.fixed_dictionaries(
    {},
    optional={
        "is_completed": st.booleans(),
        "q": st.sampled_from(["apple", "AN", "%", "_", "elppa", "nothing"]),
        "created_since": times,
        "created_before": times,
        "updated_since": times,
        "updated_before": times,
    },
)
orders = st.sampled_from(
    ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]
)


def answers(task: Json, name: str, value: Any) -> bool:
    """Whether a task is among those that a filter lets through."""
    if name == "is_completed":
        return bool(task["is_completed"] == value)
    if name == "q":
        return value.lower() in f"{task['title']}\n{task['description']}".lower()
    time, _, end = name.partition("_")
    when, bound = moment(task[f"{time}_at"]), DAWN + value * MICROSECOND
    return bool(when >= bound if end == "since" else when < bound)


def written(value: object) -> object:
    """A value as it stands in a query."""
    if isinstance(value, bool):
        return str(value).lower()
    return (DAWN + value * MICROSECOND).isoformat() if isinstance(value, int) else value


def place(task: Json, by: str) -> tuple[Any, ...]:
    """Where a task stands in a list in this order. These titles are ASCII."""
    if by == "title":
        return (task["title"].lower(), task["title"], task["id"])
    return (moment(task[by]), task["id"])


def upside_down(question: Json) -> bool:
    return any(
        question.get(f"{time}_since", -9) > question.get(f"{time}_before", 99)
        for time in ("created", "updated")
    )


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(question=questions, order=orders, limit=st.integers(1, len(FRUIT) + 1))
def test_any_question_gets_what_a_reader_of_the_whole_list_would_pick(
    alice: Person, orchard: list[Json], question: Json, order: str, limit: int
) -> None:
    """In one piece, by cursors, and by offsets."""
    query = {"sort": order} | {name: written(value) for name, value in question.items()}
    if upside_down(question):
        assert_refused(alice.get(params=query), 422, "validation_failed")
        return
    picked = [
        task
        for task in orchard
        if all(answers(task, name, value) for name, value in question.items())
    ]
    picked.sort(key=lambda task: place(task, order.removeprefix("-")), reverse="-" in order)
    assert listed(alice, **query) == picked
    assert list(by_cursor(alice, query | {"limit": limit}, len(picked))) == picked
    assert list(by_offset(alice, query | {"limit": limit}, len(picked))) == picked


def by_cursor(alice: Person, query: Json, total: int) -> Iterator[Json]:
    """All tasks of a list, page by page, each page as long as it may be."""
    more: Json = {}
    while True:
        page = alice.get(params=query | more).json()
        assert (page["total"], page["limit"], page["offset"]) == (total, query["limit"], 0)
        assert page["has_more"] is (page["next_cursor"] is not None)
        yield from page["tasks"]
        if not page["has_more"]:
            return
        assert len(page["tasks"]) == query["limit"]
        more = {"cursor": page["next_cursor"]}


def by_offset(alice: Person, query: Json, total: int) -> Iterator[Json]:
    for offset in range(0, total + 1, query["limit"]):
        page = alice.get(params=query | {"offset": offset}).json()
        assert (page["total"], page["offset"]) == (total, offset)
        assert page["has_more"] is (offset + query["limit"] < total)
        yield from page["tasks"]


def test_behind_the_last_task_there_is_nothing_and_the_total_is_still_told(alice: Person) -> None:
    alice.create()
    alice.create()
    for offset in (2, 3, 2**63 - 1):
        page = alice.get(params={"offset": offset}).json()
        assert (page["tasks"], page["total"], page["has_more"]) == ([], 2, False)
        assert page["next_cursor"] is None


# Link


def next_link(response: httpx.Response) -> str | None:
    """The address that a client follows, as httpx reads the header."""
    return response.links["next"]["url"] if response.links else None


def test_the_link_leads_through_the_whole_list(alice: Person) -> None:
    created = [alice.create(f"Task {number}") for number in range(7)]
    address: str | None = "?limit=3"
    seen = []
    while address is not None:
        response = alice.get(address)
        seen += response.json()["tasks"]
        address = next_link(response)
    assert seen == created[::-1]


def test_the_link_asks_the_same_question_and_only_says_where_to_go_on(alice: Person) -> None:
    for _ in range(3):
        alice.create('a&b=c+d %20 "é🎂" <x>; rel')
    question = {
        "q": 'a&b=c+d %20 "é🎂" <x>; rel',
        "is_completed": "false",
        "sort": "-title",
        "created_since": "2026-01-31T09:30:00+01:00",
        "limit": "1",
    }
    response = alice.get(params=question | {"offset": "1"})
    link = response.headers["Link"]
    target = urlsplit(next_link(response) or "")
    asked = dict(parse_qsl(target.query, strict_parsing=True))
    assert link == f'<{target.geturl()}>; rel="next"'
    assert link.isascii()
    assert target.path == alice.tasks
    assert asked == question | {"cursor": response.json()["next_cursor"]}
    [last] = alice.get(target.geturl()).json()["tasks"]
    assert last == listed(alice)[-1]


def test_the_last_page_has_no_link(alice: Person) -> None:
    alice.create()
    for query in ("", "?limit=1", "?q=nothing", "?offset=5"):
        assert "Link" not in alice.get(query).headers


# Cursors are bound to the list that they were issued for

CursorOf = Callable[[str], str]


@pytest.fixture
def cursor_of(alice: Person) -> CursorOf:
    """The cursor behind the first task of a list of Alice's, which has three tasks."""
    for _ in range(3):
        alice.create("Buy milk", "Two litres")

    def cursor(question: str) -> str:
        text: str = alice.get(f"?limit=1&{question}").json()["next_cursor"]
        return text

    return cursor


def refuse(alice: Person, question: str, cursor: str) -> None:
    assert alice.get(f"?{question}").status_code == 200
    response = alice.get(f"?{question}&cursor={cursor}")
    assert_refused(response, 422, "validation_failed")
    assert response.json()["detail"][0]["loc"] == ["query", "cursor"]


@pytest.mark.parametrize(
    ("issued", "used"),
    [
        ("", "sort=created_at"),
        ("sort=created_at", "sort=updated_at"),
        ("sort=title", "sort=-title"),
        ("sort=title", "sort=created_at"),
        ("", "q=milk"),
        ("q=milk", ""),
        ("q=milk", "q=buy"),
        ("is_completed=false", "is_completed=true"),
        ("created_since=2026-01-01T00:00:00Z", "updated_since=2026-01-01T00:00:00Z"),
        ("created_since=2026-01-01T00:00:00Z", "created_since=2026-01-01T00:00:01Z"),
    ],
)
def test_a_cursor_of_another_list_is_422(
    alice: Person, cursor_of: CursorOf, issued: str, used: str
) -> None:
    refuse(alice, used, cursor_of(issued))


@pytest.mark.parametrize(
    ("issued", "used"),
    [
        ("", "limit=2"),
        ("", "sort=-created_at"),
        ("q=milk&is_completed=false", "is_completed=false&q=milk"),
        ("created_since=2026-01-01T00:00:00Z", "created_since=2026-01-01T01:00:00%2B01:00"),
    ],
)
def test_a_cursor_of_the_same_list_asked_for_in_other_words_is_taken(
    alice: Person, cursor_of: CursorOf, issued: str, used: str
) -> None:
    page = alice.get(f"?{used}&cursor={cursor_of(issued)}").json()
    assert len(page["tasks"]) == 2


@pytest.mark.parametrize("sort", ["-created_at", "title"])
def test_a_cursor_with_any_character_changed_shows_ones_own_tasks_or_is_422(
    alice: Person, cursor_of: CursorOf, sort: str
) -> None:
    cursor, own = cursor_of(f"sort={sort}"), listed(alice)
    for place, character in enumerate(cursor):
        for other in {"A", "B", "_", "!", "%20", "="} - {character}:
            changed = cursor[:place] + other + cursor[place + 1 :]
            response = alice.get(f"?sort={sort}&cursor={changed}")
            assert response.status_code in {200, 422}, changed
            assert all(task in own for task in response.json().get("tasks", []))


def test_a_cursor_that_was_cut_or_added_to_is_422(alice: Person, cursor_of: CursorOf) -> None:
    cursor = cursor_of("")
    longer = [cursor + more for more in ("A", "AAAA", "=", "!", "%00", "%20", cursor)]
    for changed in [cursor[:length] for length in range(1, len(cursor))] + longer:
        refuse(alice, "", changed)


def test_a_cursor_is_good_in_every_process_whatever_its_secret(
    database: DatabaseUrl, alice: Person, cursor_of: CursorOf
) -> None:
    cursor = cursor_of("")
    other = settings_for(database, better_auth_secret=f"another than {SECRET}")
    with serving(other) as address, client_of(address) as http:
        token = sign({"sub": alice.id, "exp": 2**40}, f"another than {SECRET}")
        elsewhere = Person(alice.id, token, http)
        assert elsewhere.get(f"?cursor={cursor}").json() == alice.get(f"?cursor={cursor}").json()


def test_the_documented_cursor_is_a_real_one(http: httpx.Client) -> None:
    one = Person("1", token_for("1"), http)
    assert one.get(f"?cursor={EXAMPLE_CURSOR}").status_code == 200


def test_a_cursor_outlives_the_task_that_it_stands_behind(alice: Person) -> None:
    first, second, third = (alice.create(title) for title in ("First", "Second", "Third"))
    cursor = alice.get("?limit=1").json()["next_cursor"]
    alice.delete(f"/{third['id']}")
    page = alice.get(f"?cursor={cursor}").json()
    assert page["tasks"] == [second, first]


# What is no question


@pytest.mark.parametrize(
    ("query", "name"),
    [
        ("is_completed=yes", "is_completed"),
        ("is_completed=on", "is_completed"),
        ("is_completed=t", "is_completed"),
        ("is_completed=01", "is_completed"),
        ("is_completed=%201", "is_completed"),
        ("is_completed=1.0", "is_completed"),
        ("is_completed=%EF%BC%91", "is_completed"),
        ("is_completed=null", "is_completed"),
        ("q=" + "x" * 501, "q"),
        ("q=a%00b", "q"),
        ("sort=id", "sort"),
        ("sort=Title", "sort"),
        ("sort=%2Btitle", "sort"),
        ("sort=--title", "sort"),
        ("sort=title,-created_at", "sort"),
        ("sort=title%20desc", "sort"),
    ],
)
def test_a_value_that_a_parameter_cannot_have_is_422_and_not_sent_back(
    alice: Person, query: str, name: str
) -> None:
    response = alice.get(f"?{query}")
    assert_refused(response, 422, "validation_failed")
    assert [mistake["loc"] for mistake in response.json()["detail"]] == [["query", name]]
    assert len(response.content) < 500


@pytest.mark.parametrize(
    "query",
    [
        "is_completed=true&is_completed=false",
        "is_completed=true&is_completed=true",
        "q=a&q=b",
        "sort=title&sort=title",
        "created_since=2026-01-31T09:30:00Z&created_since=2026-01-31T09:30:00Z",
        "cursor=a&cursor=a",
        "created_since=2026-01-31T09:30:00.000001Z&created_before=2026-01-31T09:30:00Z",
        "updated_since=9999-12-31T00:00:00Z&updated_before=0001-01-01T00:00:00Z",
        "q=milk&colour=blue",
        "filter[q]=milk",
        "page=2",
        "order=asc",
    ],
)
def test_contradictory_repeated_and_unknown_parameters_are_422(alice: Person, query: str) -> None:
    assert_refused(alice.get(f"?{query}"), 422, "validation_failed")


NOT_UTF_8 = [
    "%FF",
    "%ED%A0%80",  # a lone surrogate
    "%ED%A0%BD%ED%B8%80",  # a pair, as CESU-8 writes it
    "%C0%AF",  # longer than it need be
    "%C0%80",
    "%F4%90%80%80",  # beyond U+10FFFF
    "%E2%82",  # cut
    "milk%80",
    "%C3%28",
]


@pytest.mark.parametrize("value", NOT_UTF_8)
@pytest.mark.parametrize("name", ["q", "sort", "limit", "cursor", "is_completed", "updated_since"])
def test_a_parameter_that_is_not_utf_8_is_422(alice: Person, name: str, value: str) -> None:
    response = alice.get(f"?{name}={value}")
    assert_refused(response, 422, "validation_failed")
    [mistake] = response.json()["detail"]
    assert mistake["loc"] == ["query", name]
    assert "UTF-8" in mistake["msg"]


def test_what_is_utf_8_means_itself_even_if_it_looks_like_a_mistake(alice: Person) -> None:
    alice.create("100% \ufffd größe")
    for query in ("%EF%BF%BD", "100%", "%", "gr%C3%B6%C3%9Fe", "%25"):
        assert alice.get(f"?q={query}").json()["total"] == 1
