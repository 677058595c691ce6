"""How a migration changes a table that is in use."""

from typing import Any

from sqlalchemy import Connection, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.schema import ExecutableDDLElement
from sqlalchemy.sql.compiler import DDLCompiler

LOCK_TIMEOUT = "3s"
"""How long a statement of a migration waits for a table. Writes queue behind it meanwhile, so a
long transaction of another program would stop them all if it waited longer."""


def limit_lock_waits(connection: Connection) -> None:
    """Let no statement wait longer than `LOCK_TIMEOUT` for a lock, until the transaction ends.

    A migration that ends the transaction (`autocommit_block`) must call it again. In between there
    is no limit: what works concurrently waits for transactions, and nobody waits for it.
    """
    connection.execute(select(func.set_config("lock_timeout", LOCK_TIMEOUT, True)))  # noqa: FBT003 - PostgreSQL's own: for this transaction


class ReplacePrimaryKey(ExecutableDDLElement):
    """Make an index the primary key, which takes its name; SQLAlchemy has no `USING INDEX`.

    The table is locked for a change of the catalogue, because the index has been built before.

    Args:
        table: its primary key has PostgreSQL's name, `<table>_pkey`.
        index: unique, of columns that are NOT NULL.
    """

    def __init__(self, table: str, index: str) -> None:
        self.table = table
        self.index = index


@compiles(ReplacePrimaryKey)
def _alter_table(element: ReplacePrimaryKey, compiler: DDLCompiler, **_: Any) -> str:
    table, key, index = map(
        compiler.preparer.quote, (element.table, f"{element.table}_pkey", element.index)
    )
    return (
        f"ALTER TABLE {table} DROP CONSTRAINT {key}, "
        f"ADD CONSTRAINT {key} PRIMARY KEY USING INDEX {index}"
    )
