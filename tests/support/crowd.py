"""Many people at once, who use every operation again and again and look at every answer."""

import asyncio
import ssl
from collections import Counter
from contextlib import AsyncExitStack

import httpx

from support.people import token_for
from support.waiting import PATIENCE

FIRST = 10_000
"""The id of the first person."""


async def everybody_at_once(service: str, *, people: int, turns: int) -> Counter[int]:
    """The statuses of all answers, all of which were right.

    Args:
        service: its base address.
        people: how many.
        turns: how often each uses every operation.
    """
    statuses: Counter[int] = Counter()
    tls = ssl.create_default_context()  # which nobody uses, and each client would make for itself
    async with AsyncExitStack() as stack:
        callers = []
        for number in range(people):
            http = httpx.AsyncClient(base_url=service, timeout=PATIENCE, verify=tls)
            await stack.enter_async_context(http)
            callers.append(_Caller(http, FIRST + number, statuses))
        await asyncio.gather(*(caller.live(turns) for caller in callers))
    return statuses


def expected(turns: int) -> dict[int, int]:
    """The statuses of so many turns, of all people together."""
    return {201: turns, 200: 6 * turns, 204: turns}


class _Caller:
    """Somebody with tasks whose titles nobody else has."""

    def __init__(self, http: httpx.AsyncClient, number: int, statuses: Counter[int]) -> None:
        self._http = http
        self._number = number
        self._statuses = statuses
        self._tasks = f"/api/{number}/tasks"
        self._headers = {"Authorization": f"Bearer {token_for(str(number))}"}

    async def live(self, turns: int) -> None:
        """Use every operation again and again, and look at what it says."""
        for _ in range(turns):
            await self._turn()

    async def _turn(self) -> None:
        title = f"task of {self._number}"
        task = (await self._call("POST", "", json={"title": title})).json()
        one = f"/{task['id']}"
        assert (task["title"], task["user_id"]) == (title, self._number)
        assert (await self._call("GET", one)).json() == task
        assert (await self._call("GET", "")).json()["tasks"] == [task]
        assert (await self._call("PUT", one, json={"description": "x"})).json()["title"] == title
        assert (await self._call("PATCH", f"{one}/complete")).json()["is_completed"] is True
        done = (await self._call("GET", "?is_completed=true")).json()
        assert [found["title"] for found in done["tasks"]] == [title]
        assert await self._rename_in_a_batch(task["id"], f"{title}!") == f"{title}!"
        await self._call("DELETE", one)

    async def _rename_in_a_batch(self, task_id: int, title: str) -> object:
        """A transaction of two statements, which must stay on one connection of the server."""
        operations = [
            {"op": "update", "id": task_id, "title": title},
            {"op": "complete", "id": task_id},
        ]
        answer = await self._call("POST", "/batch", json={"operations": operations})
        return answer.json()["results"][1]["task"]["title"]

    async def _call(self, method: str, path: str, **options: object) -> httpx.Response:
        answer = await self._http.request(
            method,
            self._tasks + path,
            headers=self._headers,
            **options,  # type: ignore[arg-type]  # httpx's own options
        )
        assert answer.is_success, answer.text
        self._statuses[answer.status_code] += 1
        return answer
