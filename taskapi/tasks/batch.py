"""A batch: operations of one user in one transaction, all or nothing."""

from typing import NamedTuple

import asyncpg

from taskapi.database.executor import Executor, Transaction
from taskapi.errors import ApiError, UserNotFound
from taskapi.tasks.schemas import (
    BatchComplete,
    BatchCreate,
    BatchDelete,
    BatchOperation,
    BatchUpdate,
)
from taskapi.tasks.store import Once, TaskStore, TaskStores, UserId

DELETED = b'{"status":204,"task":null}'


class BatchBody(NamedTuple):
    """The JSON of `BatchResults`, and whether it is the kept answer to an earlier request."""

    json: bytes
    replayed: bool = False


async def run_batch(
    database: Executor,
    stores: TaskStores,
    owner: UserId,
    operations: list[BatchOperation],
    once: Once | None,
) -> BatchBody:
    """Do the operations in their order, or none of them.

    Raises:
        ApiError: what the first operation that fails would raise alone, its detail naming it; or
            what `TaskStore` raises.
    """

    async def work(transaction: Transaction) -> bytes:
        store = stores.of(owner, transaction)
        if once is not None:
            # First of all: a concurrent repetition waits here, and then finds the answer.
            await store.claim(once)
        results = [await _numbered(store, *numbered) for numbered in enumerate(operations)]
        body = b'{"results":[' + b",".join(results) + b"]}"
        if once is not None:
            await store.keep(once, body)
        return body

    try:
        # Repeatable with a key: a second execution would wait for, and find, the first one's claim.
        return BatchBody(await database.transact(work, idempotent=once is not None))
    except (asyncpg.ForeignKeyViolationError, asyncpg.NotNullViolationError):
        raise UserNotFound from None
    except asyncpg.UniqueViolationError:
        if once is None:
            raise
        store = stores.of(owner, database)
        kept = await store.kept_answer(once)
    if kept is None:
        await store.forget_expired(once)
        return await run_batch(database, stores, owner, operations, once)
    return BatchBody(kept["body"], replayed=True)


async def _numbered(store: TaskStore, number: int, operation: BatchOperation) -> bytes:
    try:
        return await _apply(store, operation)
    except ApiError as error:
        error.detail = f"operations[{number}]: {error.detail}"
        raise


async def _apply(store: TaskStore, operation: BatchOperation) -> bytes:
    match operation:
        case BatchCreate(title=title, description=description):
            return _result(201, (await store.create(title, description)).json)
        case BatchUpdate():
            return _result(200, (await store.update(operation.id, operation.changes())).json)
        case BatchComplete():
            return _result(200, (await store.complete(operation.id, operation.is_completed)).json)
        case BatchDelete():
            await store.delete(operation.id)
            return DELETED


def _result(status: int, task: bytes) -> bytes:
    return b'{"status":%d,"task":%b}' % (status, task)
