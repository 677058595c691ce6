"""The order of titles is people's, and the same on every server (contract, section 6)."""

import random
import re
from collections.abc import Callable, Iterator

import asyncpg
import pytest
from sqlalchemy import column, select

from support.own_database import OwnDatabase, own_database
from support.people import Person
from taskapi.database.owner import Users
from taskapi.database.statement import compiled
from taskapi.database.url import DatabaseUrl
from taskapi.resource.collation import sort_key
from taskapi.resource.pages import Shape, page_statement
from taskapi.tasks.statements import TASKS

SORTED = [
    "100%",
    "2 eggs",
    "Aebleskiver",
    "Æbleskiver",
    "Apfel",
    "Äpfel",
    "A\u0308pfel 2",
    "Apple",
    "apple",
    "Åre",
    "Azure",
    "école",
    "Einkauf",
    "Izmir",
    "İzmir 2",
    "Lodz",
    "Łódź",
    "Øresund",
    "oslo",
    "Strasse 1",
    "Straße 2",
    "STRASSE 3",
    "Zebra",
    "Άλφα",
    "άλφα",
    "Βήτα",
    "βήτα",
    "дом",
    "ёлка",
    "Жук",
    "щит",
    "Ґанок",
    "Երեւան",
    "שָׁלוֹם",
    "ერთი",
    "한국",
    "かき",
    "がき",
    "北京",
    "🎂",
]
"""By letters first; of equal letters, in the order of their bytes."""

LOCALES = [
    "LOCALE 'C'",
    "LOCALE 'C.UTF-8'",
    "LOCALE_PROVIDER builtin BUILTIN_LOCALE 'C.UTF-8'",
    "LOCALE_PROVIDER icu ICU_LOCALE 'tr'",
    "LOCALE_PROVIDER icu ICU_LOCALE 'de-u-co-phonebk'",
]
"""Of a database, as a server may have made it. Not every server knows all of them."""

KEY = compiled(select(sort_key(column("title")))).text.removeprefix("SELECT ").partition(" AS ")[0]

IN_ORDER = f"""
    SELECT array_agg(title ORDER BY {KEY}, title COLLATE "C") FROM unnest($1::text[]) AS t (title)
"""  # noqa: S608 - the service's own expression


def shuffled() -> list[str]:
    titles = SORTED.copy()
    random.Random(7).shuffle(titles)  # noqa: S311 - no secret
    return titles


@pytest.fixture(scope="module")
def filled(database: DatabaseUrl) -> Iterator[OwnDatabase]:
    """A database in which twenty people have 500 tasks each."""
    with own_database(database) as own:
        own.migrate()
        own.run_script(
            "INSERT INTO users SELECT generate_series(1, 20)",
            "INSERT INTO tasks (title, user_id) "
            "SELECT md5(n::text), 1 + n % 20 FROM generate_series(1, 10000) n",
            "ANALYZE",
        )
        yield own


@pytest.fixture
def carol(someone: Callable[[], Person]) -> Person:
    """Someone with all of these tasks."""
    person = someone()
    for title in shuffled():
        person.create(title)
    return person


def test_titles_are_sorted_as_people_sort_them(carol: Person) -> None:
    [up, down] = (carol.get(params={"sort": sort}).json()["tasks"] for sort in ("title", "-title"))
    assert [task["title"] for task in up] == SORTED
    assert down == up[::-1]


@pytest.mark.parametrize("sort", ["title", "-title"])
def test_pages_of_that_order_go_on_where_the_last_one_ended(carol: Person, sort: str) -> None:
    found, query = [], {"sort": sort, "limit": 3}
    while query:
        page = carol.get(params=query).json()
        found += [task["title"] for task in page["tasks"]]
        query = query | {"cursor": page["next_cursor"]} if page["has_more"] else {}
    assert found == (SORTED if sort == "title" else SORTED[::-1])


def test_the_order_is_that_of_no_locale(database: DatabaseUrl) -> None:
    """Also on PostgreSQL of another version: tests/database/test_other_versions.py."""
    found = [in_order(database, locale) for locale in LOCALES]
    known = [titles for titles in found if titles]
    assert len(known) >= 3
    assert all(titles == SORTED for titles in known)


def in_order(database: DatabaseUrl, locale: str) -> list[str] | None:
    """The titles as a database of this locale sorts them; None where the server has no such one."""
    try:
        with own_database(database, f"TEMPLATE template0 {locale}") as own:
            [[found]] = own.run(IN_ORDER, shuffled())
    except (asyncpg.FeatureNotSupportedError, asyncpg.PostgresSyntaxError):
        return None
    return list(found)


@pytest.mark.parametrize("shape", [Shape("title"), Shape("-title", after=True)], ids=str)
def test_a_list_in_that_order_reads_no_more_than_it_shows(
    filled: OwnDatabase, shape: Shape
) -> None:
    """The index serves the list: PostgreSQL sorts only titles with equal keys."""
    statement = page_statement(TASKS, Users("users", create_unknown=False), shape)
    values = {"owner": 1, "limit": 10, "offset": 0, "after_value": "8", "after_id": 1}
    plan = filled.run(f"EXPLAIN {statement.text}", *statement.arguments(values))
    nodes = "\n".join(line for [line] in plan)
    assert re.findall(r"\w+ Sort  ", nodes) == ["Incremental Sort  "]
    assert "using tasks_by_title_order" in nodes
