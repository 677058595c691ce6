"""The stored responses of one user."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import asyncpg

from taskapi.database.executor import StatementRunner
from taskapi.database.owner import UserId
from taskapi.database.statement import Statement
from taskapi.errors import IdempotencyKeyReused, Overloaded
from taskapi.idempotency import statements

PRIMARY_KEY = "kept_answers_pkey"

MAX_ATTEMPTS = 3
"""The second one follows where a key has expired, the third where a duplicate was quicker."""


class IdempotencyKey(NamedTuple):
    """What makes a write safe to repeat.

    Attributes:
        key: the client's.
        fingerprint: a digest of the request, by which another request with the same key is noticed.
    """

    key: str
    fingerprint: bytes


class Write(NamedTuple):
    """A write in its two forms: alone, and with its response stored under an idempotency key.

    Attributes:
        plain: alone.
        stored: with its response; None where no key is taken.
    """

    plain: Statement
    stored: Statement | None = None


def is_taken(error: asyncpg.UniqueViolationError) -> bool:
    """Whether a statement failed because its idempotency key is in use, and not for a bug."""
    return error.constraint_name == PRIMARY_KEY


class ResponseStore:
    """Writes that take effect once, and the responses stored for them.

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
        """Run a write that stores its response, or find that of its first execution.

        Returns:
            The row that was written, or the stored one, which has a column `fingerprint`; None
            where the write found no row.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
            Overloaded: duplicates of the request got in the way each time.
        """
        values = {**values, **key._asdict()}
        for _ in range(MAX_ATTEMPTS):
            try:
                row = await self._runner.fetch_row(write, values, idempotent=True)
            except asyncpg.UniqueViolationError as error:
                if not is_taken(error):
                    raise
                row = await self.fetch(key)
                if row is None:
                    await self.delete_expired(key)
                    continue
            return row or await self.fetch(key)
        raise Overloaded

    async def fetch(self, key: IdempotencyKey) -> asyncpg.Record | None:
        """The response stored under a key; None where there is none, or it has expired.

        Raises:
            IdempotencyKeyReused: the key belongs to another request.
        """
        row = await self._run(statements.FETCH, key=key.key)
        if row is not None and row["fingerprint"] != key.fingerprint:
            raise IdempotencyKeyReused
        return row

    async def store(self, key: IdempotencyKey, body: bytes) -> None:
        """Store the response under a key that was claimed."""
        await self._run(statements.STORE, key=key.key, body=body)

    async def delete_expired(self, key: IdempotencyKey) -> None:
        """Make a key free again whose response has expired."""
        await self._run(statements.DELETE_EXPIRED, key=key.key)

    async def _run(self, statement: Statement, **values: object) -> asyncpg.Record | None:
        row: asyncpg.Record | None = await self._runner.fetch_row(
            statement, {"owner": self._owner, **values}
        )
        return row
