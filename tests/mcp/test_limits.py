"""What one user's agents may use: calls are limited, discovery is not."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from support.agent import Agent, error_of
from support.garbage import is_held
from support.metrics import figures, value
from support.people import Person
from support.rows import execute, held, wait_for_waiters
from support.service import client_for, settings_for
from support.waiting import HASTY_SECONDS, PATIENT, eventually
from taskapi.database.url import DatabaseUrl

RATE = 20

LOCK = "SELECT FROM tasks WHERE user_id = $1 FOR UPDATE"


@pytest.fixture(scope="module")
def small(database: DatabaseUrl) -> Iterator[httpx.Client]:
    """A client of a service with a small rate, a small quota, and one turn for each user."""
    settings = settings_for(
        database, **PATIENT, user_rate=RATE, max_tasks_per_user=3, user_concurrency=1
    )
    with client_for(settings) as client:
        yield client


def left(response: httpx.Response) -> int:
    return int(response.headers["RateLimit"].partition("r=")[2].partition(";")[0])


def test_calls_are_limited_and_discovery_is_not(small: httpx.Client, alice: Person) -> None:
    agent = Agent(small, alice.token)
    for _ in range(RATE):
        for method in ("server/discover", "tools/list"):
            assert "RateLimit" not in agent.request(method).headers
    refused = agent.request("tools/call", {"name": "add_tasks", "arguments": {}})
    while refused.status_code == 200:
        refused = agent.request("tools/call", {"name": "add_tasks", "arguments": {}})
    assert error_of(refused, 429, 429)["data"]["code"] == "rate_limited"
    assert refused.json()["id"] == 1
    assert int(refused.headers["Retry-After"]) > 0
    assert refused.headers["RateLimit-Policy"] == f'"user";q={RATE};w=10'
    assert len(agent.result("tools/list")["tools"]) == 8


@pytest.mark.parametrize(
    ("tool", "arguments", "weight"),
    [
        ("find_tasks", {}, 1),
        ("find_tasks", {"q": "milk"}, 10),
        ("search", {"query": "milk"}, 10),
        ("fetch", {"id": "1"}, 1),
        ("get_tasks", {"ids": list(range(1, 51))}, 10),
        ("delete_tasks", {"ids": list(range(1, 7))}, 2),
        ("update_tasks", {"tasks": [{"id": 1, "title": "x"}] * 11}, 3),
        ("drop_tasks", {}, 1),
    ],
)
def test_a_call_counts_by_what_it_costs(
    small: httpx.Client, alice: Person, tool: str, arguments: dict[str, object], weight: int
) -> None:
    agent = Agent(small, alice.token)
    response = agent.request("tools/call", {"name": tool, "arguments": arguments})
    assert left(response) == RATE - weight


@pytest.mark.parametrize("method", ["tools/list", "nothing", "notifications/initialized"])
def test_a_long_message_counts_whatever_it_asks_for(
    small: httpx.Client, alice: Person, method: str
) -> None:
    agent = Agent(small, alice.token)
    response = agent.request(method, {"junk": "x" * 200_000})
    assert left(response) == RATE - 3


def test_all_or_none_are_added(small: httpx.Client, alice: Person) -> None:
    agent = Agent(small, alice.token)
    result = agent.call("add_tasks", tasks=[{"title": "x"}] * 4)
    assert result["isError"] is True
    assert '"code":"quota_exceeded"' in result["content"][0]["text"]
    assert "tasks[3]: " in result["content"][0]["text"]
    assert agent.use("find_tasks")["total"] == 0


def test_long_results_come_in_pages_and_leave_no_memory_held(
    agent: Agent, alice: Person, database: DatabaseUrl
) -> None:
    """Fifty of the longest tasks, of which each character takes seven bytes in the text."""
    agent.use("add_tasks", tasks=[{"title": "x"}])
    execute(
        database,
        "INSERT INTO tasks (user_id, title, description) "
        "SELECT $1, repeat(E'\\x01', 500), repeat(E'\\x01', 5000) FROM generate_series(1, 50)",
        int(alice.id),
    )
    first = agent.use("find_tasks", limit=50)
    assert 0 < len(first["tasks"]) < 50
    rest = agent.use("find_tasks", limit=50, cursor=first["next_cursor"])
    ids = [task["id"] for task in first["tasks"] + rest["tasks"]]
    assert (len(set(ids)), rest["next_cursor"]) == (51, None)
    for _ in range(5):  # more than the user's share of the memory, were it not given back
        whole = agent.use("get_tasks", ids=ids[:50])["tasks"]
        assert {task["description"] for task in whole} == {"\x01" * 5000}


def test_calls_take_turns_and_discovery_does_not(
    small: httpx.Client, alice: Person, database: DatabaseUrl
) -> None:
    agent = Agent(small, alice.token)
    [task] = agent.use("add_tasks", tasks=[{"title": "x"}])["tasks"]
    with ThreadPoolExecutor(2) as threads:
        with held(database, LOCK, int(alice.id)) as holder:
            write = threads.submit(agent.use, "complete_tasks", ids=[task["id"]])
            wait_for_waiters(database, holder)
            read = threads.submit(agent.use, "find_tasks")
            eventually(lambda: waiting(small) == 1, "the second call waits for its turn")
            assert len(agent.result("tools/list")["tools"]) == 8
            assert [call.done() for call in (write, read)] == [False, False]
        assert write.result()["tasks"] == read.result()["tasks"]


def waiting(http: httpx.Client) -> float:
    return value(figures(http), "taskapi_turns_waiting")


def test_a_call_that_takes_too_long_is_told_so_by_its_id(
    alice: Person, database: DatabaseUrl
) -> None:
    """The layer that ends it stands around the route."""
    task = alice.create()
    params = {"name": "complete_tasks", "arguments": {"ids": [task["id"]]}}
    with client_for(settings_for(database, request_timeout=HASTY_SECONDS)) as http:
        agent = Agent(http, alice.token)
        with held(database, LOCK, int(alice.id)):
            response = agent.request("tools/call", params)
        assert error_of(response, 503, 503)["data"]["code"] == "timed_out"
        assert response.json()["id"] == 1


@pytest.mark.parametrize("place", ["message", "params", "_meta"])
def test_while_a_call_waits_nothing_is_held_that_it_does_not_use(
    agent: Agent, alice: Person, database: DatabaseUrl, place: str
) -> None:
    """A megabyte of empty objects takes 25 of memory, and 200 calls of a user may wait."""
    call: dict[str, Any] = {
        "name": "complete_tasks",
        "arguments": {"ids": [alice.create()["id"]]},
        "_meta": {},
    }
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    mark = f"held in {place}"
    {"message": message, "params": call, "_meta": call["_meta"]}[place]["junk"] = "JUNK"
    content = json.dumps(message).replace('"JUNK"', json.dumps([mark, {}]))
    with ThreadPoolExecutor(1) as threads:
        with held(database, LOCK, int(alice.id)) as holder:
            answer = threads.submit(agent.post, content=content.encode())
            wait_for_waiters(database, holder)
            assert not is_held(mark)
        assert answer.result().json()["result"]["isError"] is False
