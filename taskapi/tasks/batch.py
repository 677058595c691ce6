"""A batch: operations of one user, in one transaction or each in one of its own."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from http import HTTPStatus
from typing import NamedTuple, TypeVar

from taskapi.database.executor import Executor, Transaction
from taskapi.errors import ApiError
from taskapi.idempotency.store import IdempotencyKey, Outcome
from taskapi.tasks.batch_results import FAILURES, Result, results_json
from taskapi.tasks.batch_schemas import (
    Batch,
    BatchComplete,
    BatchCreate,
    BatchDelete,
    BatchOperation,
    BatchUpdate,
)
from taskapi.tasks.store import CreatedMeanwhile, TaskStore

Done = TypeVar("Done")

Operations = Sequence[BatchOperation]

Results = Sequence[Result]
"""Those of the first operations, in their order. So their number is that of the next one."""

NO_ROW = 0
"""The id of no task, for an operation that names none."""


class BatchResponse(NamedTuple):
    """The result of each operation, and whether an earlier request with the key was executed."""

    results: Results
    replayed: bool = False

    @property
    def json(self) -> bytes:
        """The JSON of `BatchResults`."""
        return results_json(self.results)


class DoneMeanwhile(Exception):
    """Another request with the same `Idempotency-Key` has done the operation."""


async def run_batch(
    executor: Executor, tasks: TaskStore, batch: Batch, key: IdempotencyKey | None
) -> BatchResponse:
    """Do the operations in their order.

    Raises:
        ApiError: for an atomic batch, what the first operation that fails would raise alone, its
            detail naming it; or what `TaskStore` raises. If the batch is not atomic, operations may
            have been done by then: a repetition with the key does the others.
    """
    if batch.atomic:
        return await _all_or_none(executor, tasks, batch.operations, key)
    if key is None:
        return BatchResponse(await _one_by_one(tasks, batch.operations))
    return await _each_once(executor, tasks, batch.operations, key)


async def _all_or_none(
    executor: Executor, tasks: TaskStore, operations: Operations, key: IdempotencyKey | None
) -> BatchResponse:
    async def work(transaction: Transaction) -> BatchResponse:
        store = tasks.on(transaction)
        # First of all, because a concurrent repetition waits here and then finds the outcomes.
        if key is not None and not await store.claim(key):
            earlier = await _earlier(store, operations, key)
            return BatchResponse(earlier, replayed=True)
        results: list[Result] = []
        while len(results) < len(operations):
            results.append(await _numbered(store, operations, results))
        if key is not None:
            await store.outcomes.store(key, [result.outcome for result in results])
        return BatchResponse(results)

    # With a key a second execution would wait for, and find, the claim of the first one.
    return await _once_more(partial(executor.transact, work, idempotent=key is not None))


async def _one_by_one(tasks: TaskStore, operations: Operations) -> list[Result]:
    results: list[Result] = []
    while len(results) < len(operations):
        results.append(await _once_more(partial(_attempt, tasks, operations, results)))
    return results


async def _each_once(
    executor: Executor, tasks: TaskStore, operations: Operations, key: IdempotencyKey
) -> BatchResponse:
    """Do each operation together with storing its outcome, going on where another has ended."""
    is_first = await tasks.claim(key)
    results = [] if is_first else await _earlier(tasks, operations, key)
    while len(results) < len(operations):
        try:
            results.append(await _next_stored(executor, tasks, operations, results, key))
        except DoneMeanwhile:
            results = await _earlier(tasks, operations, key)
    return BatchResponse(results, replayed=not is_first)


async def _next_stored(
    executor: Executor,
    tasks: TaskStore,
    operations: Operations,
    results: Results,
    key: IdempotencyKey,
) -> Result:
    async def work(transaction: Transaction) -> Result:
        store = tasks.on(transaction)
        result = await _attempt(store, operations, results)
        outcome = result.outcome
        if operations[len(results)].id is not None:
            outcome = outcome._replace(row_id=None)  # it is in the request
        if not await store.outcomes.append(key, len(results), outcome):
            raise DoneMeanwhile
        return result

    # A second execution would find that it is not its turn any more.
    return await _once_more(partial(executor.transact, work, idempotent=True))


async def _once_more(do: Callable[[], Awaitable[Done]]) -> Done:
    """Repeat what was undone because another request took the key of a task. Now it is found."""
    try:
        return await do()
    except CreatedMeanwhile:
        return await do()


async def _earlier(store: TaskStore, operations: Operations, key: IdempotencyKey) -> list[Result]:
    """The results of an earlier request, or the first of them, each with its task as it is now."""
    pairs = zip(operations, await store.outcomes.fetch(key), strict=False)
    outcomes = [
        outcome._replace(row_id=outcome.row_id or operation.id) for operation, outcome in pairs
    ]
    rows = await store.current([outcome.row_id for outcome in outcomes])
    return list(map(Result.now, outcomes, rows))


async def _numbered(store: TaskStore, operations: Operations, results: Results) -> Result:
    """Do the next operation; the detail of an error names it."""
    try:
        return await _apply(store, operations[len(results)], await _id(store, operations, results))
    except ApiError as error:
        error.detail = f"operations[{len(results)}]: {error.detail}"
        raise


async def _attempt(store: TaskStore, operations: Operations, results: Results) -> Result:
    """Do the next operation; a failure is a result too."""
    row_id = NO_ROW
    try:
        row_id = await _id(store, operations, results)
        return await _apply(store, operations[len(results)], row_id)
    except FAILURES as error:
        return Result.failed(error, row_id or None)


async def _id(store: TaskStore, operations: Operations, results: Results) -> int:
    """The id of the task that the next operation names, perhaps by a key of an earlier one."""
    operation = operations[len(results)]
    if isinstance(operation, BatchCreate):
        return NO_ROW
    if operation.id is not None:
        return operation.id
    for earlier, result in zip(operations, results, strict=False):
        if earlier.key == operation.key and result.outcome.row_id is not None:
            return result.outcome.row_id
    return await store.id_of(operation.key)


async def _apply(store: TaskStore, operation: BatchOperation, row_id: int) -> Result:
    match operation:
        case BatchCreate(key=None):
            return Result.of(HTTPStatus.CREATED, await store.create(operation.values()))
        case BatchCreate():
            row = await store.create_once(operation.key, operation.values())
            return Result.of(HTTPStatus.OK if row.replayed else HTTPStatus.CREATED, row)
        case BatchUpdate():
            row = await store.update(row_id, operation.changes(), operation.versions)
            return Result.of(HTTPStatus.OK, row)
        case BatchComplete():
            row = await store.complete(row_id, operation.is_completed, operation.versions)
            return Result.of(HTTPStatus.OK, row)
        case BatchDelete():
            await store.delete(row_id, operation.versions)
            return Result(Outcome(HTTPStatus.NO_CONTENT, row_id))
