"""The feed of one user's changes."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from taskapi.changes.position import BEGINNING, END, FeedPosition, issue_token, read_token
from taskapi.changes.statements import CLOCK, changes_statement
from taskapi.config import MAX_ID
from taskapi.database.statement import Statement
from taskapi.edge.conditional import ClockTime
from taskapi.edge.memory import SHORT_BYTES
from taskapi.errors import Overloaded, ResyncRequired
from taskapi.tasks.store import TaskStore

MAX_PAGE_BYTES = SHORT_BYTES
"""Of the changes in a page. A client reads all pages in any case, so they need not be long."""

MAX_READS = 3
"""The second one follows where the user's clock was started."""


class ChangesPage(NamedTuple):
    """A page of the feed.

    Attributes:
        json: the whole page, as clients get it.
        token: its `next`.
        position: the same.
        clock: the time of the user's clock when it was read.
        is_empty: whether it has no changes.
        has_more: whether others follow it.
    """

    json: bytes
    token: str
    position: FeedPosition
    clock: datetime
    is_empty: bool
    has_more: bool


class ChangeFeed(TaskStore):
    """One user's changes, in their order."""

    __slots__ = ()

    def position_of(self, token: str) -> FeedPosition:
        """Where a client is, by its token.

        Raises:
            InvalidCursor: it is not a token of this user.
        """
        return read_token(self._owner, token)

    async def start(self) -> None:
        """Start the user's clock, unless it runs already.

        Raises:
            UserNotFound: the user is not in the users table, and cannot be.
        """
        await self._row(CLOCK, {})

    def token_at(self, clock: ClockTime) -> str:
        """The token of a client that has everything up to what the user's clock showed."""
        position = FeedPosition(clock.changed_at, MAX_ID, clock.changed_at, clock.started_at)
        return issue_token(self._owner, position)

    async def read(self, position: FeedPosition, limit: int, retention: timedelta) -> ChangesPage:
        """What has changed since a position.

        Args:
            position: of the client.
            limit: this many changes at most.
            retention: for how long deletions are told.

        Raises:
            ResyncRequired: some of it may not be known any more.
        """
        values = {
            **position._asdict(),
            "limit": limit,
            "retention": retention,
            "max_bytes": MAX_PAGE_BYTES,
        }
        row = await self._row(changes_statement(self.resource), values)
        return self._page(_checked(position, row), row)

    async def read_if_moved(
        self, position: FeedPosition, limit: int, retention: timedelta
    ) -> ChangesPage:
        """The same for a client that probably has everything: cheaper if it does."""
        row = await self._row(CLOCK, {})
        since = _checked(position, row)
        if (row["clock"], MAX_ID) > (position.changed_at, position.task_id):
            return await self.read(position, limit, retention)
        return self._page(since, {**row, "rows": None, "has_more": False})

    async def _row(self, statement: Statement, values: Mapping[str, object]) -> Any:
        for _ in range(MAX_READS):
            row = await self._fetch(statement, values)
            if row is not None:
                return row
            await self._start_clock()
        raise Overloaded

    def _page(self, since: FeedPosition, row: Any) -> ChangesPage:
        time, task_id = row["clock"], MAX_ID
        if row["has_more"]:
            time, task_id = row["last_time"], row["last_id"]
        position = since._replace(changed_at=time, task_id=task_id)
        token = issue_token(self._owner, position)
        has_more = b"true" if row["has_more"] else b"false"
        json = b'{"changes":[%b],"next":"%b","has_more":%b}' % (
            row["rows"] or b"",
            token.encode(),
            has_more,
        )
        is_empty = row["rows"] is None
        return ChangesPage(json, token, position, row["clock"], is_empty, row["has_more"])


def _checked(position: FeedPosition, row: Any) -> FeedPosition:
    """The position, if everything behind it is known."""
    if position in {BEGINNING, END}:
        return position._replace(deletions_since=row["clock"], started_at=row["started_at"])
    is_of_another_life = position.started_at != row["started_at"]
    is_of_the_future = position.known_until > row["clock"]  # the database was restored
    if is_of_another_life or is_of_the_future or row.get("is_forgotten"):
        raise ResyncRequired
    return position
