"""The official client of the Model Context Protocol, which knows nothing but the address of /mcp."""

import asyncio

import pytest

from support.assistant import Assistant
from support.auth_server import Account
from support.auth_stage import Stage

MODES = ("auto", "legacy")
"""Of the SDK: the revision of 2026, and those that begin with `initialize`."""


@pytest.mark.parametrize("mode", MODES)
def test_an_assistant_that_knows_only_the_address_finds_the_rest(
    stage: Stage, mcp: str, account: Account, mode: str
) -> None:
    """401, metadata, registration, sign-in, consent, token, tools: with no person and no setting."""
    account.browser.cookies.clear()  # so that the user has to sign in, too
    assistant = Assistant(mcp, account)

    async def work() -> tuple[set[str], bool]:
        async with assistant.connected(mode) as client:
            tools = await client.list_tools()
            result = await client.call_tool("add_tasks", {"tasks": [{"title": "Buy milk"}]})
        return {tool.name for tool in tools.tools}, result.is_error

    tools, is_error = asyncio.run(work())
    assert (tools >= {"find_tasks", "add_tasks", "delete_tasks"}, is_error) == (True, False)
    assert len(assistant.asked) == 1
    titles = [task["title"] for task in stage.person(account).get().json()["tasks"]]
    assert titles == ["Buy milk"]
