"""How to call each tool of `/mcp`: the table that every new tool has to be entered in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from support.agent import Agent
from taskapi.scopes import READ, WRITE


@dataclass(frozen=True)
class Tool:
    """One right call of a tool.

    Attributes:
        scope: what a token must grant.
        arguments: about the task with a given id.
        names_task: whether the id is among them.
    """

    scope: str
    arguments: Callable[[object], dict[str, Any]]
    names_task: bool = True


TOOLS = {
    "find_tasks": Tool(READ, lambda _: {"q": "Alice"}, names_task=False),
    "get_tasks": Tool(READ, lambda task_id: {"ids": [task_id]}),
    "add_tasks": Tool(WRITE, lambda _: {"tasks": [{"title": "Sent"}]}, names_task=False),
    "update_tasks": Tool(WRITE, lambda task_id: {"tasks": [{"id": task_id, "title": "Sent"}]}),
    "complete_tasks": Tool(WRITE, lambda task_id: {"ids": [task_id]}),
    "delete_tasks": Tool(WRITE, lambda task_id: {"ids": [task_id]}),
    "search": Tool(READ, lambda _: {"query": "Alice"}, names_task=False),
    "fetch": Tool(READ, lambda task_id: {"id": str(task_id)}),
}

ABOUT_TASKS = [name for name, tool in TOOLS.items() if tool.names_task]
WRITING = [name for name, tool in TOOLS.items() if tool.scope == WRITE]


def use(http: httpx.Client, token: str | None, name: str, task_id: object) -> httpx.Response:
    """The response to a call of a tool as the table says, whatever it is."""
    call = {"name": name, "arguments": TOOLS[name].arguments(task_id)}
    return Agent(http, token).request("tools/call", call)
