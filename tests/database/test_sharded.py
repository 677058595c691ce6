"""Every statement is one that a sharded server takes (docs/decisions/0044)."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TypeVar

import asyncpg
import pytest

from support.every_statement import every_statement
from support.parse_tree import Node, parse_tree
from support.sharding import Rules, read_rules
from taskapi.clock.sweeping import tombstones
from taskapi.database.tables import own_tables
from taskapi.database.url import DatabaseUrl
from taskapi.idempotency.statements import SWEEP

NOT_IN_SERVICE = ("migrations/", "database/tables.py")
"""Run by an operator, on the server that plans: migrations and grants, and an advice for psql."""

OF_PROBES = ("database/",)
"""Readiness is asked of these rooms alone, which know no user's table."""

CATALOGUE_OF_CITUS = "pg_dist_partition"

SWEEPS = (SWEEP, tombstones(timedelta(days=1)))

Trees = dict[str, Node]
Result = TypeVar("Result")


@pytest.fixture(scope="module")
def rules_and_trees(database: DatabaseUrl) -> tuple[Rules, Trees]:
    """The rules, and the tree of each statement by its place and its text."""
    statements = [
        each
        for each in every_statement()
        if not each.place.startswith(NOT_IN_SERVICE) and CATALOGUE_OF_CITUS not in each.text
    ]

    async def read(connection: asyncpg.Connection) -> tuple[Rules, Trees]:
        rules = await read_rules(connection, [*own_tables(), "users"])
        trees = {
            f"{each.place} {each.text}": await parse_tree(connection, each.text)
            for each in statements
        }
        return rules, trees

    return asyncio.run(connected(database, read))


async def connected(
    database: DatabaseUrl, work: Callable[[asyncpg.Connection], Awaitable[Result]]
) -> Result:
    """Do work on a connection of its own."""
    connection = await asyncpg.connect(database.dsn)
    try:
        return await work(connection)
    finally:
        await connection.close()


def test_no_statement_breaks_a_rule(rules_and_trees: tuple[Rules, Trees]) -> None:
    rules, trees = rules_and_trees
    assert len(trees) > 50
    broken = {
        name.partition(" ")[0]: faults
        for name, tree in trees.items()
        if (faults := rules.faults(tree)) and not is_replaced(name)
    }
    assert broken == {}


def is_replaced(name: str) -> bool:
    """Whether it is a sweep that locks, instead of which another is run where that is refused."""
    return name.endswith(tuple(sweep.statement.text for sweep in SWEEPS))


def test_a_statement_with_a_lock_across_users_is_replaced_by_one_without(
    rules_and_trees: tuple[Rules, Trees],
) -> None:
    rules, trees = rules_and_trees
    locking = [name for name in trees if is_replaced(name)]
    assert [rules.faults(trees[name]) for name in locking] == [{"a lock across users"}] * 2
    unlocked = [name for name in trees for each in SWEEPS if name.endswith(each.unlocked.text)]
    assert [rules.faults(trees[name]) for name in unlocked] == [set()] * 2


def test_readiness_reads_no_table_of_users(rules_and_trees: tuple[Rules, Trees]) -> None:
    """One server that is down would make every replica unready."""
    rules, trees = rules_and_trees
    asked = {name: rules.read_tables(trees[name]) for name in trees if name.startswith(OF_PROBES)}
    assert len(asked) >= 3
    assert not any(asked.values()), asked


BROKEN = {
    "UPDATE tasks SET updated_at = clock_timestamp() WHERE user_id = $1": (
        "clock_timestamp, which is volatile, in an UPDATE"
    ),
    "UPDATE tasks SET title = $1 FROM (SELECT random() AS n) AS r WHERE r.n < 1": (
        "random, which is volatile, in an UPDATE"
    ),
    "UPDATE tasks SET updated_at = CASE WHEN is_completed THEN now() ELSE updated_at END": (
        "now in a CASE or COALESCE of an UPDATE"
    ),
    "UPDATE tasks SET updated_at = coalesce($1, statement_timestamp())": (
        "statement_timestamp in a CASE or COALESCE of an UPDATE"
    ),
    "UPDATE tasks SET updated_at = updated_at + '1 us'::interval WHERE user_id = $1": (
        "timestamptz_pl_interval of a column in an UPDATE"
    ),
    "WITH w AS (DELETE FROM tasks WHERE user_id = $1 RETURNING to_json(title)) SELECT 1 FROM w": (
        "to_json in RETURNING"
    ),
    """INSERT INTO kept_answers (user_id, key, request, body) VALUES ($1, $2, $3, $3)
    ON CONFLICT (user_id, key) DO UPDATE SET kept_at = now()""": "now in DO UPDATE",
    "WITH u AS (INSERT INTO users (id) SELECT $1::bigint) SELECT 1": (
        "an INSERT in a CTE without RETURNING"
    ),
    "SELECT id FROM tasks WHERE updated_at < $1 FOR UPDATE SKIP LOCKED": "a lock across users",
    "SELECT id FROM tasks WHERE user_id = $1 OR id = $2 FOR UPDATE": "a lock across users",
}


@pytest.mark.parametrize(("text", "fault"), BROKEN.items())
def test_each_rule_is_noticed(
    rules_and_trees: tuple[Rules, Trees], database: DatabaseUrl, text: str, fault: str
) -> None:
    tree = asyncio.run(connected(database, lambda connection: parse_tree(connection, text)))
    assert rules_and_trees[0].faults(tree) == {fault}
