"""The store of one user's tasks: nobody else's can be reached through it."""

from typing import NamedTuple, NoReturn

import asyncpg

from taskapi.database.pool import Database
from taskapi.database.statement import Statement
from taskapi.errors import TaskNotFound, UserNotFound
from taskapi.tasks import statements
from taskapi.tasks.cursor import Cursors, Place
from taskapi.tasks.statements import UserStatements

UserId = int | str
"""`BIGINT` or `TEXT` in the database, as `USER_ID_TYPE` says."""


class TaskBody(NamedTuple):
    """A task as the database rendered it."""

    id: int
    json: bytes


class TaskStores:
    """What all stores share: the database, the compiled statements and the cursors' key.

    Args:
        database: where statements run.
        cursors: issues and reads the cursors of lists.
        users_table: the name of the users table.
        create_unknown_users: whether a valid token is enough to become a user.
    """

    def __init__(
        self, database: Database, cursors: Cursors, *, users_table: str, create_unknown_users: bool
    ) -> None:
        self.database = database
        self.cursors = cursors
        self.statements = UserStatements(users_table, create_unknown_users=create_unknown_users)
        self.create_unknown_users = create_unknown_users

    def of(self, owner: UserId) -> "TaskStore":
        """The store of one user."""
        return TaskStore(owner, self)


class TaskStore:
    """Everything that can be done with one user's tasks, each by one statement.

    Every method raises `UserNotFound` where the owner is not in the users table, and `Unavailable`
    where the database does not answer; those about one task raise `TaskNotFound`.
    """

    __slots__ = ("_database", "_owner", "_shared")

    def __init__(self, owner: UserId, shared: TaskStores) -> None:
        self._owner = owner
        self._shared = shared
        self._database = shared.database

    async def page(self, limit: int, offset: int, cursor: str | None) -> bytes:
        """One page of tasks, newest first, as the JSON of a `TaskList`.

        Raises:
            InvalidCursor: the cursor was not issued here for this user.
        """
        values: dict[str, object] = {"owner": self._owner, "limit": limit, "offset": offset}
        statement = self._shared.statements.page
        if cursor is not None:
            place = self._shared.cursors.read(self._owner, cursor)
            values |= {"after_created_at": place.created_at, "after_id": place.id}
            statement = self._shared.statements.page_after
        row = await self._database.fetch_row(statement, values)
        if not (row["known"] or self._shared.create_unknown_users):
            raise UserNotFound
        more = "false", "null"
        if row["has_more"]:
            place = Place(row["last_created_at"], row["last_id"])
            more = "true", f'"{self._shared.cursors.issue(self._owner, place)}"'
        tail = (
            f'],"total":{row["total"]},"limit":{limit},"offset":{offset},'
            f'"has_more":{more[0]},"next_cursor":{more[1]}}}'
        )
        return b"".join((b'{"tasks":[', row["tasks"] or b"", tail.encode()))

    async def create(self, title: str, description: str) -> TaskBody:
        """Add a task."""
        values = {"owner": self._owner, "title": title, "description": description}
        try:
            row = await self._database.fetch_row(self._shared.statements.create, values)
        except (asyncpg.ForeignKeyViolationError, asyncpg.NotNullViolationError):
            # The second: unknown users are to be created, in a table that wants more than an id.
            raise UserNotFound from None
        return TaskBody(row["id"], row["body"])

    async def get(self, task_id: int) -> TaskBody:
        """One task."""
        return await self._one(statements.GET, task_id)

    async def update(self, task_id: int, title: str | None, description: str | None) -> TaskBody:
        """Give a task a new title, a new description or both; None leaves one as it is."""
        return await self._one(statements.UPDATE, task_id, title=title, description=description)

    async def complete(self, task_id: int, wanted: bool | None) -> TaskBody:
        """Set completion, or toggle it where `wanted` is None."""
        return await self._one(statements.COMPLETE, task_id, wanted=wanted)

    async def delete(self, task_id: int) -> None:
        """Remove a task for good."""
        await self._row(statements.DELETE, task_id)

    async def _one(self, statement: Statement, task_id: int, **values: object) -> TaskBody:
        row = await self._row(statement, task_id, **values)
        return TaskBody(row["id"], row["body"])

    async def _row(self, statement: Statement, task_id: int, **values: object) -> asyncpg.Record:
        row: asyncpg.Record | None = await self._database.fetch_row(
            statement, {"owner": self._owner, "task_id": task_id, **values}
        )
        if row is None:
            await self._explain_absence()
        return row

    async def _explain_absence(self) -> NoReturn:
        """Only a request that fails asks a second question: is it the task or the user?"""
        if not self._shared.create_unknown_users:
            row = await self._database.fetch_row(
                self._shared.statements.user_exists, {"owner": self._owner}
            )
            if not row["known"]:
                raise UserNotFound
        raise TaskNotFound
