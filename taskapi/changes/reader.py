"""A reader goes through the feed of one user, page by page."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Annotated

from fastapi import Depends, Request

from taskapi.auth.claims import User
from taskapi.auth.dependencies import current_user
from taskapi.changes.feed import MAX_PAGE_BYTES, ChangeFeed, ChangesPage
from taskapi.changes.notifier import Listener
from taskapi.changes.position import BEGINNING, FeedPosition
from taskapi.edge.cursor import InvalidCursor
from taskapi.edge.invalid import invalid
from taskapi.edge.memory import ResponseMemory, Share
from taskapi.resource.dependency import own
from taskapi.state import state_of

Read = Callable[[FeedPosition, int, timedelta], Awaitable[ChangesPage]]


class FeedReader:
    """Where one client is in the feed of its user.

    Attributes:
        user: of the token.
        share: what the latest page holds of the memory for responses.

    Args:
        user: as the attribute.
        feed: of this user.
        retention: for how long deletions are told.
        memory: for responses.
    """

    def __init__(
        self, user: User, feed: ChangeFeed, retention: timedelta, memory: ResponseMemory
    ) -> None:
        self.user = user
        self.share: Share
        self._feed = feed
        self._retention = retention
        self._memory = memory
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
        return await self._page(read)

    async def next_page_for(self, listener: Listener) -> ChangesPage:
        """The same for a listener, who is then woken by what changes after it."""
        async with listener.turn:
            page = await self._page(self._feed.read)
        listener.seen = page.clock
        return page

    async def _page(self, read: Read) -> ChangesPage:
        self.share = await self._memory.hold(self.user.id, MAX_PAGE_BYTES)
        with self.share:
            page = await read(self._position, self._limit, self._retention)
        self.share.shrink(0 if page.is_empty else len(page.json))
        self._position = page.position
        return page


async def own_reader(
    request: Request,
    user: Annotated[User, Depends(current_user)],
    feed: Annotated[ChangeFeed, Depends(own(ChangeFeed))],
) -> FeedReader:
    """A reader of the feed of the token's user."""
    state = state_of(request)
    return FeedReader(user, feed, state.settings.changes_retention, state.response_memory)


OwnReader = Annotated[FeedReader, Depends(own_reader)]
