"""The store of one user's rows of one resource: nobody else's can be reached through it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, Self

import asyncpg
from sqlalchemy import Column

from taskapi.database.executor import StatementRunner, Transaction
from taskapi.database.owner import UserId, Users
from taskapi.database.statement import Statement
from taskapi.edge.conditional import ClockTime, entity_tag, from_microseconds
from taskapi.edge.cursor import Position, issue_cursor, read_cursor
from taskapi.errors import ApiError, Overloaded, QuotaExceeded, UserNotFound, VersionMismatch
from taskapi.idempotency.store import IdempotencyKey, OutcomeStore, Write
from taskapi.resource.definition import Resource
from taskapi.resource.pages import Bound, PageRequest, Shape, page_statement
from taskapi.resource.statements import ResourceStatements, statements_of

Versions = list[datetime] | None
"""The versions that a write may change (`If-Match`), or None for any."""

OWNER_MISSING = (
    asyncpg.ForeignKeyViolationError,
    asyncpg.NotNullViolationError,  # a users table that needs more than an id
    asyncpg.DataError,  # an id beyond what an INTEGER of the users table holds
)
"""What PostgreSQL raises where the owner is not, and cannot be made, a user."""


MAX_WRITES = 5
"""The second one follows where the user's clock was started or their rows were counted, others
where another request of theirs took the room in between."""


class RenderedRow(NamedTuple):
    """A row as the database rendered it.

    Attributes:
        replayed: whether an earlier request with the same key has written it.
    """

    id: int
    version: datetime
    json: bytes
    replayed: bool = False


class Page(NamedTuple):
    """One page of a list.

    Attributes:
        rows: the JSON of its rows, with commas between them.
        shown: the number of its rows.
        total: of rows in all pages, if they were to be counted; otherwise the same.
        next_cursor: of the next page; None where there is none.
        clock: what the user's clock shows; None where they have none yet.
    """

    rows: bytes
    shown: int
    total: int
    next_cursor: str | None
    clock: ClockTime | None


class ResourceStore:
    """What can be done with one user's rows, each by one statement.

    Every method raises `UserNotFound` where the owner is not in the users table, and `Unavailable`
    where the database does not answer. Those about one row raise the resource's `not_found`, and
    `VersionMismatch` where the row is in none of the versions that the client expects. Those that
    take an `IdempotencyKey` raise `IdempotencyKeyReused` where it belongs to another request, and
    the resource's `deleted` where the row of an earlier request with it is gone. A create raises
    `QuotaExceeded` where the user has as many rows as each may have.

    Attributes:
        resource: set by the subclass.
        statements: those of the resource.
    """

    resource: ClassVar[Resource]

    __slots__ = ("_owner", "_runner", "_users", "statements")

    def __init__(self, owner: UserId, runner: StatementRunner, users: Users) -> None:
        self._owner = owner
        self._runner = runner
        self._users = users
        self.statements: ResourceStatements = statements_of(self.resource, users)

    @property
    def owner(self) -> UserId:
        """Whose rows they are."""
        return self._owner

    @property
    def outcomes(self) -> OutcomeStore:
        """The outcomes stored for the user's idempotency keys."""
        return OutcomeStore(self._owner, self._runner)

    def on(self, runner: StatementRunner) -> Self:
        """The same user's store, on a transaction."""
        return type(self)(self._owner, runner, self._users)

    async def clock(self) -> ClockTime | None:
        """What the user's clock shows; None where they have none."""
        return _clock(await self._fetch(self.statements.clock, {}))

    async def list_whole(self, request: PageRequest, max_bytes: int) -> Page | None:
        """One page of rows; None where they are more than so many bytes of JSON.

        Raises:
            InvalidCursor: the cursor was not issued for this list.
        """
        always_fits = request.limit * self.resource.max_row_bytes <= max_bytes
        bound = Bound.NONE if always_fits else Bound.REFUSED
        row = await self._page_row(request, max_bytes, bound)
        return row and self._page_of(request, row)

    async def list_cut(self, request: PageRequest, max_bytes: int) -> Page:
        """The same, but such a page ends early. It costs more than `list_whole`.

        Raises:
            InvalidCursor: the cursor was not issued for this list.
        """
        return self._page_of(request, await self._page_row(request, max_bytes, Bound.CUT))

    async def _page_row(self, request: PageRequest, max_bytes: int, bound: Bound) -> Any:
        values = {
            "limit": request.limit,
            "offset": request.offset,
            "max_bytes": max_bytes,
            **request.filters,
        }
        if request.cursor is not None:
            max_length = getattr(self._sort_column(request).type, "length", None)
            position = read_cursor(self._scope(request), request.cursor, max_length)
            values |= {"after_value": position.value, "after_id": position.id}
        is_later = request.cursor is not None
        shape = Shape(request.sort, frozenset(request.filters), is_later, request.counted, bound)
        return await self._fetch(page_statement(self.resource, self._users, shape), values)

    def _page_of(self, request: PageRequest, row: Any) -> Page:
        if not (row["known"] or self._users.create_unknown):
            raise UserNotFound
        next_cursor = None
        if row["has_more"]:
            position = Position(row["last_value"], row["last_id"])
            next_cursor = issue_cursor(self._scope(request), position)
        rows = row["rows"] or b""
        return Page(rows, row["shown"], row["total"], next_cursor, _clock(row))

    async def create(
        self, values: Mapping[str, object], key: IdempotencyKey | None = None
    ) -> RenderedRow:
        """Add a row, with a value for every editable column."""
        values = {"quota": self._users.max_tasks, **values}
        return self._rendered(await self._write(self.statements.create, values, key))

    async def get(self, row_id: int) -> RenderedRow:
        """One row."""
        row = await self._fetch(self.statements.get, {"row_id": row_id})
        if row is None:
            raise self._reason(await self._fetch(self.statements.absence, {"row_id": row_id}))
        return self._rendered(row)

    async def current(self, row_ids: Sequence[int | None]) -> Sequence[RenderedRow | None]:
        """Several rows as they are now, in this order; None for each that is gone."""
        values = {"row_ids": [row_id and str(row_id) for row_id in row_ids]}
        found = await self._fetch(self.statements.current, values)
        # Both are null, and no empty arrays, if there are no ids.
        parts = zip(row_ids, found["versions"] or (), found["rows"] or (), strict=True)
        return [
            RenderedRow(row_id, from_microseconds(int(version)), row.encode())
            if row_id and row
            else None
            for row_id, version, row in parts
        ]

    async def update(
        self,
        row_id: int,
        changes: Mapping[str, object],
        versions: Versions = None,
        key: IdempotencyKey | None = None,
    ) -> RenderedRow:
        """Set some of the editable columns; without changes the row keeps its version."""
        names = (column.key for column in self.resource.editable)
        values = {**dict.fromkeys(names), **changes, "changed": list(changes)}
        return await self._update(self.statements.update, row_id, values, versions, key)

    async def delete(self, row_id: int, versions: Versions = None) -> None:
        """Delete a row for good."""
        values = {"row_id": row_id, "versions": _as_texts(versions)}
        await self._write(self.statements.delete, values)

    async def count(self) -> int:
        """How many rows the user has."""
        count: int = (await self._fetch(self.statements.count, {}))["count"]
        return count

    async def claim(self, key: IdempotencyKey) -> bool:
        """Take a key for a batch; others wait until the transaction ends.

        Returns:
            Whether it was free.
        """
        if await self.outcomes.claim(self.statements.claim, key):
            return True
        await self._start_clock()  # there may be none, without which no key is claimed
        return await self.outcomes.claim(self.statements.claim, key)

    async def _update(
        self,
        write: Write,
        row_id: int,
        values: Mapping[str, object],
        versions: Versions,
        key: IdempotencyKey | None,
    ) -> RenderedRow:
        values = {"row_id": row_id, "versions": _as_texts(versions), **values}
        return self._rendered(await self._write(write, values, key))

    async def _write(
        self, write: Write, values: Mapping[str, object], key: IdempotencyKey | None = None
    ) -> Any:
        """What the write returns. Only a user's first write takes more than one statement."""
        for _ in range(MAX_WRITES):
            row = await self._run(write, values, key)
            if row is not None:
                return row
            await self._remove_obstacle(values)
        raise Overloaded

    async def _run(
        self, write: Write, values: Mapping[str, object], key: IdempotencyKey | None
    ) -> Any:
        if key is None or write.stored is None:
            return await self._fetch(write.plain, values, idempotent=write.idempotent)
        return await self.outcomes.write(write.stored, {"owner": self._owner, **values}, key)

    async def _fetch(
        self, statement: Statement, values: Mapping[str, object], *, idempotent: bool = False
    ) -> Any:
        values = {"owner": self._owner, **values}
        return await self._runner.fetch_row(statement, values, idempotent=idempotent)

    async def _remove_obstacle(self, values: Mapping[str, Any]) -> None:
        """Make it possible that a write which did nothing does something; raise if it is not."""
        row_id = values.get("row_id")
        absence = await self._fetch(self.statements.absence, {"row_id": row_id or 0})
        if not absence["started"]:
            await self._start_clock()
        elif row_id is None:
            await self._count_rows()
        elif not _is_expected(absence["version"], values["versions"]):
            raise self._reason(absence)
        # Otherwise another request has started the clock since the write.

    async def _start_clock(self) -> None:
        """Start the user's clock, and make them a user where that is allowed."""
        try:
            if self._users.create_unknown:
                await self._fetch(self.statements.arrive, {})
            started = await self._fetch(self.statements.start, {})
        except OWNER_MISSING:
            raise UserNotFound from None
        if not started["known"]:
            raise UserNotFound

    async def _count_rows(self) -> None:
        """Count the rows of a user who may have reached the quota.

        Without a quota there is none to reach: another request has started the clock meanwhile.
        """
        if self._users.max_tasks is None:
            return
        if await self.count() >= self._users.max_tasks:
            raise QuotaExceeded
        await self._runner.transact(self._store_count, idempotent=True)

    async def _store_count(self, transaction: Transaction) -> None:
        """Store the number of rows: counted again behind the lock, so that no write is missed."""
        owner = {"owner": self._owner}
        await transaction.fetch_row(self.statements.lock, owner)
        await transaction.fetch_row(self.statements.counted, owner)

    def _rendered(self, row: Any) -> RenderedRow:
        if row["body"] is None:
            raise self.resource.deleted
        # None without a key, and for the first request with one.
        replayed = row.get("fingerprint") is not None
        return RenderedRow(row["id"], row["version"], row["body"], replayed)

    def _sort_column(self, request: PageRequest) -> Column[Any]:
        return self.resource.table.c[request.sort.removeprefix("-")]

    def _scope(self, request: PageRequest) -> str:
        """The list that a cursor belongs to."""
        filters = sorted(request.filters.items())
        return repr((self.resource.table.name, self._owner, request.sort, filters))

    def _reason(self, absence: Any) -> ApiError:
        """Why there is no such row."""
        if absence["version"] is not None:
            return VersionMismatch(entity_tag(absence["version"]), absence["body"])
        known = absence["known"] or self._users.create_unknown
        return self.resource.not_found() if known else UserNotFound()


def _as_texts(versions: Versions) -> list[str] | None:
    """What travels to the database of the versions that a write may change."""
    return None if versions is None else [version.isoformat() for version in versions]


def _is_expected(version: datetime | None, versions: list[str] | None) -> bool:
    """Whether a row is there, in a version that the client is willing to change."""
    return version is not None and (versions is None or version.isoformat() in versions)


def _clock(row: Any) -> ClockTime | None:
    if row is None or row["changed_at"] is None:
        return None
    return ClockTime(row["started_at"], row["changed_at"])
