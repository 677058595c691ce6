"""The table of tools: what a client sees of each, and what runs when a model calls it.

Few tools, about several to-dos each, that set states and do not toggle them: models call such ones
rightly. They say "to-dos", because tasks are something else in the protocol (SEP-2663).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ValidationError
from pydantic_core import to_json

from taskapi.auth.claims import User
from taskapi.config import UserIdType
from taskapi.edge.body import BoundedRequest
from taskapi.edge.fairness import charge, turn_of
from taskapi.edge.invalid import MAX_NAME_CHARACTERS
from taskapi.errors import (
    IdempotencyKeyReused,
    InsufficientScope,
    QuotaExceeded,
    TaskNotFound,
    UserNotFound,
)
from taskapi.mcp import actions, outputs
from taskapi.mcp.actions import Caller
from taskapi.mcp.arguments import (
    AddTasks,
    CompleteTasks,
    Fetch,
    FindTasks,
    OfIds,
    Search,
    UpdateTasks,
    without_nulls,
)
from taskapi.mcp.json_schema import schema_of
from taskapi.mcp.messages import INVALID_PARAMS, RpcError
from taskapi.mcp.results import ToolResult, failed, refused
from taskapi.openapi.document import USER_ID_SCHEMAS
from taskapi.scopes import READ, WRITE

OF_A_CALL = (IdempotencyKeyReused, QuotaExceeded, TaskNotFound, UserNotFound)
"""Errors that a model reads and can do something about. Any other is one of HTTP: the client has to
wait, or to ask its user."""


@dataclass(frozen=True, slots=True)
class Tool:
    """One tool.

    Attributes:
        name: by which it is called.
        title: for people.
        description: for models: what it does, and what to be careful with.
        scope: that the token needs. With `READ` alone it changes nothing.
        arguments: what it takes, with `rate_weight`: what a call counts for in `USER_RATE`.
        output: what it returns.
        run: does it.
        destroys: whether it overwrites or deletes.
        idempotent: whether the same call again changes nothing more.
    """

    name: str
    title: str
    description: str
    scope: str
    arguments: type[BaseModel]
    output: type[BaseModel]
    run: Callable[[Caller, Any], Awaitable[ToolResult]]
    destroys: bool = False
    idempotent: bool = True

    def described(self, user_id: dict[str, Any]) -> dict[str, Any]:
        """The tool as `tools/list` has it, given the schema of user ids."""
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": schema_of(self.arguments, "validation", user_id),
            "outputSchema": schema_of(self.output, "serialization", user_id),
            "annotations": {
                "readOnlyHint": self.scope == READ,
                "destructiveHint": self.destroys,
                "idempotentHint": self.idempotent,
                "openWorldHint": False,
            },
        }


TOOLS = (
    Tool(
        "find_tasks",
        "Find to-dos",
        "List the user's to-dos, all of them or those that match every argument given, newest "
        "first unless sort says otherwise. Long descriptions are cut; get_tasks has all of them.",
        READ,
        FindTasks,
        outputs.FoundTasks,
        actions.find_tasks,
    ),
    Tool(
        "get_tasks",
        "Get to-dos",
        "Read to-dos by their ids, with whole descriptions.",
        READ,
        OfIds,
        outputs.Tasks,
        actions.get_tasks,
    ),
    Tool(
        "add_tasks",
        "Add to-dos",
        "Add to-dos: all of them or, if the call fails, none.",
        WRITE,
        AddTasks,
        outputs.AddedTasks,
        actions.add_tasks,
        idempotent=False,
    ),
    Tool(
        "update_tasks",
        "Edit to-dos",
        "Replace titles or descriptions of to-dos. The old text is lost: read it with get_tasks "
        "before you replace a description, and pass version so that nobody's change is "
        "overwritten. Each to-do is changed by itself; failures says which were not. To mark "
        "to-dos as done use complete_tasks.",
        WRITE,
        UpdateTasks,
        outputs.UpdatedTasks,
        actions.update_tasks,
        destroys=True,
    ),
    Tool(
        "complete_tasks",
        "Mark to-dos as done",
        "Mark to-dos as done or, with is_completed false, as to be done. Each is changed by "
        "itself; failures says which were not.",
        WRITE,
        CompleteTasks,
        outputs.Tasks,
        actions.complete_tasks,
    ),
    Tool(
        "delete_tasks",
        "Delete to-dos",
        "Delete to-dos for good; there is no undo. First show the user which ones, and ask "
        "whether to delete them. What is done is marked with complete_tasks, and not deleted. "
        "Each is deleted by itself; failures says which were not.",
        WRITE,
        OfIds,
        outputs.DeletedTasks,
        actions.delete_tasks,
        destroys=True,
    ),
    Tool(
        "search",
        "Search to-dos",
        "Find to-dos by a text in their title or description. find_tasks can filter and sort.",
        READ,
        Search,
        outputs.SearchResults,
        actions.search,
    ),
    Tool(
        "fetch",
        "Fetch a to-do",
        "Read one to-do that search has found, as a document.",
        READ,
        Fetch,
        outputs.Document,
        actions.fetch,
    ),
)

BY_NAME = {tool.name: tool for tool in TOOLS}


@cache
def tools_json(scopes: frozenset[str], user_id_type: UserIdType) -> bytes:
    """The tools that a token with these scopes may call, in the order above."""
    schema = USER_ID_SCHEMAS[user_id_type]
    user_id = {name: schema[name] for name in schema if name != "examples"}
    return to_json([tool.described(user_id) for tool in TOOLS if tool.scope in scopes])


async def call_tool(request: BoundedRequest, name: str, arguments: dict[str, Any]) -> ToolResult:
    """Call a tool for the request's user.

    Raises:
        RpcError: there is no such tool.
        InsufficientScope: the token does not allow it.
        ApiError: the client must wait, or the service cannot do it at the moment.
    """
    charge(request.scope, 1)
    tool = BY_NAME.get(name)
    if tool is None:
        raise RpcError(INVALID_PARAMS, f"Unknown tool: {name[:MAX_NAME_CHARACTERS]}")
    user: User = request.scope["state"]["user"]
    if tool.scope not in user.scopes:
        raise InsufficientScope(tool.scope)
    try:
        wanted: Any = tool.arguments.model_validate(without_nulls(arguments))
    except ValidationError as error:
        return refused(error.errors(include_url=False, include_context=False, include_input=False))
    arguments.clear()
    charge(request.scope, wanted.rate_weight - 1)
    async with turn_of(request.scope):
        try:
            return await tool.run(Caller.of(request), wanted)
        except OF_A_CALL as error:
            return failed(error)
        except RequestValidationError as error:
            return refused(error.errors())
