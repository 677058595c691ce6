"""The people of the soak: what they do, and the ledger of what was acknowledged to them."""

import asyncio
import itertools
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from http.client import INTERNAL_SERVER_ERROR, SERVICE_UNAVAILABLE
from random import SystemRandom
from typing import Any, NamedTuple

import httpx

from support.people import token_for

MOST_TASKS = 60
"""Of one person, so that lists stay short."""

MOST_EXAMPLES = 20

CHANCE = SystemRandom()


class Task(NamedTuple):
    """What a person knows of a task."""

    title: str
    description: str
    is_completed: bool


class Doubt(NamedTuple):
    """A write of which nobody knows whether it took place: all of it or nothing."""

    done: Mapping[int | str, Task | None]
    """What is there if it did: by id, or by title for a new task; None for what is not there."""
    undone: Mapping[int | str, Task | None]


class Tally:
    """What is counted."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self.operations = 0
        self.acknowledged = 0
        self.doubts = 0
        self.wrong: Counter[str] = Counter()
        self.examples: list[str] = []

    def blame(self, what: str, example: object) -> None:
        """Note something that must never happen."""
        self.wrong[what] += 1
        if len(self.examples) < MOST_EXAMPLES:
            self.examples.append(f"{what}: {example}"[:400])


class Person:
    """Somebody who does one thing after the other, and writes down what was acknowledged.

    Attributes:
        tasks: what is there for sure.
        copy: the tasks as the changes feed has told of them.
        doubts: what may have happened since the last comparison; nobody touches it before the next.
    """

    def __init__(self, user_id: int, http: httpx.AsyncClient, tally: Tally) -> None:
        self.user_id = user_id
        self.tasks: dict[int, Task] = {}
        self.copy: dict[int, Task] = {}
        self._since: str | None = None
        self.doubts: list[Doubt] = []
        self._http = http
        self._tally = tally
        self._path = f"/api/{user_id}/tasks"
        token = token_for(str(user_id), exp=int(time.time()) + 7 * 24 * 3600)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._numbers = itertools.count()

    async def act(self) -> None:
        """Do something."""
        actions = {
            self._create: 25 if len(self.tasks) < MOST_TASKS else 0,
            self._create_once: 8 if len(self.tasks) < MOST_TASKS else 0,
            self._create_two: 5 if len(self.tasks) < MOST_TASKS else 0,
            self._list: 8,
            self.follow: 10,
        }
        if self.tasks:
            actions |= {self._get: 15, self._rename: 15, self._toggle: 15, self._delete: 12}
        (action,) = CHANCE.choices([*actions], [*actions.values()])
        await action()
        self._tally.operations += 1

    async def follow(self) -> bool:
        """Read the changes feed to its end; returns whether it was reached."""
        has_more = True
        while has_more:
            query = f"&since={self._since}" if self._since else ""
            page = await self._call("GET", f"/changes?limit=20{query}", 200, reads=True)
            if page is None:
                return False
            for change in page["changes"]:
                self._apply(change)
            self._since, has_more = page["next"], page["has_more"]
        return True

    def compare(self, rows: Mapping[int, Task]) -> None:
        """Hold what the database has of this person against the ledger, and go on from there."""
        if self.copy != rows:
            differences = sorted(self.copy.items() ^ rows.items())
            self._tally.blame("copies out of step", f"{self.user_id}: {differences}")
        there: dict[int | str, Task] = dict(rows.items())
        there.update({task.title: task for task in rows.values()})
        explained = Counter(task.title for task in self.tasks.values())
        for task_id, task in self.tasks.items():
            if rows.get(task_id) != task:
                what = "different rows" if task_id in rows else "lost writes"
                self._tally.blame(what, f"{task}, {rows.get(task_id)}")
        for doubt in self.doubts:
            explained.update(self._settled(doubt, there))
        for title, times in (Counter(task.title for task in rows.values()) - explained).items():
            self._tally.blame("rows that nobody wrote", f"{title}, {times} times too often")
        self.tasks, self.doubts = dict(rows), []

    def _settled(self, doubt: Doubt, there: Mapping[int | str, Task]) -> Iterable[str]:
        """The titles that a doubtful write accounts for."""
        self._tally.doubts += 1
        for outcome in (doubt.done, doubt.undone):
            if all(there.get(key) == task for key, task in outcome.items()):
                return [task.title for task in outcome.values() if task is not None]
        self._tally.blame("half-done writes", doubt)
        return []

    async def _create(self) -> None:
        task = self._new_task()
        body = {"title": task.title, "description": task.description}
        answer = await self._call("POST", "", 201, json=body)
        if answer is None:
            self.doubts.append(Doubt({task.title: task}, {task.title: None}))
        else:
            self._learn(answer, task)

    async def _create_once(self) -> None:
        """With a key, which makes it safe to try until it is acknowledged."""
        task = self._new_task()
        body = {"title": task.title, "description": task.description}
        for _ in range(20):
            key = {"Idempotency-Key": task.title}
            answer = await self._call("POST", "", 201, json=body, headers=key)
            if answer is not None:
                self._learn(answer, task)
                return
            await asyncio.sleep(0.5)
        self.doubts.append(Doubt({task.title: task}, {task.title: None}))

    async def _create_two(self) -> None:
        """All or nothing."""
        both = [self._new_task(), self._new_task()]
        operations = [
            {"op": "create", "title": task.title, "description": task.description} for task in both
        ]
        answer = await self._call("POST", "/batch", 200, json={"operations": operations})
        if answer is None:
            done: dict[int | str, Task | None] = {task.title: task for task in both}
            self.doubts.append(Doubt(done, dict.fromkeys(done)))
        else:
            for result, task in zip(answer["results"], both, strict=True):
                self._learn(result["task"], task)

    async def _rename(self) -> None:
        task_id, task = self._any_task()
        renamed = task._replace(title=self._new_task().title)
        await self._change("PUT", f"/{task_id}", task_id, renamed, json={"title": renamed.title})

    async def _toggle(self) -> None:
        task_id, task = self._any_task()
        toggled = task._replace(is_completed=not task.is_completed)
        await self._change("PATCH", f"/{task_id}/complete", task_id, toggled)

    async def _change(
        self, method: str, path: str, task_id: int, after: Task, **options: Any
    ) -> None:
        before = self.tasks.pop(task_id)
        answer = await self._call(method, path, 200, **options)
        if answer is None:
            self.doubts.append(Doubt({task_id: after}, {task_id: before}))
        else:
            self._learn(answer, after)

    async def _delete(self) -> None:
        task_id, task = self._any_task()
        del self.tasks[task_id]
        if await self._call("DELETE", f"/{task_id}", 204) is None:
            self.doubts.append(Doubt({task_id: None}, {task_id: task}))

    async def _get(self) -> None:
        task_id, task = self._any_task()
        answer = await self._call("GET", f"/{task_id}", 200, reads=True)
        if answer is not None:
            self._compare(answer, task)

    async def _list(self) -> None:
        answer = await self._call("GET", "", 200, reads=True)
        if answer is None:
            return
        shown = {task["id"]: task for task in answer["tasks"]}
        for task_id, task in self.tasks.items():
            if task_id not in shown:
                self._tally.blame("lost", f"{task} is not in the list of {self.user_id}")
            else:
                self._compare(shown[task_id], task)
        for task in answer["tasks"]:
            self._own(task)

    def _apply(self, change: dict[str, Any]) -> None:
        task = change["task"]
        if task is None:
            self.copy.pop(change["id"], None)
            return
        self._own(task)
        self.copy[change["id"]] = Task(task["title"], task["description"], task["is_completed"])

    def _learn(self, answer: dict[str, Any], task: Task) -> None:
        self._compare(answer, task)
        self.tasks[answer["id"]] = task

    def _compare(self, answer: dict[str, Any], task: Task) -> None:
        self._own(answer)
        if Task(answer["title"], answer["description"], answer["is_completed"]) != task:
            self._tally.blame("wrong answers", f"{answer} instead of {task}")

    def _own(self, answer: dict[str, Any]) -> None:
        if answer["user_id"] != self.user_id or not answer["title"].startswith(f"{self.user_id}."):
            self._tally.blame("foreign rows", f"{answer} shown to {self.user_id}")

    def _new_task(self) -> Task:
        title = f"{self.user_id}.{next(self._numbers)}"
        return Task(title, "x" * CHANCE.choice([0, 10, 1000]), is_completed=False)

    def _any_task(self) -> tuple[int, Task]:
        return CHANCE.choice([*self.tasks.items()])

    async def _call(
        self, method: str, path: str, wanted: int, *, reads: bool = False, **options: Any
    ) -> dict[str, Any] | None:
        """The JSON of an answer, {} where it has none; None where nobody knows what happened."""
        headers = self._headers | options.pop("headers", {})
        try:
            answer = await self._http.request(method, self._path + path, headers=headers, **options)
        except httpx.HTTPError as error:
            self._tally.statuses[type(error).__name__] += 1
            return None
        self._tally.statuses[str(answer.status_code)] += 1
        if answer.status_code == wanted:
            self._tally.acknowledged += not reads
            return answer.json() if answer.content else {}
        if answer.status_code != SERVICE_UNAVAILABLE or "Retry-After" not in answer.headers:
            what = "500s" if answer.status_code == INTERNAL_SERVER_ERROR else "unexpected answers"
            self._tally.blame(what, f"{method} {path}: {answer.status_code} {answer.text[:200]}")
        return None
