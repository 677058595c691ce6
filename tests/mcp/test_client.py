"""The official Python client uses every tool, in each revision of the specification.

It checks by itself that a result's structured content keeps to the tool's output schema.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import jsonschema_rs
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, CallToolResult, TextContent

from support.calls import NO_TASK
from support.oauth import access_token
from support.official_client import connected
from support.people import Person
from support.tools import TOOLS
from taskapi.mcp.revisions import SUPPORTED
from taskapi.scopes import READ

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    """The event loop that the client runs on."""
    return "asyncio"


@pytest.fixture(params=SUPPORTED)
def revision(request: pytest.FixtureRequest) -> str:
    """A revision of the specification."""
    return str(request.param)


@pytest.fixture
async def agent(service: str, alice: Person, revision: str) -> AsyncIterator[Client]:
    """Alice's agent."""
    async with connected(service, alice.token, revision) as client:
        yield client


def content_of(result: CallToolResult) -> dict[str, Any]:
    """The structured content of a result, which the text must repeat for older clients."""
    [text] = result.content
    assert isinstance(text, TextContent)
    content: dict[str, Any] = json.loads(text.text)
    assert content == result.structured_content
    return content


async def succeeded(agent: Client, name: str, **arguments: object) -> dict[str, Any]:
    """The structured content of a call that succeeds."""
    result = await agent.call_tool(name, arguments)
    assert not result.is_error, result.content
    return content_of(result)


async def test_the_service_says_what_it_is_and_that_it_has_tools(agent: Client) -> None:
    assert agent.server_info is not None
    assert agent.server_info.name == "taskapi"
    assert agent.instructions
    has = agent.server_capabilities.model_dump(exclude_none=True)
    assert has.keys() == {"tools"}


async def test_every_tool_is_listed_with_right_schemas_and_true_annotations(agent: Client) -> None:
    listed = {tool.name: tool for tool in (await agent.list_tools()).tools}
    assert listed.keys() == TOOLS.keys()
    for name, tool in listed.items():
        jsonschema_rs.meta.validate(tool.input_schema)
        assert tool.output_schema is not None
        jsonschema_rs.meta.validate(tool.output_schema)
        assert tool.annotations is not None
        assert tool.annotations.read_only_hint == (TOOLS[name].scope == READ)
        assert tool.annotations.open_world_hint is False


async def test_a_task_goes_through_every_tool(agent: Client, alice: Person) -> None:
    [task] = await _tasks(agent, "add_tasks", tasks=[{"title": "Buy milk", "description": "Two"}])
    assert await _tasks(agent, "find_tasks", q="milk") == [task]
    assert await _tasks(agent, "get_tasks", ids=[task["id"]]) == [task]
    await _tasks(agent, "update_tasks", tasks=[{"id": task["id"], "title": "Buy oat milk"}])
    [done] = await _tasks(agent, "complete_tasks", ids=[task["id"]])
    assert (done["title"], done["is_completed"]) == ("Buy oat milk", True)
    [found] = (await succeeded(agent, "search", query="oat"))["results"]
    fetched = await succeeded(agent, "fetch", id=found["id"])
    assert (found["title"], fetched["title"]) == ("Buy oat milk", "Buy oat milk")
    gone = await succeeded(agent, "delete_tasks", ids=[task["id"]])
    assert (gone["deleted"], gone["failures"]) == ([task["id"]], [])
    assert alice.get().json()["total"] == 0


async def _tasks(agent: Client, name: str, **arguments: object) -> list[dict[str, Any]]:
    """The tasks of a result in which nothing has failed."""
    content = await succeeded(agent, name, **arguments)
    assert not content.get("failures")
    tasks: list[dict[str, Any]] = content["tasks"]
    return tasks


async def test_what_fails_is_data_beside_what_succeeds(agent: Client, alice: Person) -> None:
    task = alice.create()
    content = await succeeded(agent, "complete_tasks", ids=[task["id"], NO_TASK])
    [done], [failure] = content["tasks"], content["failures"]
    assert (done["id"], done["is_completed"]) == (task["id"], True)
    assert (failure["id"], failure["code"]) == (NO_TASK, "task_not_found")


async def test_a_result_is_an_error_where_nothing_succeeds(agent: Client) -> None:
    result = await agent.call_tool("get_tasks", {"ids": [NO_TASK]})
    assert result.is_error
    [failure] = content_of(result)["failures"]
    assert failure["code"] == "task_not_found"


async def test_a_model_corrects_wrong_arguments_by_what_it_reads(
    agent: Client, alice: Person
) -> None:
    wrong = await agent.call_tool("add_tasks", {"tasks": [{"name": "Buy milk"}]})
    assert wrong.is_error
    [text] = wrong.content
    assert isinstance(text, TextContent)
    assert "title" in text.text
    assert alice.get().json()["total"] == 0
    await succeeded(agent, "add_tasks", tasks=[{"title": "Buy milk"}])
    assert alice.get().json()["total"] == 1


async def test_a_request_key_makes_a_repeated_call_have_one_effect(
    agent: Client, alice: Person
) -> None:
    new = {"tasks": [{"title": "Once"}, {"title": "Only"}], "request_key": "one-call"}
    assert await succeeded(agent, "add_tasks", **new) == await succeeded(agent, "add_tasks", **new)
    assert alice.get().json()["total"] == 2


async def test_an_unknown_tool_is_an_error_that_names_it(agent: Client) -> None:
    with pytest.raises(MCPError, match="drop_tasks") as refusal:
        await agent.call_tool("drop_tasks", {})
    assert refusal.value.code == INVALID_PARAMS
    assert (await agent.list_tools()).tools, "the connection goes on"


async def test_an_agent_that_may_only_read_sees_and_calls_what_reads(
    oauth: httpx.Client, alice: Person, revision: str
) -> None:
    task = alice.create("Alice's")
    before = alice.get().content
    token = access_token(alice.id, READ)
    async with connected(str(oauth.base_url), token, revision) as agent:
        listed = {tool.name for tool in (await agent.list_tools()).tools}
        assert listed == {name for name, tool in TOOLS.items() if tool.scope == READ}
        for name, tool in TOOLS.items():
            arguments = tool.arguments(task["id"])
            if name in listed:
                await succeeded(agent, name, **arguments)
            else:
                with pytest.raises(MCPError):
                    await agent.call_tool(name, arguments)
    assert alice.get().content == before
