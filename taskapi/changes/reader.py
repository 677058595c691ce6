"""A reader goes through the feed of one user, page by page."""

from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from taskapi.auth.claims import User
from taskapi.auth.dependencies import current_user
from taskapi.changes.feed import ChangeFeed, ChangesPage
from taskapi.changes.notifier import Listener
from taskapi.changes.position import BEGINNING, FeedPosition
from taskapi.edge.body import invalid
from taskapi.edge.cursor import InvalidCursor
from taskapi.resource.dependency import own
from taskapi.state import state_of


class FeedReader:
    """Where one client is in the feed of its user.

    Attributes:
        user: of the token.

    Args:
        user: as the attribute.
        feed: of this user.
        retention: for how long deletions are told.
    """

    def __init__(self, user: User, feed: ChangeFeed, retention: timedelta) -> None:
        self.user = user
        self._feed = feed
        self._retention = retention
        self._position: FeedPosition
        self._limit: int

    def begin(self, position: FeedPosition, limit: int) -> None:
        """Begin at a position, with this many changes at most in a page."""
        self._position, self._limit = position, limit

    def begin_behind(self, token: str, limit: int, loc: tuple[str, str]) -> None:
        """Begin behind the page whose `next` is this token.

        Args:
            token: what the client sent.
            limit: at most so many changes in a page.
            loc: where in the request the token is.

        Raises:
            RequestValidationError: it is not a token of this user.
        """
        try:
            self.begin(self._feed.position_of(token), limit)
        except InvalidCursor:
            raise invalid(loc, "token_invalid", "Not a token of your changes") from None

    async def next_page(self) -> ChangesPage:
        """The next page; it may be empty.

        Raises:
            ResyncRequired: some of it may not be known any more.
        """
        read = self._feed.read if self._position == BEGINNING else self._feed.read_if_moved
        return self._behind(await read(self._position, self._limit, self._retention))

    async def next_page_for(self, listener: Listener) -> ChangesPage:
        """The same for a listener, who is then woken by what changes after it."""
        async with listener.turn:
            page = await self._feed.read(self._position, self._limit, self._retention)
        listener.seen = page.clock
        return self._behind(page)

    def _behind(self, page: ChangesPage) -> ChangesPage:
        self._position = page.position
        return page


async def own_reader(
    request: Request,
    user: Annotated[User, Depends(current_user)],
    feed: Annotated[ChangeFeed, Depends(own(ChangeFeed))],
) -> FeedReader:
    """A reader of the feed of the token's user."""
    return FeedReader(user, feed, state_of(request).settings.changes_retention)


OwnReader = Annotated[FeedReader, Depends(own_reader)]
