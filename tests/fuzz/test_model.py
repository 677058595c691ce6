"""Anything that people do, one after another and at once, against a model in memory.

After every step each user's list is what the model says, and so is a copy that follows the changes
feed; at the end every task by itself. What
happens at once must be explained by some order in which it could have happened (linearizability).
"""

import itertools
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from typing import Any

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)

from support.calls import NO_TASK, at_once
from support.effort import effort
from support.feed import Copy, changes
from support.model import ROUTES, Impossible, Model, Owner, Request, tag_of
from support.people import Person

PEOPLE = 3

storable = st.characters(exclude_categories=["Cs"], exclude_characters="\0")


def mostly(usual: st.SearchStrategy[Any], *odd: object) -> st.SearchStrategy[Any]:
    """What is right and, now and then, what is at a bound or beyond it."""
    return st.one_of(*[usual] * 8, st.sampled_from(odd))


titles = mostly(
    st.text(storable, max_size=8).map(lambda text: f"{text}x"),
    *(" trimmed\n", "x" * 500, "🎂" * 500, "", " ", "x" * 501),
)
descriptions = mostly(st.text(storable, max_size=8), "", "x" * 5000, "x" * 5001)
states = st.booleans()

texts = {"title": mostly(titles, None), "description": mostly(descriptions, None)}
entered = {"description": mostly(descriptions, None), "is_completed": states}
patches = st.fixed_dictionaries({}, optional=texts | {"is_completed": mostly(states, None)})

# A task is named by a number, and a version by a word: what they mean is known when they are used.
some_task = st.integers(0, 50)
some_version = st.sampled_from(
    [None, None, None, "current", "older", "several", "any", "time", "gzip"]
)
some_key = st.sampled_from([None, None, "key-1", "key-2", "key-3"])
some_task_key = st.sampled_from(["task-1", "task-2", "task-3"])

names = st.one_of(
    st.fixed_dictionaries({"id": some_task}), st.fixed_dictionaries({"key": some_task_key})
)


def about(op: str, members: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An operation of a batch that names its task, and has these members too."""
    return st.builds(lambda name, more: {"op": op, **name, **more}, names, members)


operations = st.one_of(
    st.fixed_dictionaries(
        {"op": st.just("create"), "title": titles}, optional=entered | {"key": some_task_key}
    ),
    about("update", patches),
    about("complete", st.fixed_dictionaries({}, optional={"is_completed": states})),
    about("delete", st.just({})),
)

bodies: dict[str, st.SearchStrategy[Any]] = {
    "page": st.none(),
    "read": st.none(),
    "delete": st.none(),
    "create": st.fixed_dictionaries({"title": titles}, optional=entered),
    "put": st.fixed_dictionaries({}, optional=texts),
    "patch": patches,
    "complete": st.none() | st.fixed_dictionaries({"is_completed": states}),
    "batch": st.fixed_dictionaries(
        {"operations": st.lists(operations, min_size=1, max_size=4)}, optional={"atomic": states}
    ),
}

WITH_KEY = {"create", "patch", "complete", "batch"}
WITH_VERSION = {"read", "put", "patch", "complete", "delete"}

queries = st.fixed_dictionaries(
    {},
    optional={
        "is_completed": st.sampled_from(["true", "false", "True", "0", ""]),
        "limit": st.sampled_from(["1", "2", "1000", ""]),
        "offset": st.sampled_from(["0", "1", "5", ""]),
    },
).map(lambda query: tuple(query.items()))


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request of somebody, nearly always about tasks of their own."""
    asker = draw(st.integers(0, PEOPLE - 1))
    kind = draw(st.sampled_from(list(bodies)))
    return Request(
        asker=asker,
        owner=draw(st.sampled_from([asker] * 9 + [(asker + 1) % PEOPLE])),
        kind=kind,
        task_id=draw(some_task),
        body=draw(bodies[kind]),
        query=draw(queries) if kind == "page" else (),
        condition=draw(some_version) if kind in WITH_VERSION else None,
        key=draw(some_key) if kind in WITH_KEY else None,
    )


class Life(RuleBasedStateMachine):
    """Some people and their tasks, in the service and in the model."""

    def __init__(self, someone: Callable[[], Person]) -> None:
        super().__init__()
        self.people = [someone() for _ in range(PEOPLE)]
        self.model = Model([Owner(int(person.id)) for person in self.people])
        self.older: dict[int, str] = {}
        self.copies = [Copy() for _ in range(PEOPLE)]

    @initialize()
    def everybody_has_something_to_do(self) -> None:
        for number in range(PEOPLE):
            for title in ("one", "two"):
                create = Request(number, number, "create", body={"title": title})
                self.model.apply(create, create.send(self.people))

    @rule(request=requests())
    def one_thing_happens(self, request: Request) -> None:
        request = self.about_something(request)
        self.model.apply(request, request.send(self.people))

    @rule(wanted=st.lists(requests(), min_size=2, max_size=4))
    def several_things_happen_at_once(self, wanted: list[Request]) -> None:
        self.happen_at_once([self.about_something(whole(request)) for request in wanted])

    @rule(request=requests(), times=st.integers(2, 4))
    def the_same_thing_happens_several_times_at_once(self, request: Request, times: int) -> None:
        self.happen_at_once([self.about_something(whole(request))] * times)

    @invariant()
    def every_list_is_what_the_model_says(self) -> None:
        for number in range(PEOPLE):
            look = Request(number, number, "page")
            self.model.apply(look, look.send(self.people))

    @invariant()
    def every_copy_that_follows_the_changes_is_in_step(self) -> None:
        for person, copy, owner in zip(self.people, self.copies, self.model.owners, strict=True):
            has_more = True
            while has_more:
                page = changes(person, copy.since, limit=2).json()
                copy.apply(page)
                has_more = page["has_more"]
            assert copy.tasks == owner.tasks

    def teardown(self) -> None:
        for number, owner in enumerate(self.model.owners):
            for task_id in self.model.ids:
                look = Request(number, number, "read", task_id)
                self.model.apply(look, look.send(self.people))
            assert len(owner.tasks) <= len(self.model.ids)

    def happen_at_once(self, requests: list[Request]) -> None:
        """Send requests together, and find an order that explains their answers."""
        sends = [lambda request=request: request.send(self.people) for request in requests]
        happened = list(zip(requests, at_once(sends), strict=True))
        for order in itertools.permutations(happened):
            model = deepcopy(self.model)
            try:
                for request, answer in order:
                    model.apply(request, answer)
            except Impossible:
                continue
            self.model = model
            return
        raise AssertionError(
            f"no order explains {[(request, told(answer)) for request, answer in happened]}"
        )

    def about_something(self, request: Request) -> Request:
        """The same request, about a task and a version that there are, or were."""
        task_id = self.task(request.owner, request.task_id)
        body = request.body
        if request.kind == "batch" and body is not None:
            operations = [
                each | ({"id": self.task(request.owner, each["id"])} if "id" in each else {})
                for each in body["operations"]
            ]
            body = body | {"operations": operations}
        about_one = "{" in ROUTES[request.kind][1]
        return replace(
            request,
            task_id=task_id if about_one else 0,
            body=body,
            condition=self.version(task_id, request.condition),
        )

    def task(self, owner: int, number: int) -> int:
        """One of the owner's tasks or, now and then, anybody's, also gone or never there."""
        usual, odd = sorted(self.model.owners[owner].tasks), [NO_TASK, *sorted(self.model.ids)]
        ids = odd if number % 8 == 0 or not usual else usual
        return ids[-1 - number % len(ids)]

    def version(self, task_id: int, word: str | None) -> str | None:
        """What a word for a version means for a task just now."""
        tasks = [owner.tasks[task_id] for owner in self.model.owners if task_id in owner.tasks]
        current = tag_of(tasks[0]) if tasks else '"0"'
        older = self.older.setdefault(task_id, current)
        meanings = {
            "current": current,
            "older": older,
            "several": f"{older}, {current}",
            "any": "*",
            "time": f'"{tasks[0]["updated_at"]}"' if tasks else '"0"',
            "gzip": f'W/{current[:-1]}-gzip"',
        }
        return None if word is None else meanings[word]


def whole(request: Request) -> Request:
    """The same request, but a batch is atomic: between operations anything may happen."""
    if request.kind != "batch" or request.body is None:
        return request
    return replace(request, body={"operations": request.body["operations"]})


def told(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.text


def test_whatever_people_do_the_service_does_what_the_model_does(
    someone: Callable[[], Person],
) -> None:
    """SC-004, SC-007 and section 6 of the contract, all at once."""
    search = effort(examples=15, steps=25)
    run_state_machine_as_test(lambda: Life(someone), settings=search)  # type: ignore[arg-type]  # it only calls it
