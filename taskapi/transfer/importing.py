"""An import: what a checked file has and the user has not yet, in one transaction."""

from functools import partial
from typing import NamedTuple

from taskapi.database.executor import Executor, Transaction
from taskapi.errors import QuotaExceeded, UserNotFound
from taskapi.tasks.statements import FORGET_KEYS
from taskapi.tasks.store import TaskStore
from taskapi.transfer.checking import CheckedFile
from taskapi.transfer.spool import Progress
from taskapi.transfer.statements import ADD, LOOK, PLAN_ANEW


class ImportReport(NamedTuple):
    """What became of the records of a file.

    Attributes:
        created: tasks that are new.
        known: tasks that the user has already, or that are twice in the file.
        ignored: records that are no tasks.
    """

    created: int
    known: int
    ignored: int


async def import_tasks(
    executor: Executor,
    tasks: "ImportStore",
    file: CheckedFile,
    *,
    dry_run: bool,
    progress: Progress = lambda _: None,
) -> ImportReport:
    """Add the tasks of a file that the user has not yet; all of them or none.

    Args:
        executor: runs the statements.
        tasks: of the user.
        file: what was checked.
        dry_run: only tell what would be done.
        progress: called after each part of the file.

    Raises:
        QuotaExceeded: the user would have more tasks than each may have.
        UserNotFound: the user is not in the users table, and cannot be.
    """

    async def work(transaction: Transaction) -> int:
        store = tasks.on(transaction)
        await transaction.fetch_row(PLAN_ANEW, {})
        if dry_run:
            return file.count - await store.look(file)
        return await store.add(file, progress)

    # A second execution finds what the first one has created.
    run = executor.snapshot if dry_run else partial(executor.transact, idempotent=True)
    created = await run(work)
    return ImportReport(created, file.count - created + file.repeated, file.ignored)


class ImportStore(TaskStore):
    """One user's tasks, many of which come at once."""

    __slots__ = ()

    async def look(self, file: CheckedFile) -> int:
        """How many tasks of the file the user has.

        Raises:
            QuotaExceeded: there is no room for the others.
            UserNotFound: the user is not in the users table, and cannot be.
        """
        absence = await self._fetch(self.statements.absence, {"row_id": 0})
        if not (absence["known"] or self._users.create_unknown):
            raise UserNotFound
        known: int = 0
        async for rows in file.parts():
            known += (await self._fetch(LOOK, {"rows": rows}))["known"]
        new, quota = file.count - known, self._users.max_tasks
        if new and quota is not None and await self.count() + new > quota:
            raise QuotaExceeded
        return known

    async def add(self, file: CheckedFile, progress: Progress) -> int:
        """Add what the user has not yet, in a transaction; returns how many those are.

        Raises: as `look`.
        """
        # Then no other write of the user comes between: each begins with the clock.
        if await self._fetch(self.statements.lock, {}) is None:
            await self._start_clock()
            await self._fetch(self.statements.lock, {})
        if await self.look(file) == file.count:
            return 0
        created: int = 0
        async for rows in file.parts():
            created += (await self._fetch(ADD, {"rows": rows}))["created"]
            progress(created)
        await self._fetch(self.statements.counted, {})
        if self._users.max_tasks is not None:
            await self._fetch(FORGET_KEYS, {"quota": self._users.max_tasks})
        return created
