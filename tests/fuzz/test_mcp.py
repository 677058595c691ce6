"""Messages to `/mcp` in which something is wrong: each gets an answer of the protocol."""

import itertools
import json
from collections.abc import Iterable, Iterator
from copy import deepcopy
from typing import Any

import httpx
from hypothesis import given
from hypothesis import strategies as st

from support.agent import LEGACY, META, MODERN
from support.calls import NO_TASK
from support.effort import effort
from support.json_rpc import assert_of_the_protocol
from support.people import Person
from support.tools import TOOLS

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


def right_messages(task_id: int = NO_TASK) -> list[dict[str, Any]]:
    """Messages of each kind, of the newest revision and of one that begins with `initialize`."""
    calls = [{"name": name, "arguments": tool.arguments(task_id)} for name, tool in TOOLS.items()]
    told = {"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "a"}}
    return [
        message("server/discover"),
        message("tools/list"),
        *(message("tools/call", **call) for call in calls),
        {"jsonrpc": "2.0", "id": "a", "method": "initialize", "params": told},
        {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {}},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": calls[0]},
    ]


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every part of a message: what holds it, and its name or number there."""
    for name, part in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, name
        if isinstance(part, dict | list):
            yield from places(part)


DROPPED = object()
OF_EACH_TYPE: tuple[object, ...] = (DROPPED, None, True, 0, 1.5, "", [], {})


def test_each_member_is_missing_or_of_another_type_in_turn(bob: Person, foreign: int) -> None:
    for right in right_messages(foreign):
        for place, other in itertools.product(range(len(list(places(right)))), OF_EACH_TYPE):
            wrong = deepcopy(right)
            holder, name = list(places(wrong))[place]
            holder[name] = other
            if other is DROPPED:
                del holder[name]
            body = json.dumps(wrong).encode()
            assert_of_the_protocol(post(bob, body, headers_of(right).items()), body)


def post(person: Person, body: bytes, fields: Iterable[tuple[str, str]]) -> httpx.Response:
    """The response to a message of a person, with these headers."""
    headers = [("Authorization", f"Bearer {person.token}"), *fields]
    encoded = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    return person.http.post("/mcp", content=body, headers=encoded)


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


@given(sent=broken(), odd_ones=odd_headers)
@effort(examples=300)
def test_a_broken_message_gets_an_answer_of_the_protocol(
    bob: Person,
    foreign: int,
    sent: tuple[str, dict[str, str]],
    odd_ones: list[tuple[str, str, bool]],
) -> None:
    text, right = sent
    replaced = {name for name, _, is_beside in odd_ones if not is_beside}
    fields = [(name, value) for name, value in right.items() if name not in replaced]
    fields += [(name, value) for name, value, _ in odd_ones]
    body = as_sent(text.replace(str(NO_TASK), str(foreign)))
    assert_of_the_protocol(post(bob, body, fields), body)


@given(body=st.binary(max_size=60))
@effort(examples=100)
def test_any_other_bytes_get_an_error_of_the_protocol(bob: Person, body: bytes) -> None:
    response = post(bob, body, headers_of(message("tools/list")).items())
    assert response.status_code == 400
    assert_of_the_protocol(response, body)
