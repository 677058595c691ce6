"""A batch: operations of one user in one transaction, all or nothing."""

from http import HTTPStatus
from typing import NamedTuple

from taskapi.database.executor import Executor, Transaction
from taskapi.errors import ApiError
from taskapi.idempotency.store import IdempotencyKey, Outcome
from taskapi.resource.store import RenderedRow
from taskapi.tasks.batch_schemas import (
    BatchComplete,
    BatchCreate,
    BatchDelete,
    BatchOperation,
    BatchUpdate,
)
from taskapi.tasks.store import TaskStore


class BatchResponse(NamedTuple):
    """The JSON of `BatchResults`, and whether an earlier request with the same key was executed."""

    json: bytes
    replayed: bool = False


class Result(NamedTuple):
    """What became of one operation, and the JSON of its task; None where it has none."""

    outcome: Outcome
    task: bytes | None

    @property
    def json(self) -> bytes:
        """The JSON of a `BatchResult`."""
        return b'{"status":%d,"task":%b}' % (self.outcome.status, self.task or b"null")


async def run_batch(
    executor: Executor,
    tasks: TaskStore,
    operations: list[BatchOperation],
    key: IdempotencyKey | None,
) -> BatchResponse:
    """Do the operations in their order, or none of them.

    Raises:
        ApiError: what the first operation that fails would raise alone, its detail naming it; or
            what `TaskStore` raises.
    """

    async def work(transaction: Transaction) -> BatchResponse:
        store = tasks.on(transaction)
        # First of all, because a concurrent repetition waits here and then finds the outcomes.
        if key is not None and not await store.claim(key):
            return BatchResponse(_json(await _repeated(store, key)), replayed=True)
        results = [await _numbered(store, *numbered) for numbered in enumerate(operations)]
        if key is not None:
            await store.outcomes.store(key, [result.outcome for result in results])
        return BatchResponse(_json(results))

    # With a key a second execution would wait for, and find, the claim of the first one.
    return await executor.transact(work, idempotent=key is not None)


def _json(results: list[Result]) -> bytes:
    return b'{"results":[' + b",".join(result.json for result in results) + b"]}"


async def _repeated(store: TaskStore, key: IdempotencyKey) -> list[Result]:
    """The results of an earlier request, each with its task as it is now."""
    outcomes = await store.outcomes.fetch(key)
    tasks = await store.current([outcome.row_id for outcome in outcomes])
    return list(map(_result_now, outcomes, tasks))


def _result_now(outcome: Outcome, task: str | None) -> Result:
    if task is not None:
        return Result(outcome, task.encode())
    if outcome.status != HTTPStatus.NO_CONTENT:
        outcome = outcome._replace(status=HTTPStatus.GONE)
    return Result(outcome, None)


async def _numbered(store: TaskStore, number: int, operation: BatchOperation) -> Result:
    try:
        return await _apply(store, operation)
    except ApiError as error:
        error.detail = f"operations[{number}]: {error.detail}"
        raise


async def _apply(store: TaskStore, operation: BatchOperation) -> Result:
    match operation:
        case BatchCreate():
            return _result(HTTPStatus.CREATED, await store.create(operation.values()))
        case BatchUpdate():
            row = await store.update(operation.id, operation.changes())
            return _result(HTTPStatus.OK, row)
        case BatchComplete():
            row = await store.complete(operation.id, operation.is_completed)
            return _result(HTTPStatus.OK, row)
        case BatchDelete():
            await store.delete(operation.id)
            return Result(Outcome(HTTPStatus.NO_CONTENT, operation.id), None)


def _result(status: HTTPStatus, row: RenderedRow) -> Result:
    return Result(Outcome(status, row.id, row.version), row.json)
