"""The layer that ends a request whose time is up, or whose client has left.

uvicorn lets a handler run to its end when nobody is left to hear the answer, and a connection of
the database with it. Who wants to know must ask `receive`, which takes a task of its own, so only a
request that already takes long gets one. And one timer looks at all requests of the process: with
timers of their own, each would cost 17 microseconds of CPU, a tenth of reading one task.
"""

import asyncio

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.errors import TimedOut

LOOK_SECONDS = 0.05
"""Between two looks. A request of the common kind is over in a tenth of that, and never seen."""


class DeadlineMiddleware:
    """Ends what takes too long with `TimedOut`, and what nobody waits for with `ClientDisconnect`.

    Args:
        app: what is supervised.
        seconds: the deadline for all of a request, its body included.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds
        self._under_way: set[ActiveRequest] = set()
        self._looking = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        errand = ActiveRequest(receive, self._seconds)
        self._under_way.add(errand)
        if not self._looking:
            self._look_later()
        try:
            await self._app(scope, errand.receive, send)
        except asyncio.CancelledError:
            if errand.reason is None:
                raise  # by somebody else
            raise errand.reason from None
        finally:
            self._under_way.discard(errand)
            errand.close()

    def _look_later(self) -> None:
        self._looking = True
        asyncio.get_running_loop().call_later(LOOK_SECONDS, self._look)

    def _look(self) -> None:
        self._looking = False
        if self._under_way:
            now = asyncio.get_running_loop().time()
            for errand in self._under_way:
                errand.look(now)
            self._look_later()


class ActiveRequest:
    """One request under way.

    Attributes:
        reason: why it was ended here, if it was.
    """

    __slots__ = ("_ahead", "_deadline", "_listening", "_reading", "_receive", "_task", "reason")

    def __init__(self, receive: Receive, seconds: float) -> None:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - for the types: a coroutine runs in a task
        self._task = task
        self._deadline = task.get_loop().time() + seconds
        self._receive = receive
        self._reading = False
        self._ahead: asyncio.Queue[Message] | None = None
        self._listening: asyncio.Task[None] | None = None
        self.reason: Exception | None = None

    async def receive(self) -> Message:
        """The next message of the client, for the application."""
        if self._ahead is not None:
            return await self._ahead.get()
        self._reading = True
        try:
            return await self._receive()
        finally:
            self._reading = False

    def look(self, now: float) -> None:
        """End it at its deadline; before that, begin to listen whether its client leaves."""
        if now >= self._deadline:
            self._end(TimedOut())
        elif self._ahead is None and not self._reading:  # reading, the application hears it itself
            self._ahead = asyncio.Queue(maxsize=1)  # nobody reads far ahead of the application
            self._listening = self._task.get_loop().create_task(self._listen(self._ahead))

    def close(self) -> None:
        """Stop listening. What was cancelled here counts as cancelled no longer."""
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None  # each holds the other, which only the collector would undo
        if self.reason is not None:
            self._task.uncancel()

    async def _listen(self, ahead: asyncio.Queue[Message]) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            await ahead.put(message)
        self._end(ClientDisconnect())

    def _end(self, reason: Exception) -> None:
        if self.reason is None:
            self.reason = reason
            self._task.cancel()
