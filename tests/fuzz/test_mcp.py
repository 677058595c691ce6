"""`/mcp`, fed with anything: messages in which something is wrong, and arguments of every tool.

Whatever comes, the answer is one of the protocol, and nobody else's tasks change.
"""

import json
from collections.abc import Iterator
from copy import deepcopy
from functools import cache
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis
from hypothesis import given
from hypothesis import strategies as st
from schemathesis import GenerationMode

from support.agent import LEGACY, META, MODERN, Agent
from support.calls import NO_TASK
from support.effort import effort
from support.people import Person, token_for
from support.tools import TOOLS
from taskapi.mcp.messages import PARSE_ERROR


@pytest.fixture
def foreign(alice: Person) -> Iterator[int]:
    """A task of Alice's, of which not a byte may have changed when the test is over."""
    task = alice.create("Alice's", "and nobody else's")
    before = alice.get().content
    yield int(str(task["id"]))
    assert alice.get().content == before


# Messages

RAW = {
    "<deep>": "[" * 20_000 + "]" * 20_000,
    "<deep objects>": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "<cut off>": "[",
    "<number>": "1e999",
    "<long number>": "9" * 10_000,
    "<control>": '"\x00\x1f"',
    "<half>": '"\\ud800"',
    "<long>": f'"{"x" * 2**20}"',
    "<not utf-8>": '"\udcff"',
}
"""What json would not write, by the text that it stands for."""

VALUES = [None, True, -1, 0, 2**63, 10**300, 1.5, float("nan"), "", "\0", "\udfff"]
WORDS = ["2.0", "tools/call", "tools/list", "initialize", "find_tasks", "delete_tasks"]

odd = st.one_of(
    st.sampled_from([*RAW, *VALUES, *WORDS, [], {}, [[]], {"": {}}]),
    st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5),
)


class Again(str):
    """The name of a member that is there already: no other key of a dict equals it."""

    __slots__ = ()
    __hash__ = object.__hash__

    def __eq__(self, other: object) -> bool:
        return self is other


def message(method: str, **params: object) -> dict[str, Any]:
    """A request of the newest revision."""
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": META}}


def headers_of(asked: dict[str, Any]) -> dict[str, str]:
    """The headers that belong to a message."""
    usual = {"Content-Type": "application/json"}
    if "_meta" not in asked["params"]:
        return usual | {"MCP-Protocol-Version": LEGACY}
    usual |= {"MCP-Protocol-Version": MODERN, "Mcp-Method": asked["method"]}
    return usual | ({"Mcp-Name": asked["params"]["name"]} if "name" in asked["params"] else {})


def right_messages() -> list[dict[str, Any]]:
    """Messages of each kind, of the newest revision and of one that begins with `initialize`."""
    calls = [{"name": name, "arguments": tool.arguments(NO_TASK)} for name, tool in TOOLS.items()]
    told = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "a"}}
    return [
        message("server/discover"),
        message("tools/list"),
        *(message("tools/call", **call) for call in calls),
        {"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": told},
        {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}},
        *({"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": call} for call in calls),
    ]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a message: what holds it, and its name or number there."""
    for name, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(part, dict | list):
            yield from places(part)


@st.composite
def broken(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A message in which something is wrong here and there, and the headers of the right one."""
    right = draw(st.sampled_from(right_messages()))
    wrong = deepcopy(right)
    for _ in range(draw(st.integers(1, 2))):
        holder, name = draw(st.sampled_from(list(places(wrong))))
        change = draw(st.sampled_from(["drop", "replace", "wrap", "repeat"]))
        if change == "drop":
            del holder[name]
        elif change == "repeat" and isinstance(holder, dict):
            holder[Again(name)] = draw(odd)
        else:
            holder[name] = [holder[name]] if change == "wrap" else draw(odd)
    return json.dumps(wrong), headers_of(right)


def as_sent(text: str) -> bytes:
    """A message with what stands for something else replaced by it."""
    for mark, raw in RAW.items():
        text = text.replace(json.dumps(mark), raw)
    return text.encode(errors="surrogateescape")


names_of_headers = st.sampled_from(
    ["MCP-Protocol-Version", "Mcp-Method", "Mcp-Name", "Accept", "Content-Type", "Origin"]
)
values_of_headers = st.one_of(
    st.sampled_from(["", "2025-06-18", "1999-01-01", "tools/list", "=?base64?_?=", "text/plain"]),
    st.text(st.characters(min_codepoint=0x20, max_codepoint=0xFF, exclude_characters="\x7f")),
).map(str.strip)
odd_headers = st.lists(st.tuples(names_of_headers, values_of_headers, st.booleans()), max_size=2)
"""Each in place of the right one, or beside it."""

NOT_READ = {403, 413, 415}
"""Statuses of refusals before the message is read."""


def assert_of_the_protocol(response: httpx.Response, body: bytes) -> None:
    """Hold that an answer is a result or an error of JSON-RPC, or nothing to a notification."""
    assert response.status_code < 500, response.text
    if response.status_code == 202:
        assert response.content == b""
        return
    answer = response.json()
    assert answer["jsonrpc"] == "2.0"
    assert answer.keys() - {"id"} in ({"jsonrpc", "result"}, {"jsonrpc", "error"})
    error = answer.get("error", {"code": 0, "message": "none"})
    assert isinstance(error["code"], int)
    assert error["message"]
    is_read = response.status_code not in NOT_READ and error["code"] != PARSE_ERROR
    assert answer.get("id") == (id_in(body) if is_read else None)


def id_in(body: bytes) -> object:
    """The id by which a message is answered, if it has one."""
    asked = json.loads(body)
    wanted = asked.get("id") if isinstance(asked, dict) else None
    return wanted if type(wanted) in (str, int) else None


@given(sent=broken(), odd_ones=odd_headers)
@effort(examples=400)
def test_a_broken_message_gets_an_answer_of_the_protocol(
    bob: Person,
    foreign: int,
    sent: tuple[str, dict[str, str]],
    odd_ones: list[tuple[str, str, bool]],
) -> None:
    text, right = sent
    replaced = {name for name, _, is_beside in odd_ones if not is_beside}
    fields = [("Authorization", f"Bearer {bob.token}")]
    fields += [(name, value) for name, value in right.items() if name not in replaced]
    fields += [(name, value) for name, value, _ in odd_ones]
    headers = [(name.encode(), value.encode("latin-1")) for name, value in fields]
    body = as_sent(text)
    assert_of_the_protocol(bob.http.post("/mcp", content=body, headers=headers), body)


@given(body=st.binary(max_size=60))
@effort(examples=100)
def test_any_other_bytes_get_an_error_of_the_protocol(bob: Person, body: bytes) -> None:
    headers = headers_of(message("tools/list")) | {"Authorization": f"Bearer {bob.token}"}
    response = bob.http.post("/mcp", content=body, headers=headers)
    assert response.status_code == 400
    assert_of_the_protocol(response, body)


# Arguments


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


def some(number: object, ids: list[int]) -> object:
    """One of these ids in place of a number."""
    return ids[int(number) % len(ids)] if isinstance(number, int | float) else number


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


def no_schema_can_say(errors: list[dict[str, Any]]) -> bool:
    """A cursor is opaque, and of one list; a rule between members is said by a description."""
    return {error["type"] for error in errors} <= {"cursor_invalid", "value_error"}


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
