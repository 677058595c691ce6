"""PostgreSQL's own parse tree of a statement, as it prints it with `debug_print_parse`.

It names the function behind every call, operator and cast, which no text of SQL shows.
"""

import asyncio
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import asyncpg

TOKEN = re.compile(r"[(){}]|(?:\\.|[^\s(){}\\])+", re.DOTALL)

PRINTING = """SET client_min_messages = log; SET log_min_messages = fatal;
SET debug_print_parse = on; SET debug_pretty_print = off"""


@dataclass(frozen=True)
class Node:
    """A node, such as `FUNCEXPR`, and its fields: each a node, a text, or a list of them."""

    kind: str
    fields: dict[str, Any]

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def walk(self, *, but: str = "") -> Iterator["Node"]:
        """This node and those below it, except what is in the field `but` of any of them."""
        yield self
        for name, value in self.fields.items():
            if name != but:
                for child in nodes_in(value):
                    yield from child.walk(but=but)


def nodes_in(value: Any) -> list[Node]:
    """The nodes in a field's value."""
    if isinstance(value, list):
        return [node for part in value for node in nodes_in(part)]
    return [value] if isinstance(value, Node) else []


async def parse_tree(connection: asyncpg.Connection, text: str) -> Node:
    """The tree of a statement, whose parameters get their types as when a client prepares it."""
    printed: list[str] = []

    def listen(_: object, message: Any) -> None:
        printed.append(message.detail)

    await connection.execute(PRINTING)
    connection.add_log_listener(listen)
    await connection.prepare(text, name="")
    await asyncio.sleep(0)  # the listener is called in the next turn of the loop
    connection.remove_log_listener(listen)
    return parse(printed[0])  # those behind it are of questions that asyncpg has about types


def parse(printed: str) -> Node:
    """The tree in what PostgreSQL has printed."""
    tokens = iter(TOKEN.findall(printed))
    [root] = nodes_in(_value(next(tokens), tokens))
    return root


def _value(token: str, tokens: Iterator[str]) -> Any:
    if token == "{":
        return _node(next(tokens), tokens)
    if token == "(":
        return [_value(each, tokens) for each in iter(lambda: next(tokens), ")")]
    return token


def _node(kind: str, tokens: Iterator[str]) -> Node:
    parts: dict[str, list[Any]] = {}
    for token in iter(lambda: next(tokens), "}"):
        if token.startswith(":"):
            value = parts[token[1:]] = []
        else:
            value.append(_value(token, tokens))
    return Node(kind, {name: part[0] if len(part) == 1 else part for name, part in parts.items()})
