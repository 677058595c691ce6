"""The store of one user's tasks: nobody else's can be reached through it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple, NoReturn, Protocol

import asyncpg

from taskapi.database.statement import Statement
from taskapi.edge.conditional import task_tag
from taskapi.edge.cursor import Position, issue_cursor, read_cursor
from taskapi.errors import IdempotencyKeyReused, TaskNotFound, UserNotFound, VersionMismatch
from taskapi.tasks import statements
from taskapi.tasks.listing import TEXT_SORTS, Shape, page_statement
from taskapi.tasks.statements import UserStatements

UserId = int | str
"""`BIGINT` or `TEXT` in the database, as `USER_ID_TYPE` says."""

Versions = list[datetime] | None
"""The versions that a write may change (`If-Match`), or None for any."""


CANNOT_ARRIVE = (
    asyncpg.ForeignKeyViolationError,
    asyncpg.NotNullViolationError,  # a users table that wants more than an id
    asyncpg.DataError,  # an id beyond what an INTEGER of the users table holds
)
"""What says that the owner is not, and cannot be made, a user."""


class TaskBody(NamedTuple):
    """A task as the database rendered it.

    Attributes:
        replayed: whether this is the kept answer to an earlier request with the same key.
    """

    id: int
    version: datetime
    json: bytes
    replayed: bool = False


class Once(NamedTuple):
    """What makes a write safe to repeat: the client's key, and a digest of its request."""

    key: str
    request: bytes


class Part(NamedTuple):
    """Which part of which list is wanted: filters by name, the order, and where it begins."""

    filters: Mapping[str, object]
    sort: str
    limit: int
    offset: int
    cursor: str | None


class Page(NamedTuple):
    """One page: the JSON of a `TaskList`, and the cursor of the next page where there is one."""

    json: bytes
    next_cursor: str | None


class Runs(Protocol):
    """What runs statements: the database, or a transaction of it."""

    async def fetch_row(
        self, statement: Statement, values: Mapping[str, object], *, repeatable: bool = False
    ) -> Any:
        """The one row of a statement, or None; `Database.fetch_row` says when it is repeated."""


class TaskStores:
    """What all stores share: the compiled statements.

    Args:
        users_table: the name of the users table.
        create_unknown_users: whether a valid token is enough to become a user.
    """

    def __init__(self, *, users_table: str, create_unknown_users: bool) -> None:
        self.statements = UserStatements(users_table, create_unknown_users=create_unknown_users)
        self.create_unknown_users = create_unknown_users

    def of(self, owner: UserId, runs: Runs) -> "TaskStore":
        """The store of one user, whose statements are run there."""
        return TaskStore(owner, runs, self)


class TaskStore:
    """Everything that can be done with one user's tasks, each by one statement.

    Every method raises `UserNotFound` where the owner is not in the users table, and `Unavailable`
    where the database does not answer. Those about one task raise `TaskNotFound`, and
    `VersionMismatch` where it is not in one of the versions that the client expects. Those that
    take a `Once` raise `IdempotencyKeyReused` where its key belongs to another request.
    """

    __slots__ = ("_owner", "_runs", "_shared")

    def __init__(self, owner: UserId, runs: Runs, shared: TaskStores) -> None:
        self._owner = owner
        self._runs = runs
        self._shared = shared

    async def page(self, part: Part) -> Page:
        """One page of tasks.

        Raises:
            InvalidCursor: the cursor is not one of this user and this list.
        """
        values = {"limit": part.limit, "offset": part.offset, **part.filters}
        if part.cursor is not None:
            max_length = TEXT_SORTS.get(part.sort.removeprefix("-"))
            position = read_cursor(self._scope(part), part.cursor, max_length)
            values |= {"after_value": position.value, "after_id": position.id}
        shape = Shape(part.sort, frozenset(part.filters), after=part.cursor is not None)
        statement = page_statement(self._shared.statements.known, shape)
        row = await self._fetch(statement, values)
        if not (row["known"] or self._shared.create_unknown_users):
            raise UserNotFound
        cursor = None
        if row["has_more"]:
            position = Position(row["last_value"], row["last_id"])
            cursor = issue_cursor(self._scope(part), position)
        return Page(_task_list(row, part, cursor), cursor)

    async def create(self, title: str, description: str, once: Once | None = None) -> TaskBody:
        """Add a task."""
        plain, kept = self._shared.statements.create, self._shared.statements.create_kept
        values = {"title": title, "description": description}
        try:
            row = await self._write(plain, kept, values, once)
        except CANNOT_ARRIVE:
            raise UserNotFound from None
        return _body(row)

    async def get(self, task_id: int) -> TaskBody:
        """One task."""
        row = await self._fetch(statements.GET, {"task_id": task_id})
        return _body(row) if row else await self._explain_absence(task_id)

    async def update(
        self,
        task_id: int,
        changes: Mapping[str, object],
        versions: Versions = None,
        once: Once | None = None,
    ) -> TaskBody:
        """Change the title, the description, the completion of a task, or several of them."""
        unchanged = {"title": None, "description": None, "is_completed": None}
        values = {"task_id": task_id, "versions": versions, **unchanged, **changes}
        row = await self._write(statements.UPDATE, statements.UPDATE_KEPT, values, once)
        return _body(row) if row else await self._explain_absence(task_id)

    async def complete(
        self,
        task_id: int,
        wanted: bool | None,
        versions: Versions = None,
        once: Once | None = None,
    ) -> TaskBody:
        """Set completion, or toggle it where `wanted` is None."""
        values = {"task_id": task_id, "versions": versions, "wanted": wanted}
        row = await self._write(statements.COMPLETE, statements.COMPLETE_KEPT, values, once)
        return _body(row) if row else await self._explain_absence(task_id)

    async def delete(self, task_id: int, versions: Versions = None) -> None:
        """Remove a task for good."""
        values = {"task_id": task_id, "versions": versions}
        if await self._fetch(statements.DELETE, values) is None:
            await self._explain_absence(task_id)

    async def kept_answer(self, once: Once) -> asyncpg.Record | None:
        """The answer kept under a key, None where there is none or it has expired."""
        row: asyncpg.Record | None = await self._fetch(statements.KEPT_ANSWER, {"key": once.key})
        if row is not None and row["request"] != once.request:
            raise IdempotencyKeyReused
        return row

    async def claim(self, once: Once) -> None:
        """Take a key for the transaction that this store runs in; others wait until it ends.

        Raises:
            asyncpg.UniqueViolationError: it is taken already.
        """
        await self._fetch(self._shared.statements.claim, once._asdict())

    async def keep(self, once: Once, body: bytes) -> None:
        """Keep the answer under a key that was claimed."""
        await self._fetch(statements.KEEP, {"key": once.key, "body": body})

    async def forget_expired(self, once: Once) -> None:
        """Make a key free again whose answer has expired."""
        await self._fetch(statements.FORGET_EXPIRED, {"key": once.key})

    async def _write(
        self, plain: Statement, kept: Statement, values: Mapping[str, object], once: Once | None
    ) -> Any:
        """Run a write, or find that it was done before."""
        if once is None:
            return await self._fetch(plain, values)
        values = {**values, **once._asdict()}
        try:
            row = await self._fetch(kept, values, repeatable=True)
        except asyncpg.UniqueViolationError:
            row = await self.kept_answer(once)
            if row is None:
                await self.forget_expired(once)
                return await self._write(plain, kept, values, once)
        return row or await self.kept_answer(once)

    async def _fetch(
        self, statement: Statement, values: Mapping[str, object], *, repeatable: bool = False
    ) -> Any:
        values = {"owner": self._owner, **values}
        return await self._runs.fetch_row(statement, values, repeatable=repeatable)

    def _scope(self, part: Part) -> str:
        """The list that a cursor belongs to."""
        return repr((self._owner, part.sort, sorted(part.filters.items())))

    async def _explain_absence(self, task_id: int) -> NoReturn:
        """Only a request that fails asks a second question: is it the version, task or user?"""
        row = await self._fetch(self._shared.statements.absence, {"task_id": task_id})
        if row["version"] is not None:
            raise VersionMismatch(task_tag(row["version"]))
        raise TaskNotFound if row["known"] or self._shared.create_unknown_users else UserNotFound


def _body(row: Any) -> TaskBody:
    return TaskBody(row["id"], row["version"], row["body"], replayed="request" in row.keys())  # noqa: SIM118 - a record's `in` looks at its values


def _task_list(row: Any, part: Part, cursor: str | None) -> bytes:
    more = "false" if cursor is None else "true"
    after = "null" if cursor is None else f'"{cursor}"'
    tail = (
        f'],"total":{row["total"]},"limit":{part.limit},"offset":{part.offset},'
        f'"has_more":{more},"next_cursor":{after}}}'
    )
    return b"".join((b'{"tasks":[', row["tasks"] or b"", tail.encode()))
