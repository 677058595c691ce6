"""A batch: operations of one user in one transaction, all or nothing."""

from typing import NamedTuple

import asyncpg

from taskapi.database.executor import Executor, Transaction
from taskapi.errors import ApiError
from taskapi.idempotency.store import IdempotencyKey, is_taken
from taskapi.tasks.batch_schemas import (
    BatchComplete,
    BatchCreate,
    BatchDelete,
    BatchOperation,
    BatchUpdate,
)
from taskapi.tasks.store import TaskStore

DELETED = b'{"status":204,"task":null}'


class BatchResponse(NamedTuple):
    """The JSON of `BatchResults`, and whether it is the stored response to an earlier request."""

    json: bytes
    replayed: bool = False


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

    async def work(transaction: Transaction) -> bytes:
        store = tasks.on(transaction)
        if key is not None:
            # First of all, because a concurrent repetition waits here and then finds the response.
            await store.claim(key)
        results = [await _numbered(store, *numbered) for numbered in enumerate(operations)]
        body = b'{"results":[' + b",".join(results) + b"]}"
        if key is not None:
            await store.responses.store(key, body)
        return body

    try:
        # With a key a second execution would wait for, and find, the claim of the first one.
        return BatchResponse(await executor.transact(work, idempotent=key is not None))
    except asyncpg.UniqueViolationError as error:
        if key is None or not is_taken(error):
            raise
        stored = await tasks.responses.fetch(key)
    if stored is None:
        await tasks.responses.delete_expired(key)
        return await run_batch(executor, tasks, operations, key)
    return BatchResponse(stored["body"], replayed=True)


async def _numbered(store: TaskStore, number: int, operation: BatchOperation) -> bytes:
    try:
        return await _apply(store, operation)
    except ApiError as error:
        error.detail = f"operations[{number}]: {error.detail}"
        raise


async def _apply(store: TaskStore, operation: BatchOperation) -> bytes:
    match operation:
        case BatchCreate():
            return _result(201, (await store.create(operation.values())).json)
        case BatchUpdate():
            return _result(200, (await store.update(operation.id, operation.changes())).json)
        case BatchComplete():
            return _result(200, (await store.complete(operation.id, operation.is_completed)).json)
        case BatchDelete():
            await store.delete(operation.id)
            return DELETED


def _result(status: int, task: bytes) -> bytes:
    return b'{"status":%d,"task":%b}' % (status, task)
