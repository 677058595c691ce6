"""The official client of the Model Context Protocol, which knows only the address of /mcp."""

import asyncio

import pytest

from support.assistant import Assistant
from support.auth_server import Account
from support.auth_stage import Stage

MODES = ("auto", "legacy")
"""Of the client: for the revision of 2026, and for those that begin with `initialize`."""

MILK = {"tasks": [{"title": "Buy milk"}]}


@pytest.mark.parametrize("mode", MODES)
def test_an_assistant_that_knows_only_the_address_finds_the_rest(
    stage: Stage, mcp: str, account: Account, mode: str
) -> None:
    """401, metadata, registration, sign-in, consent, token, tools: no person, and no setting."""
    account.browser.cookies.clear()  # so that the user has to sign in, too
    assistant = Assistant(mcp, account)

    async def work() -> tuple[set[str], bool]:
        async with assistant.connected(mode) as client:
            tools = await client.list_tools()
            result = await client.call_tool("add_tasks", MILK)
        return {tool.name for tool in tools.tools}, result.is_error

    tools, is_error = asyncio.run(work())
    assert (tools >= {"find_tasks", "add_tasks", "delete_tasks"}, is_error) == (True, False)
    titles = [task["title"] for task in stage.person(account).get().json()["tasks"]]
    assert titles == ["Buy milk"]

    asyncio.run(work())
    assert len(assistant.asked) == 1, "the token of the first connection works in the second"


@pytest.mark.parametrize("mode", MODES)
def test_an_assistant_that_may_only_read_asks_again_when_it_has_to_write(
    stage: Stage, mcp: str, account: Account, mode: str
) -> None:
    """Step-up: the 403 says what is missing, and the user is asked for that."""
    assistant = Assistant(mcp, account, grants="tasks:read")

    async def work() -> tuple[set[str], bool]:
        async with assistant.connected(mode) as client:
            tools = await client.list_tools()
            assistant.grants = None
            result = await client.call_tool("add_tasks", MILK)
        return {tool.name for tool in tools.tools}, result.is_error

    tools, is_error = asyncio.run(work())
    assert tools == {"find_tasks", "get_tasks", "search", "fetch"}
    assert (is_error, len(assistant.asked)) == (False, 2)
    assert stage.person(account).get().json()["total"] == 1
