"""What a sharded server takes: the rules of Citus, in PostgreSQL's parse tree of a statement.

Citus looks at the same tree: `multi_router_planner.c` refuses a statement for what is found here.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import asyncpg

from support.parse_tree import Node, nodes_in

UPDATE, INSERT = "2", "3"
"""Values of `commandType`."""

CALLS = {"FUNCEXPR": "funcid", "OPEXPR": "opfuncid", "SCALARARRAYOPEXPR": "opfuncid"}
CALLS |= {"DISTINCTEXPR": "opfuncid", "NULLIFEXPR": "opfuncid"}
"""Nodes that call a function, by the field that has its number."""

UNSTABLE = {"COERCEVIAIO": "s", "SQLVALUEFUNCTION": "s", "NEXTVALUEEXPR": "v"}
"""Nodes that are not immutable: casts by way of text, CURRENT_TIMESTAMP, and of a sequence."""

DECLARING = "set_config"
"""Volatile, and harmless: Citus calls it before it looks, because no column takes part."""


class Function(NamedTuple):
    """A function: its name, and `i`, `s` or `v`, as `pg_proc.provolatile` has it."""

    name: str
    volatility: str


class Rules:
    """The rules, with what the catalogue says about functions and tables.

    Args:
        functions: by their numbers.
        tables: the users' tables, by their numbers.
    """

    def __init__(self, functions: dict[str, Function], tables: dict[str, str]) -> None:
        self._functions = functions
        self._tables = tables

    def faults(self, tree: Node) -> set[str]:
        """For what a sharded server would refuse a statement."""
        return {fault for node in tree.walk() if node.kind == "QUERY" for fault in self._of(node)}

    def read_tables(self, tree: Node) -> set[str]:
        """The users' tables that a statement reads."""
        numbers = {str(each.fields.get("relid")) for each in tree.walk()}
        return {self._tables[number] for number in numbers & self._tables.keys()}

    def _of(self, query: Node) -> Iterator[str]:
        for name in self._unstable(query["returningList"], "sv"):
            yield f"{name} in RETURNING"
        if query["commandType"] == UPDATE:
            yield from self._of_update(query)
        if query["onConflict"] != "<>":
            for name in self._unstable(query["onConflict"], "sv"):
                yield f"{name} in DO UPDATE"
        for part in nodes_in(query["cteList"]):
            written = part["ctequery"]
            if written["commandType"] == INSERT and written["returningList"] == "<>":
                yield "an INSERT in a CTE without RETURNING"
        if nodes_in(query["rowMarks"]) and not _is_of_one_user(query):
            yield "a lock across users"

    def _of_update(self, query: Node) -> Iterator[str]:
        parts = [query["targetList"], query["jointree"], query["rtable"]]
        for name in self._unstable(parts, "v"):
            if name != DECLARING:
                yield f"{name}, which is volatile, in an UPDATE"
        for node in (node for part in nodes_in(parts) for node in part.walk()):
            if node.kind in {"CASEEXPR", "COALESCEEXPR"}:
                for name in self._unstable(node, "s"):
                    yield f"{name} in a CASE or COALESCE of an UPDATE"
            elif self._volatility(node) == "s" and any(each.kind == "VAR" for each in node.walk()):
                yield f"{self._name(node)} of a column in an UPDATE"

    def _unstable(self, value: Any, volatilities: str) -> Iterator[str]:
        for part in nodes_in(value):
            for node in part.walk():
                if self._volatility(node) in tuple(volatilities):
                    yield self._name(node)

    def _volatility(self, node: Node) -> str:
        if node.kind in CALLS:
            return self._functions[node[CALLS[node.kind]]].volatility
        return UNSTABLE.get(node.kind, "i")

    def _name(self, node: Node) -> str:
        return self._functions[node[CALLS[node.kind]]].name if node.kind in CALLS else node.kind


def _is_of_one_user(query: Node) -> bool:
    """Whether the rows are those of a user whom a parameter names."""
    tables = nodes_in(query["rtable"])
    for node in _conditions(query["jointree"]["quals"]):
        if node.kind == "OPEXPR":
            sides = {each.kind: each for each in nodes_in(node["args"])}
            if sides.keys() == {"VAR", "PARAM"} and _column(sides["VAR"], tables) == '"user_id"':
                return True
    return False


def _conditions(quals: Any) -> Iterator[Node]:
    """Those that all must hold."""
    for node in nodes_in(quals):
        if node.kind == "BOOLEXPR" and node["boolop"] == "and":
            yield from _conditions(node["args"])
        else:
            yield node


def _column(variable: Node, tables: list[Node]) -> Any:
    names = tables[int(variable["varno"]) - 1]["eref"]["colnames"]
    return names[int(variable["varattno"]) - 1]


async def read_rules(connection: asyncpg.Connection, tables: list[str]) -> Rules:
    """The rules, for a database that has these tables."""
    functions = await connection.fetch(
        "SELECT oid, proname, provolatile::text AS kind FROM pg_proc"
    )
    numbers = await connection.fetch(
        "SELECT name, name::regclass::oid AS oid FROM unnest($1::text[]) AS name", tables
    )
    return Rules(
        {str(row["oid"]): Function(row["proname"], row["kind"]) for row in functions},
        {str(row["oid"]): row["name"] for row in numbers},
    )
