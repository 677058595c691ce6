"""The outcomes of one user's writes."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg

from taskapi.database.executor import StatementRunner
from taskapi.database.faults import violated
from taskapi.database.owner import UserId
from taskapi.database.statement import Statement
from taskapi.errors import IdempotencyKeyReused, UserNotFound
from taskapi.idempotency import statements

PRIMARY_KEY = "kept_answers_pkey"


class IdempotencyKey(NamedTuple):
    """What makes a write safe to repeat.

    Attributes:
        key: the client's.
        fingerprint: a digest of the request, by which another request with the same key is noticed.
    """

    key: str
    fingerprint: bytes


class Write(NamedTuple):
    """A write in its two forms: alone, and with its outcome stored under an idempotency key.

    Attributes:
        plain: alone.
        stored: with its outcome; None where no key is taken.
        idempotent: a second execution of the first form has no second effect either.
    """

    plain: Statement
    stored: Statement | None = None
    idempotent: bool = False


class Outcome(NamedTuple):
    """What became of one operation of a batch.

    Attributes:
        status: of its result.
        row_id: of its row; None where there was none, and for a deletion that the release before
            has stored.
        version: of the row after it; None for a deletion, after a failure, and where it is not
            asked for.
    """

    status: int
    row_id: int | None
    version: datetime | None = None


class OutcomeStore:
    """Writes that take effect once, and the outcomes stored for them.

    Every method that looks for one raises `IdempotencyKeyReused` where the key belongs to another
    request.

    Args:
        owner: the user.
        runner: runs the statements.
    """

    __slots__ = ("_owner", "_runner")

    def __init__(self, owner: UserId, runner: StatementRunner) -> None:
        self._owner = owner
        self._runner = runner

    async def write(
        self, write: Statement, values: Mapping[str, object], key: IdempotencyKey
    ) -> Any:
        """Run a write under a key, or find what its first execution has written.

        Returns:
            The row, with a column `fingerprint` that is null unless this is a repetition; None
            where the write found no row.
        """
        values = {**values, **key._asdict()}
        row = await self._once(write, values)
        if row is not None and row["expired"]:
            await self._run(statements.DELETE_EXPIRED, key=key.key)
            row = await self._once(write, values)
        if row is not None and row["fingerprint"] is not None:
            _check(row, key)
        return row

    async def _once(self, write: Statement, values: Mapping[str, object]) -> Any:
        """Run a write, and once more if it found nothing to write.

        The same request may have been quicker, and changed the row's version while this one waited.
        It has ended by now, so the second run finds its outcome.
        """
        return await self._attempt(write, values) or await self._attempt(write, values)

    async def _attempt(self, write: Statement, values: Mapping[str, object]) -> Any:
        try:
            return await self._runner.fetch_row(write, values, idempotent=True)
        except asyncpg.UniqueViolationError as error:
            if violated(error) != PRIMARY_KEY:
                raise
        # The same request was quicker. It has ended by now, so this run finds its outcome.
        return await self._runner.fetch_row(write, values, idempotent=True)

    async def claim(self, claim: Statement, key: IdempotencyKey) -> bool:
        """Take a key for a batch; others wait until the transaction ends.

        Returns:
            Whether it was free.
        """
        return await self._run(claim, **key._asdict()) is not None

    async def store(self, key: IdempotencyKey, outcomes: Sequence[Outcome]) -> None:
        """Store the outcomes of a batch under a key that was claimed."""
        await self._run(
            statements.STORE,
            key=key.key,
            statuses=[str(outcome.status) for outcome in outcomes],
            row_ids=[str(outcome.row_id) for outcome in outcomes],
            versions=[outcome.version and outcome.version.isoformat() for outcome in outcomes],
        )

    async def append(self, key: IdempotencyKey, number: int, outcome: Outcome) -> bool:
        """Store the outcome of one more operation under a key that was claimed.

        Its version is not stored, because each call leaves a dead row of this size to PostgreSQL.

        Args:
            key: the key.
            number: of the operation, from 0 on.
            outcome: its.

        Returns:
            Whether it was the turn of this operation. If not, another request with this key has
            done it.
        """
        values = {"key": key.key, "number": number, **outcome._asdict()}
        return await self._run(statements.APPEND, **values) is not None

    async def fetch(self, key: IdempotencyKey) -> list[Outcome]:
        """The outcomes of the batch that has taken a key; of one under way, so far.

        Raises:
            UserNotFound: they were deleted since `claim` met them, which only happens together with
                the user.
        """
        row = await self._run(statements.FETCH, key=key.key)
        if row is None:
            raise UserNotFound
        _check(row, key)
        if row["statuses"] is None:
            return list(map(_outcome_of, json.loads(row["body"])["results"]))
        pairs = zip(row["statuses"], row["row_ids"], strict=True)
        return [Outcome(int(status), row_id and int(row_id)) for status, row_id in pairs]

    async def _run(self, statement: Statement, **values: object) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._runner.fetch_row(
            statement, {"owner": self._owner, **values}
        )
        return row


def _check(row: asyncpg.Record, key: IdempotencyKey) -> None:
    if row["fingerprint"] != key.fingerprint:
        raise IdempotencyKeyReused


def _outcome_of(result: dict[str, Any]) -> Outcome:
    """The outcome in a result as the release before stores it."""
    task = result["task"]
    return Outcome(result["status"], task and task["id"])
