"""Whatever a request was, and whatever happened since: a repetition of it changes nothing."""

import itertools
from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from support.calls import REPEATABLE
from support.effort import effort
from support.people import Person
from support.retries import Write
from support.rows import execute
from taskapi.database.url import DatabaseUrl

EVERYTHING = """
    SELECT row_to_json(t)::text FROM tasks t WHERE user_id = $1
    UNION ALL SELECT row_to_json(k)::text FROM kept_answers k WHERE user_id = $1 ORDER BY 1
"""

meanwhile: dict[str, Callable[[Person, str], Any]] = {
    "change": lambda person, path: person.patch(path, json={"title": "Changed"}),
    "toggle": lambda person, path: person.patch(f"{path}/complete"),
    "delete": lambda person, path: person.delete(path),
    "create": lambda person, _: person.create("Another"),
    "write once more": lambda person, path: Write(person, REPEATABLE[1], path[1:], "another")(),
}

numbers = itertools.count()


def test_a_repetition_changes_nothing(database: DatabaseUrl, someone: Callable[[], Person]) -> None:
    person = someone()

    def rows() -> list[str]:
        return [row[0] for row in execute(database, EVERYTHING, int(person.id))]

    @effort(examples=40)
    @given(st.sampled_from(REPEATABLE), st.lists(st.sampled_from([*meanwhile])), st.integers(1, 3))
    def holds(operation: str, events: list[str], times: int) -> None:
        task_id = person.create()["id"]
        write = Write(person, operation, task_id, f"key-{next(numbers)}")
        first = write()
        assert first.is_success
        for event in events:
            meanwhile[event](person, f"/{task_id}")
        before = rows()
        for _ in range(times):
            again = write()
            assert again.status_code in {first.status_code, 410}
        assert rows() == before

    holds()
