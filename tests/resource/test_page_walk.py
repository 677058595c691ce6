"""A list that others change while it is read page by page (contract, section 6).

What was there throughout, and stayed in its place, is seen exactly once. A task moves in a list by
`updated_at` with every change, and in one by `title` with a new title; one by `created_at` keeps
its order for ever.
"""

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support.calls import moment
from support.people import Person

Task = dict[str, Any]

SORTS = ["created_at", "-created_at", "updated_at", "-updated_at", "title", "-title"]

titles = st.sampled_from(["a", "b", "c", "d"])
"""So few that many tasks share one, and no two collations put them in another order."""


class Walk(RuleBasedStateMachine):
    """One reader walks through the list, and writers change it between any two pages.

    Args:
        person: whose list it is.
        sort: the order in which it is read.
    """

    def __init__(self, person: Person, sort: str) -> None:
        super().__init__()
        self.person = person
        self.sort = sort
        self.tasks: dict[int, Task] = {}
        self.place: tuple[Any, int] | None = None
        self.cursor: str | None = None
        self.seen: list[int] = []
        self.over = False

    @initialize(chosen=st.lists(titles, min_size=2, max_size=8))
    def begin(self, chosen: list[str]) -> None:
        for title in chosen:
            self.add(title)
        self.there = set(self.tasks)
        """Those that were there all the time, and kept their place in the order."""

    # Writers

    @rule(title=titles)
    def add(self, title: str) -> None:
        self.keep(self.person.post(json={"title": title}).json())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        number = self.pick(data)
        assert self.person.delete(f"/{number}").status_code == 204
        del self.tasks[number]
        self.there.discard(number)

    @precondition(lambda self: self.tasks)
    @rule(data=st.data(), title=titles)
    def rename(self, data: st.DataObject, title: str) -> None:
        self.keep(self.person.patch(f"/{self.pick(data)}", json={"title": title}).json())

    @precondition(lambda self: self.tasks)
    @rule(data=st.data())
    def toggle(self, data: st.DataObject) -> None:
        self.keep(self.person.patch(f"/{self.pick(data)}/complete").json())

    # The reader

    @precondition(lambda self: not self.over)
    @rule(limit=st.integers(1, 4))
    def read(self, limit: int) -> None:
        query: dict[str, str | int] = {"sort": self.sort, "limit": limit}
        page = self.person.get(params=query | ({"cursor": self.cursor} if self.cursor else {}))
        shown, self.cursor = page.json()["tasks"], page.json()["next_cursor"]
        ahead = [task for task in self.in_order() if not self.is_behind(task)]
        assert shown == ahead[:limit]
        assert page.json()["total"] == len(self.tasks)
        assert (self.cursor is None) == (len(ahead) <= limit)
        self.seen += [task["id"] for task in shown]
        if shown:
            self.place = self.key(shown[-1])
        self.over = self.cursor is None

    @invariant()
    def what_was_there_throughout_is_seen_exactly_once(self) -> None:
        for number in getattr(self, "there", ()):
            expected = self.over or self.is_behind(self.tasks[number])
            assert self.seen.count(number) == (1 if expected else 0)

    # What the model knows

    def pick(self, data: st.DataObject) -> int:
        return data.draw(st.sampled_from(sorted(self.tasks)))

    def keep(self, task: Task) -> None:
        before = self.tasks.get(task["id"])
        if before is not None and self.key(before) != self.key(task):
            self.there.discard(task["id"])
        self.tasks[task["id"]] = task

    def key(self, task: Task) -> tuple[Any, int]:
        value = task[self.sort.removeprefix("-")]
        return (value if "title" in self.sort else moment(value), task["id"])

    def in_order(self) -> list[Task]:
        return sorted(self.tasks.values(), key=self.key, reverse=self.sort.startswith("-"))

    def is_behind(self, task: Task) -> bool:
        """Whether the reader has passed the place where the task stands."""
        if self.place is None:
            return False
        key = self.key(task)
        return key >= self.place if self.sort.startswith("-") else key <= self.place


@pytest.mark.parametrize("sort", SORTS)
def test_a_walk_neither_skips_nor_repeats_what_was_there_throughout(
    someone: Callable[[], Person], sort: str
) -> None:
    run_state_machine_as_test(
        lambda: Walk(someone(), sort),  # type: ignore[arg-type]  # any factory will do
        settings=settings(
            max_examples=15,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
