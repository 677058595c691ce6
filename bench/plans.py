"""Query plans of the service's own statements."""

import asyncio
from collections.abc import Mapping

import asyncpg

from bench.queries import arguments, literal
from taskapi.database.statement import Statement

BEFORE_A_GENERIC_PLAN = 6
"""After five executions PostgreSQL decides whether a plan for these values is worth making."""


def plan_of(dsn: str, statement: Statement, values: Mapping[str, object]) -> str:
    """What PostgreSQL does for a statement that was prepared and run often, with times."""
    return asyncio.run(_plan_of(dsn, statement, values))


async def _plan_of(dsn: str, statement: Statement, values: Mapping[str, object]) -> str:
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f"PREPARE it AS {statement.text}")
        call = f"EXECUTE it ({', '.join(map(literal, arguments(statement, **values)))})"
        for _ in range(BEFORE_A_GENERIC_PLAN):
            await connection.execute(f"BEGIN; {call}; ROLLBACK")
        await connection.execute("BEGIN")
        rows = await connection.fetch(f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF) {call}")
        await connection.execute("ROLLBACK")
        return "\n".join(row[0] for row in rows)
    finally:
        await connection.close()
