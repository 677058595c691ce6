"""A pooler in front of the server: whether it is there, and whether it keeps statements."""

import secrets
from hashlib import blake2b

import asyncpg
import structlog
from sqlalchemy import Text, column, func, select, table

from taskapi.database import faults
from taskapi.database.statement import Constant, Statement, compiled

log = structlog.get_logger("taskapi.database")

REMEDY = "Statements are sent whole until taskapi is restarted."

BACKEND_PID = compiled(select(func.pg_backend_pid()))

_prepared = table("pg_prepared_statements", column("name", Text), column("statement", Text))


class Pooler:
    """A transaction pooler, as all connections of this process know it.

    Attributes:
        keeps_statements: whether a prepared statement can be run by its name, on whichever
            connection of the server. PgBouncer does it from 1.21 on, if `max_prepared_statements`
            is not 0: it renames each statement, and prepares it where it is missing.
    """

    __slots__ = ("keeps_statements",)

    def __init__(self, *, keeps_statements: bool) -> None:
        self.keeps_statements = keeps_statements

    def name_of(self, text: str) -> str:
        """The name to prepare a statement under; an empty one is sent whole each time.

        It is made of the text, so that a name can only ever mean this text. A counter, such as
        asyncpg's, names another statement in each process, and a pooler that stops telling them
        apart would run that one.
        """
        if not self.keeps_statements:
            return ""
        return f"taskapi_{blake2b(text.encode(), digest_size=16).hexdigest()}"

    def lost(self, error: asyncpg.PostgresError) -> None:
        """Send every statement whole from now on, after one could not be run by its name."""
        if self.keeps_statements:
            log.warning("pooler_lost_statement", error=repr(error), remedy=REMEDY)
        self.keeps_statements = False


async def is_pooled(connection: asyncpg.Connection) -> bool:
    """Whether a pooler is in front of the server: it invents the process id of the handshake."""
    return bool(await connection.fetchval(BACKEND_PID.text) != connection.get_server_pid())


async def pooler_at(connection: asyncpg.Connection) -> Pooler:
    """The pooler at the other end, which is asked whether it keeps statements.

    In a transaction, so that all of it reaches one connection of the server.
    """
    await connection.execute("BEGIN")
    try:
        kept = await _is_renamed(connection)
    except asyncpg.PostgresError as error:
        if faults.ends(error):
            raise
        log.warning("pooler_refused_statement", error=repr(error))
        kept = False
    await connection.execute("ROLLBACK")
    return Pooler(keeps_statements=kept)


def name_statement(name: str) -> Statement:
    """A statement for the name under which the server has prepared it; it contains this one."""
    itself = func.strpos(_prepared.c.statement, Constant(name)) > Constant(0)
    return compiled(select(_prepared.c.name).where(itself))


async def _is_renamed(connection: asyncpg.Connection) -> bool:
    """Whether a statement, which looks for itself, has another name on the server.

    A pooler that keeps statements has given it one. Otherwise its own, which is like no other, has
    reached the server, and is taken back.
    """
    name = f"taskapi_{secrets.token_hex(16)}"
    found = await (await connection.prepare(name_statement(name).text, name=name)).fetchval()
    if found == name:
        await connection.execute(f"DEALLOCATE {name}")
    return found not in {None, name}
