"""The layer that ends a request whose client has left.

uvicorn lets a handler run to its end when nobody is left to hear the answer, and a connection of
the database with it. Who wants to know must ask `receive`, which takes a task of its own (20
microseconds): only a request that already takes long gets one, all others a timer (1 microsecond).
"""

import asyncio
from collections.abc import Callable

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONG = 0.05
"""Seconds. A request of the common kind is over in a tenth of that."""


class Presence:
    """Cancels what runs for a client that has gone, and says so with `ClientDisconnect`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            async with asyncio.timeout(None) as stay:
                client = _Client(receive, lambda: stay.reschedule(0))
                try:
                    await self._app(scope, client.receive, send)
                finally:
                    client.close()
        except TimeoutError:
            if stay.expired():
                raise ClientDisconnect from None
            raise


class _Client:
    """What a client sends, for the application to read, and after a while whether it has left.

    Args:
        receive: the server's.
        leave: is called once when the client has left.
    """

    __slots__ = ("_ahead", "_leave", "_reading", "_receive", "_timer", "_watch")

    def __init__(self, receive: Receive, leave: Callable[[], None]) -> None:
        self._receive = receive
        self._leave = leave
        self._reading = False
        self._ahead: asyncio.Queue[Message] | None = None
        self._watch: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(LONG, self._look)

    async def receive(self) -> Message:
        """The next message, for the application."""
        if self._ahead is not None:
            return await self._ahead.get()
        self._reading = True
        try:
            return await self._receive()
        finally:
            self._reading = False

    def close(self) -> None:
        """Stop looking."""
        self._timer.cancel()
        if self._watch is not None:
            self._watch.cancel()

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        if self._reading:  # then the application hears of it by itself
            self._timer = loop.call_later(LONG, self._look)
        else:
            self._ahead = asyncio.Queue(maxsize=1)  # nobody reads far ahead of the application
            self._watch = loop.create_task(self._listen(self._ahead))

    async def _listen(self, ahead: asyncio.Queue[Message]) -> None:
        while (message := await self._receive())["type"] != "http.disconnect":
            await ahead.put(message)
        self._leave()
