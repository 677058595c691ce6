"""Erases a user: every row of theirs in every table of ours, and no trace that it was there."""

from typing import NamedTuple

from sqlalchemy import Table, delete, func, select

from taskapi.clock.statements import CLOCKS
from taskapi.database.executor import Executor, Transaction
from taskapi.database.owner import OWNER, UserId, Users, owned
from taskapi.database.statement import Constant, Statement, compiled
from taskapi.database.tables import own_tables
from taskapi.database.users_table import is_ours
from taskapi.resource.statements import statements_of
from taskapi.tasks.statements import TASKS
from taskapi.transfer.spool import Progress

TASKS_AT_ONCE = 1000


class Erased(NamedTuple):
    """What was erased.

    Attributes:
        tasks: how many.
        others: rows of the user in the other tables of ours.
        is_user_left: whether the users table still has the user, because it is the auth server's.
    """

    tasks: int
    others: int
    is_user_left: bool


async def erase_user(
    executor: Executor, owner: UserId, users_table: str, progress: Progress
) -> Erased:
    """Erase a user in one transaction, in which no write of theirs comes between.

    Args:
        executor: runs the statements, as the owner of the tables.
        owner: the user.
        users_table: as the setting has it.
        progress: called with the number of erased tasks.
    """
    values = {"owner": owner}
    users = Users(users_table, create_unknown=False)
    lock = statements_of(TASKS, users).lock

    async def erase(transaction: Transaction, statement: Statement) -> int:
        erased: int = (await transaction.fetch_row(statement, values))["erased"]
        return erased

    async def work(transaction: Transaction) -> Erased:
        await transaction.fetch_row(lock, values)
        tasks = 0
        while erased := await erase(transaction, erase_some(TASKS.table)):
            tasks += erased
            progress(tasks)
        others = 0
        for table in _others():
            others += await erase(transaction, erase_rows(table))
        ours = (await transaction.fetch_row(is_ours_statement(users_table), {}))[0]
        if ours:
            await erase(transaction, erase_identity(users))
        return Erased(tasks, others, is_user_left=not ours)

    return await executor.transact(work, idempotent=True)


def _others() -> list[Table]:
    """The tables of ours besides that of tasks; that of clocks last, whose lock is held."""
    others = [table for table in own_tables().values() if table is not TASKS.table]
    return sorted(others, key=lambda table: table is CLOCKS)


def is_ours_statement(users_table: str) -> Statement:
    """Whether a migration made the users table."""
    return compiled(select(is_ours(users_table)))


def erase_rows(table: Table) -> Statement:
    """Erase the owner's rows of a table; says how many were `erased`."""
    erased = delete(table).where(owned(table.c.user_id)).returning(table.c.user_id).cte("erased")
    return compiled(select(func.count().label("erased")).select_from(erased))


def erase_some(table: Table) -> Statement:
    """The same for `TASKS_AT_ONCE` of them."""
    some = select(table.c.id).where(owned(table.c.user_id)).limit(Constant(TASKS_AT_ONCE))
    erased = (
        delete(table)
        .where(owned(table.c.user_id), table.c.id.in_(some))
        .returning(table.c.id)
        .cte("erased")
    )
    return compiled(select(func.count().label("erased")).select_from(erased))


def erase_identity(users: Users) -> Statement:
    """Erase the owner from the users table."""
    erased = delete(users.table).where(users.table.c.id == OWNER).returning(users.table.c.id)
    return compiled(select(func.count().label("erased")).select_from(erased.cte("erased")))
