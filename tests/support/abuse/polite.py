"""A polite user: a few small requests a second, and how they went."""

import json
import select
import statistics
import time
from collections import Counter
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import NamedTuple

from support.abuse.attacker import HOST

INTERVAL = 0.4
"""Seconds between two requests of one habit."""

PATIENCE = 10.0
"""Seconds after which the user gives up, and that is a failure."""


class Habit(NamedTuple):
    """What the user does again and again, on a connection of its own.

    Attributes:
        newcomer: whether each request opens a new connection.
    """

    name: str
    method: str
    path: str
    status: int
    body: str | None = None
    newcomer: bool = False


@dataclass
class Experience:
    """How the requests of some seconds went.

    Attributes:
        due: how many there should have been.
        seconds: of each that went well, from when it was due to the end of its response.
        failures: of the others, by what happened.
    """

    due: int = 0
    seconds: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: int) -> float:
        """In seconds. A user of whom nothing went well has waited in vain, as long as it takes."""
        if len(self.seconds) < 2:
            return PATIENCE
        return statistics.quantiles(self.seconds, n=100, method="inclusive")[share - 1]


class PoliteUser:
    """A user of a service, with some tasks.

    Args:
        port: of the service.
        user_id: who has no tasks yet.
        token: replaced where the auth server changes its keys.
    """

    def __init__(self, port: int, user_id: str, token: str) -> None:
        self.token = token
        self._port = port
        self._tasks = f"/api/{user_id}/tasks"
        ids = [self._create() for _ in range(20)]
        self._habits = (
            Habit("get", "GET", f"/{ids[0]}", 200),
            Habit("list", "GET", "?limit=20", 200),
            Habit("create", "POST", "", 201, '{"title": "Buy milk"}'),
            Habit("toggle", "PATCH", f"/{ids[1]}/complete", 200),
            Habit("first get", "GET", f"/{ids[2]}", 200, newcomer=True),
        )

    def live(self, seconds: float) -> Experience:
        """Do what the user does, for so long."""
        end = time.monotonic() + seconds
        with ThreadPoolExecutor(len(self._habits)) as threads:
            habits = enumerate(self._habits)
            lives = [threads.submit(self._follow, *habit, end) for habit in habits]
            return together(life.result() for life in lives)

    def _follow(self, number: int, habit: Habit, end: float) -> Experience:
        experience, http = Experience(), self._connection()
        due = time.monotonic() + number * INTERVAL / len(self._habits)
        while due < end:
            experience.due += 1
            # Who is kept waiting until the end had no time for what else was due.
            if time.monotonic() < end:
                time.sleep(max(due - time.monotonic(), 0))
                self._once(habit, http, due, experience)
            due += INTERVAL
        http.close()
        return experience

    def _once(self, habit: Habit, http: HTTPConnection, due: float, experience: Experience) -> None:
        if habit.newcomer or _is_closed(http):
            http.close()  # the request opens it again
        try:
            status, _ = self._call(http, habit)
        except (OSError, HTTPException) as error:
            http.close()
            experience.failures[f"{habit.name}: {type(error).__name__}"] += 1
            return
        if status == habit.status:
            experience.seconds.append(time.monotonic() - due)
        else:
            experience.failures[f"{habit.name}: {status}"] += 1

    def _create(self) -> int:
        http = self._connection()
        _, body = self._call(http, Habit("create", "POST", "", 201, '{"title": "Buy milk"}'))
        http.close()
        task_id: int = json.loads(body)["id"]
        return task_id

    def _call(self, http: HTTPConnection, habit: Habit) -> tuple[int, bytes]:
        headers = {"Authorization": f"Bearer {self.token}"}
        if habit.body:
            headers["Content-Type"] = "application/json"
        http.request(habit.method, self._tasks + habit.path, habit.body, headers)
        response = http.getresponse()
        return response.status, response.read()

    def _connection(self) -> HTTPConnection:
        return HTTPConnection(HOST, self._port, PATIENCE)


def _is_closed(http: HTTPConnection) -> bool:
    """Whether the service has closed it while idle: HTTP libraries look before each request."""
    return http.sock is not None and bool(select.select([http.sock], [], [], 0)[0])


def together(experiences: Iterable[Experience]) -> Experience:
    """Several experiences as one."""
    whole = Experience()
    for each in experiences:
        whole.due += each.due
        whole.seconds += each.seconds
        whole.failures += each.failures
    return whole
