"""The store of one user's tasks: what every resource has, and completion."""

from taskapi.idempotency.store import IdempotencyKey
from taskapi.resource.store import RenderedRow, ResourceStore, Versions
from taskapi.tasks.statements import COMPLETE, TASKS


class TaskStore(ResourceStore):
    """Everything that can be done with one user's tasks, each by one statement."""

    resource = TASKS

    __slots__ = ()

    async def complete(
        self,
        task_id: int,
        wanted: bool | None,
        versions: Versions = None,
        key: IdempotencyKey | None = None,
    ) -> RenderedRow:
        """Set completion, or toggle it where `wanted` is None."""
        return await self._update(COMPLETE, task_id, {"wanted": wanted}, versions, key)
