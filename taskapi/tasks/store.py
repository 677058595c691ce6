"""The store of one user's tasks: what every resource has, completion, and keys of tasks."""

from collections.abc import Mapping

import asyncpg

from taskapi.database.faults import violated
from taskapi.idempotency.store import IdempotencyKey
from taskapi.resource.store import RenderedRow, ResourceStore, Versions
from taskapi.tasks.statements import COMPLETE, CREATE_ONCE, FORGET_KEYS, TASK_OF_KEY, TASKS

PRIMARY_KEY = "task_keys_pkey"


class CreatedMeanwhile(Exception):
    """Another request has created a task with this key at the same instant."""


class TaskStore(ResourceStore):
    """Everything that can be done with one user's tasks, each by one statement."""

    resource = TASKS

    __slots__ = ()

    async def create_once(self, task_key: str, values: Mapping[str, object]) -> RenderedRow:
        """Add a task under a key, or find the one that was (`replayed`).

        Raises:
            CreatedMeanwhile: nothing was done, and a second call will find the task. A transaction
                has to be repeated as a whole.
        """
        values = {"quota": self._users.max_tasks, "task_key": task_key, **values}
        try:
            row = await self._write(CREATE_ONCE, values)
        except asyncpg.UniqueViolationError as error:
            if violated(error) != PRIMARY_KEY:
                raise
            raise CreatedMeanwhile from None
        return self._rendered(row)._replace(replayed=row["replayed"] is not None)

    async def id_of(self, task_key: str) -> int:
        """The id of the task that was created under a key; it may be deleted by now."""
        row = await self._fetch(TASK_OF_KEY, {"task_key": task_key})
        if row is None:
            raise self._reason(await self._fetch(self.statements.absence, {"row_id": 0}))
        task_id: int = row["task_id"]
        return task_id

    async def complete(
        self,
        task_id: int,
        wanted: bool | None,
        versions: Versions = None,
        key: IdempotencyKey | None = None,
    ) -> RenderedRow:
        """Set completion, or toggle it where `wanted` is None."""
        return await self._update(COMPLETE, task_id, {"wanted": wanted}, versions, key)

    async def _count_rows(self) -> None:
        """Also forget old keys of deleted tasks, so that their number has a bound too.

        Tasks are counted at the latest when the user has created as many as each may have.
        """
        await super()._count_rows()
        await self._fetch(FORGET_KEYS, {"quota": self._users.max_tasks})
