"""The tools: what each does, what it refuses, and that it says what it did."""

import json
from typing import Any

import httpx
import jsonschema_rs
import pytest

from support.agent import Agent
from support.calls import NO_TASK
from support.oauth import PUBLIC_URL
from support.people import Person, token_for
from support.tools import TOOLS
from taskapi import scopes
from taskapi.config import UserIdType
from taskapi.mcp.arguments import FindTasks
from taskapi.mcp.tools import tools_json

Json = dict[str, Any]

TITLES = ["Buy milk", "Call Bob", "Pay rent"]

ABOUT_SEVERAL = ["get_tasks", "update_tasks", "complete_tasks", "delete_tasks"]


def about(tool: str, *ids: object) -> Json:
    """Right arguments about these tasks."""
    if tool == "update_tasks":
        return {"tasks": [{"id": each, "title": "Changed"} for each in ids]}
    return {"ids": list(ids)}


@pytest.fixture
def tasks(agent: Agent) -> list[Json]:
    """Three to-dos of Alice's."""
    added: list[Json] = agent.use("add_tasks", tasks=[{"title": title} for title in TITLES])[
        "tasks"
    ]
    return added


# --- What is said of them ---


@pytest.fixture(scope="module")
def described(http: httpx.Client) -> dict[str, Json]:
    """Each tool as the list has it."""
    tools = Agent(http, token_for("1")).result("tools/list")["tools"]
    return {tool["name"]: tool for tool in tools}


def test_annotations_say_the_truth(described: dict[str, Json]) -> None:
    said = {
        name: [key for key, holds in tool["annotations"].items() if holds]
        for name, tool in described.items()
    }
    read = ["readOnlyHint", "idempotentHint"]
    assert said == {
        "find_tasks": read,
        "get_tasks": read,
        "add_tasks": [],
        "update_tasks": ["destructiveHint", "idempotentHint"],
        "complete_tasks": ["idempotentHint"],
        "delete_tasks": ["destructiveHint", "idempotentHint"],
        "search": read,
        "fetch": read,
    }
    for tool in described.values():
        assert len(tool["annotations"]) == 4, "defaults are the contrary of what is true here"


def test_schemas_are_plain(described: dict[str, Json]) -> None:
    assert described.keys() == TOOLS.keys()
    for tool in described.values():
        for name in ("inputSchema", "outputSchema"):
            jsonschema_rs.meta.validate(tool[name])
            assert tool[name]["type"] == "object"
            text = json.dumps(tool[name])
            assert "$ref" not in text
            assert "$defs" not in text
        assert tool["inputSchema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("kind", "described_as"), [("integer", "integer"), ("text", "string"), ("uuid", "string")]
)
def test_a_users_id_is_described_as_the_setting_has_it(kind: UserIdType, described_as: str) -> None:
    [tool, *_] = json.loads(tools_json(scopes.ALL, kind))
    task = tool["outputSchema"]["properties"]["tasks"]["items"]
    assert task["properties"]["user_id"]["type"] == described_as


def test_they_say_to_dos_and_what_to_be_careful_with(described: dict[str, Json]) -> None:
    for tool in described.values():
        assert "to-do" in tool["title"]
        assert "task" not in tool["title"]
    assert "no undo" in described["delete_tasks"]["description"]
    assert "ask" in described["delete_tasks"]["description"]


@pytest.mark.parametrize("tool", TOOLS)
def test_right_arguments_conform_and_so_does_what_is_returned(
    agent: Agent, described: dict[str, Json], tasks: list[Json], tool: str
) -> None:
    ids = [task["id"] for task in tasks]
    cases = [TOOLS[tool].arguments(NO_TASK)]
    if tool in ABOUT_SEVERAL:
        cases = [about(tool, NO_TASK), about(tool, ids[0], NO_TASK), about(tool, *ids[1:])]
    if tool == "fetch":
        cases = [{"id": str(ids[0])}]
    for arguments in cases:
        jsonschema_rs.validate(described[tool]["inputSchema"], arguments)
        result = agent.call(tool, **arguments)
        schema = described[tool]["outputSchema"]
        found = result["structuredContent"]
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(found)
        assert result["content"] == [{"type": "text", "text": result["content"][0]["text"]}]
        assert json.loads(result["content"][0]["text"]) == found


# --- Arguments that are wrong ---


@pytest.mark.parametrize(
    ("tool", "wrong", "loc"),
    [
        ("find_tasks", {"limit": 101}, ["limit"]),
        ("find_tasks", {"limit": 0}, ["limit"]),
        ("find_tasks", {"offset": 1}, ["offset"]),
        ("find_tasks", {"created_since": "yesterday"}, ["created_since"]),
        ("find_tasks", {"sort": "color"}, ["sort"]),
        ("find_tasks", {"cursor": "nonsense"}, ["cursor"]),
        ("find_tasks", {"q": "\x00"}, ["q"]),
        ("find_tasks", {"q": []}, ["q"]),
        ("find_tasks", {"colour": 1}, ["colour"]),
        ("get_tasks", {}, ["ids"]),
        ("get_tasks", {"ids": []}, ["ids"]),
        ("get_tasks", {"ids": list(range(1, 52))}, ["ids"]),
        ("get_tasks", {"ids": [0]}, ["ids", 0]),
        ("get_tasks", {"ids": [1, 2**63]}, ["ids", 1]),
        ("delete_tasks", {"ids": [True]}, ["ids", 0]),
        ("delete_tasks", {"ids": [1.5]}, ["ids", 0]),
        ("delete_tasks", {"ids": ["1e3"]}, ["ids", 0]),
        ("delete_tasks", {"ids": "1"}, ["ids"]),
        ("add_tasks", {"tasks": [{"title": "x"}] * 26}, ["tasks"]),
        ("add_tasks", {"tasks": [{"title": "x"}, {"title": " "}]}, ["tasks", 1, "title"]),
        ("add_tasks", {"tasks": [{"title": "x", "due": "today"}]}, ["tasks", 0, "due"]),
        ("add_tasks", {"tasks": ["x"]}, ["tasks", 0]),
        ("add_tasks", {"tasks": [{"title": "x"}], "request_key": "a b"}, ["request_key"]),
        ("update_tasks", {"tasks": [{"id": 1}]}, ["tasks", 0]),
        ("update_tasks", {"tasks": [{"title": "x"}]}, ["tasks", 0, "id"]),
        (
            "update_tasks",
            {"tasks": [{"id": 1, "is_completed": True}]},
            ["tasks", 0, "is_completed"],
        ),
        (
            "update_tasks",
            {"tasks": [{"id": 1, "title": "x", "version": "1"}]},
            ["tasks", 0, "version"],
        ),
        (
            "update_tasks",
            {"tasks": [{"id": 1, "title": "x", "version": 1}]},
            ["tasks", 0, "version"],
        ),
        ("complete_tasks", {"ids": [1], "is_completed": "yes"}, ["is_completed"]),
        ("search", {}, ["query"]),
        ("search", {"query": "  "}, ["query"]),
        ("fetch", {"id": "one"}, ["id"]),
        ("fetch", {"id": "01"}, ["id"]),
    ],
)
def test_a_model_can_correct_itself_by_what_is_said(
    agent: Agent, tool: str, wrong: Json, loc: list[object]
) -> None:
    result = agent.call(tool, **wrong)
    assert (result["isError"], "structuredContent" in result) == (True, False)
    said = json.loads(result["content"][0]["text"])
    assert said["code"] == "validation_failed"
    assert loc in [error["loc"] for error in said["errors"]]
    assert all(error["msg"] for error in said["errors"])


def test_many_mistakes_make_a_short_answer(agent: Agent) -> None:
    task = {"id": 0, "title": "", "description": 1, "version": 1, "x" * 30_000: 1}
    result = agent.call("update_tasks", tasks=[task] * 25)
    assert result["isError"] is True
    assert len(result["content"][0]["text"]) < 5000


def test_null_is_the_same_as_nothing(agent: Agent) -> None:
    """Models write it for what they leave out."""
    new = {"title": "x", "description": None, "is_completed": None}
    [task] = agent.use("add_tasks", tasks=[new], request_key=None)["tasks"]
    assert task["description"] == ""
    change = {"id": task["id"], "title": "y", "description": None, "version": None}
    [changed] = agent.use("update_tasks", tasks=[change])["tasks"]
    assert (changed["title"], changed["description"]) == ("y", "")
    for nothing in (None, ""):
        arguments = dict.fromkeys(FindTasks.model_fields, nothing)
        assert agent.use("find_tasks", **arguments)["tasks"] == [changed]
    [completed] = agent.use("complete_tasks", ids=[task["id"]], is_completed=None)["tasks"]
    assert completed["is_completed"] is True


# --- Reading ---


def test_a_list_has_filters_order_and_pages(agent: Agent, alice: Person, tasks: list[Json]) -> None:
    agent.use("complete_tasks", ids=[tasks[0]["id"]])

    def titles(**arguments: object) -> list[str]:
        return [task["title"] for task in agent.use("find_tasks", **arguments)["tasks"]]

    assert titles() == TITLES[::-1]
    assert titles(is_completed=False, sort="title") == TITLES[1:]
    assert titles(q="MILK") == TITLES[:1]
    assert titles(created_since=tasks[1]["created_at"], created_before=tasks[2]["created_at"]) == [
        TITLES[1]
    ]
    assert titles(updated_since=tasks[2]["created_at"]) == [TITLES[2], TITLES[0]]
    first = agent.use("find_tasks", limit=2, sort="title")
    assert (first["total"], len(first["tasks"])) == (3, 2)
    last = agent.use("find_tasks", limit=2, sort="title", cursor=first["next_cursor"])
    assert (last["total"], last["next_cursor"]) == (3, None)
    assert [task["title"] for task in first["tasks"] + last["tasks"]] == TITLES
    assert last["tasks"][0] == alice.get(f"/{tasks[2]['id']}").json()


def test_a_list_has_twenty_unless_told_otherwise(agent: Agent, alice: Person) -> None:
    operations = [{"op": "create", "title": str(number)} for number in range(101)]
    for part in (operations[:100], operations[100:]):
        assert alice.post("/batch", json={"operations": part}).status_code == 200
    assert len(agent.use("find_tasks")["tasks"]) == 20
    assert len(agent.use("find_tasks", limit=100)["tasks"]) == 100


def test_a_list_cuts_long_descriptions_and_says_so(agent: Agent) -> None:
    whole = ["é" * 200, "日" * 201]
    agent.use("add_tasks", tasks=[{"title": "x", "description": text} for text in whole])
    cut, kept = agent.use("find_tasks")["tasks"]
    assert (kept["description"], "description_is_cut" in kept) == (whole[0], False)
    assert (cut["description"], cut["description_is_cut"]) == ("日" * 200 + "…", True)
    [task] = agent.use("get_tasks", ids=[cut["id"]])["tasks"]
    assert task["description"] == whole[1]


def test_tasks_come_in_the_order_in_which_they_are_asked_for(
    agent: Agent, alice: Person, tasks: list[Json]
) -> None:
    first, second, _ = (task["id"] for task in tasks)
    found = agent.use("get_tasks", ids=[second, NO_TASK, str(first), second])
    assert found["tasks"] == [alice.get(f"/{each}").json() for each in (second, first)]
    [failure] = found["failures"]
    assert (failure["id"], failure["code"]) == (NO_TASK, "task_not_found")


def test_what_chat_products_look_for(public: httpx.Client, alice: Person) -> None:
    agent = Agent(public, alice.token)
    [task] = agent.use("add_tasks", tasks=[{"title": "Buy milk", "description": "Two litres"}])[
        "tasks"
    ]
    url = f"{PUBLIC_URL}/api/{alice.id}/tasks/{task['id']}"
    [found] = agent.use("search", query=" LITRES ")["results"]
    assert found == {"id": str(task["id"]), "title": "Buy milk", "url": url}
    document = agent.use("fetch", id=found["id"])
    metadata = {name: task[name] for name in ("is_completed", "created_at", "updated_at")}
    assert document == found | {"text": "Buy milk\n\nTwo litres", "metadata": metadata}
    missing = agent.call("fetch", id=str(NO_TASK))
    assert missing["isError"] is True
    assert json.loads(missing["content"][0]["text"])["code"] == "task_not_found"


# --- Writing ---


def test_what_is_added_is_there(agent: Agent, alice: Person) -> None:
    new = [{"title": " a "}, {"title": "b", "description": "\n", "is_completed": True}]
    added = agent.use("add_tasks", tasks=new)["tasks"]
    assert [(task["title"], task["description"], task["is_completed"]) for task in added] == [
        ("a", "", False),
        ("b", "\n", True),
    ]
    assert alice.get("?sort=created_at").json()["tasks"] == added


def test_a_version_that_has_passed_brings_the_task_as_it_is(
    agent: Agent, alice: Person, tasks: list[Json]
) -> None:
    milk, call, rent = tasks
    now = alice.patch(f"/{milk['id']}", json={"description": "Two litres"}).json()
    result = agent.use(
        "update_tasks",
        tasks=[
            {"id": milk["id"], "title": "Lost", "version": milk["updated_at"]},
            {"id": call["id"], "description": "At noon", "version": call["updated_at"]},
            {"id": rent["id"], "title": "Pay the rent"},
        ],
    )
    assert [task["title"] for task in result["tasks"]] == ["Call Bob", "Pay the rent"]
    assert result["tasks"][0]["description"] == "At noon"
    [failure] = result["failures"]
    assert (failure["id"], failure["code"], failure["task"]) == (
        milk["id"],
        "version_mismatch",
        now,
    )
    assert "is in task" in failure["message"]
    assert alice.get(f"/{milk['id']}").json() == now


def test_completion_is_a_state(agent: Agent, tasks: list[Json]) -> None:
    ids = [task["id"] for task in tasks]
    done = agent.use("complete_tasks", ids=ids)
    assert all(task["is_completed"] for task in done["tasks"])
    assert agent.use("complete_tasks", ids=ids) == done
    undone = agent.use("complete_tasks", ids=ids, is_completed=False)["tasks"]
    assert not any(task["is_completed"] for task in undone)


def test_a_deletion_says_what_it_deleted(agent: Agent, alice: Person, tasks: list[Json]) -> None:
    milk, call, rent = (task["id"] for task in tasks)
    result = agent.use("delete_tasks", ids=[milk, NO_TASK, call, milk])
    assert result["deleted"] == [milk, call]
    assert [failure["id"] for failure in result["failures"]] == [NO_TASK]
    assert [task["id"] for task in alice.get().json()["tasks"]] == [rent]


@pytest.mark.parametrize("tool", ABOUT_SEVERAL)
def test_a_call_that_did_nothing_is_an_error(agent: Agent, tool: str) -> None:
    result = agent.call(tool, **about(tool, NO_TASK, NO_TASK - 1))
    assert result["isError"] is True
    failures = result["structuredContent"]["failures"]
    assert [failure["id"] for failure in failures] == [NO_TASK, NO_TASK - 1]


@pytest.mark.parametrize("tool", ABOUT_SEVERAL)
def test_a_tool_cannot_tell_another_users_task_from_none(
    agent: Agent, bob: Person, tasks: list[Json], tool: str
) -> None:
    before = agent.use("find_tasks")
    other = Agent.of(bob)
    foreign, missing = (
        other.call(tool, **about(tool, each))["structuredContent"]["failures"][0]
        for each in (tasks[0]["id"], NO_TASK)
    )
    assert foreign == missing | {"id": tasks[0]["id"]}
    assert agent.use("find_tasks") == before


def test_a_cursor_of_another_user_is_none(agent: Agent, bob: Person, tasks: list[Json]) -> None:
    cursor = agent.use("find_tasks", limit=1)["next_cursor"]
    assert agent.use("find_tasks", cursor=cursor)["tasks"]
    assert Agent.of(bob).call("find_tasks", cursor=cursor)["isError"] is True


def test_a_user_whom_the_service_does_not_know_is_told_so(
    strict: httpx.Client, alice: Person
) -> None:
    agent = Agent(strict, alice.token)
    for name, tool in TOOLS.items():
        result = agent.call(name, **tool.arguments(NO_TASK))
        text = result["content"][0]["text"]
        assert (result["isError"], "user_not_found" in text) == (True, True), (name, text)


# --- Repetition ---


def test_a_call_that_is_repeated_adds_nothing_twice(agent: Agent, alice: Person) -> None:
    arguments = {"tasks": [{"title": "a"}, {"title": "b"}], "request_key": "once"}
    first = agent.use("add_tasks", **arguments)
    assert agent.use("add_tasks", **arguments) == first
    alice.delete(f"/{first['tasks'][0]['id']}")
    again = agent.use("add_tasks", **arguments)
    assert again["tasks"] == first["tasks"][1:]
    [failure] = again["failures"]
    assert (failure["id"], failure["code"]) == (first["tasks"][0]["id"], "task_deleted")
    alice.delete(f"/{first['tasks'][1]['id']}")
    assert agent.call("add_tasks", **arguments)["isError"] is True
    assert alice.get().json()["total"] == 0


def test_a_key_of_another_call_is_refused(agent: Agent, alice: Person) -> None:
    """Over REST too, whose keys are the same user's."""
    agent.use("add_tasks", tasks=[{"title": "a"}], request_key="mine")
    key = {"Idempotency-Key": "theirs"}
    assert alice.post(json={"title": "a"}, headers=key).status_code == 201
    for title, used in (("b", "mine"), ("a", "theirs")):
        result = agent.call("add_tasks", tasks=[{"title": title}], request_key=used)
        said = json.loads(result["content"][0]["text"])
        assert (result["isError"], said["code"]) == (True, "idempotency_key_reused")
    response = alice.post(json={"title": "a"}, headers={"Idempotency-Key": "mine"})
    assert response.json()["code"] == "idempotency_key_reused"
    assert alice.get().json()["total"] == 2
