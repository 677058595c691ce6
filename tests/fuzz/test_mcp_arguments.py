"""Arguments of every tool of `/mcp`, made from the schema that it is listed with."""

import json
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from support.agent import Agent
from support.calls import NO_TASK
from support.effort import effort
from support.json_rpc import assert_of_the_protocol
from support.people import Person, token_for
from support.tools import TOOLS


@cache
def arguments_for(schema: str, mode: GenerationMode) -> st.SearchStrategy[Any]:
    """Arguments that a schema accepts, or such as it mostly refuses.

    Made by schemathesis, as if the tool were an operation of OpenAPI with a body.
    """
    content = {"application/json": {"schema": json.loads(schema)}}
    operation = {
        "requestBody": {"required": True, "content": content},
        "responses": {"200": {"description": "Whatever"}},
    }
    document = {
        "openapi": "3.1.0",
        "info": {"title": "A tool", "version": "1"},
        "paths": {"/tool": {"post": operation}},
    }
    cases = schemathesis.openapi.from_dict(document)["/tool"]["POST"].as_strategy(mode)
    return cases.map(lambda case: case.body).filter(lambda body: not isinstance(body, bytes))


def about(value: Any, ids: list[int]) -> Any:
    """The same arguments about these tasks, because a made-up id is nobody's."""
    if isinstance(value, list):
        return [about(each, ids) for each in value]
    if not isinstance(value, dict):
        return value
    named = {name: about(each, ids) for name, each in value.items()}
    if isinstance(value.get("ids"), list):
        named["ids"] = [some(each, ids) for each in value["ids"]]
    return named | ({"id": some(value["id"], ids)} if "id" in value else {})


def some(written: object, ids: list[int]) -> object:
    """One of these ids in place of a number, or of its digits."""
    if isinstance(written, str) and written.isdecimal():
        return str(some(int(written), ids))
    return ids[int(written) % len(ids)] if isinstance(written, int | float) else written


@pytest.fixture(scope="module")
def tools(http: httpx.Client) -> dict[str, dict[str, Any]]:
    """The tools by name, as they are listed."""
    agent = Agent(http, token_for("1"))
    return {tool["name"]: tool for tool in agent.result("tools/list")["tools"]}


@pytest.mark.parametrize("name", TOOLS)
@given(data=st.data())
@effort(examples=15)
def test_arguments_of_the_schema_are_not_refused_and_results_keep_theirs(
    bob: Person, foreign: int, tools: dict[str, dict[str, Any]], name: str, data: st.DataObject
) -> None:
    schema = json.dumps(tools[name]["inputSchema"])
    ids = [foreign, NO_TASK, *(task["id"] for task in bob.get().json()["tasks"])]
    drawn = about(data.draw(arguments_for(schema, GenerationMode.POSITIVE)), ids)
    result = Agent.of(bob).call(name, **drawn)
    told = json.loads(result["content"][0]["text"])
    if "structuredContent" in result:
        assert told == result["structuredContent"]
        jsonschema_rs.validate(tools[name]["outputSchema"], told)
    else:
        assert result["isError"]
        assert told["code"] in DEPENDS_ON_THE_TASKS or no_schema_can_say(told["errors"]), told


DEPENDS_ON_THE_TASKS = {"idempotency_key_reused", "task_not_found"}


def names_a_member(loc: list[str | int]) -> bool:
    return bool(loc) and isinstance(loc[-1], str)


def no_schema_can_say(errors: list[dict[str, Any]]) -> bool:
    """A cursor is opaque, and of one list; a rule between members is said by a description."""
    return all(
        error["type"] == "cursor_invalid"
        or (error["type"] == "value_error" and not names_a_member(error["loc"]))
        for error in errors
    )


@pytest.mark.parametrize("query", ["", " \r", "\x85", "\0", "a\0"])
def test_what_a_search_refuses_its_schema_refuses_too(
    bob: Person, tools: dict[str, dict[str, Any]], query: str
) -> None:
    assert Agent.of(bob).call("search", query=query)["isError"]
    assert not jsonschema_rs.is_valid(tools["search"]["inputSchema"], {"query": query})


@pytest.mark.parametrize("name", TOOLS)
@given(data=st.data())
@effort(examples=15)
def test_other_arguments_are_a_result_or_an_error_of_the_protocol(
    bob: Person, foreign: int, tools: dict[str, dict[str, Any]], name: str, data: st.DataObject
) -> None:
    schema = json.dumps(tools[name]["inputSchema"])
    drawn = about(data.draw(arguments_for(schema, GenerationMode.NEGATIVE)), [foreign, NO_TASK])
    response = Agent.of(bob).request("tools/call", {"name": name, "arguments": drawn})
    assert_of_the_protocol(response, response.request.content)
    assert ("result" in response.json()) == isinstance(drawn, dict | None), response.text
