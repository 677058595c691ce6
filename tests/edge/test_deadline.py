"""The layer that ends requests, alone: at a deadline, and when a client leaves."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from support.waiting import PATIENCE
from taskapi.edge.deadline import Supervisor
from taskapi.errors import TimedOut

LAST = {"type": "http.request", "body": b"two", "more_body": False}
BODY: list[Message] = [{"type": "http.request", "body": b"one ", "more_body": True}, LAST]
GONE: Message = {"type": "http.disconnect"}


class Client:
    """The server's side of a client that has sent some messages, and then stays as it is."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.asked = asyncio.Event()

    async def receive(self) -> Message:
        """The next message, when there is one."""
        self.asked.set()
        if not self._messages:
            await asyncio.Event().wait()
        return self._messages.pop(0)


async def _send(_: Message) -> None:
    raise AssertionError("nothing is sent here")


def _run(app: ASGIApp, client: Client, seconds: float = PATIENCE) -> None:
    asyncio.run(
        asyncio.wait_for(
            Supervisor(app, seconds)({"type": "http"}, client.receive, _send), timeout=2 * PATIENCE
        )
    )


async def _whole_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    return body


def test_a_client_that_leaves_ends_what_runs_for_it() -> None:
    ended = False

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal ended
        try:
            await asyncio.Event().wait()
        finally:
            ended = True

    with pytest.raises(ClientDisconnect):
        _run(app, Client(LAST, GONE))
    assert ended


def test_what_takes_too_long_is_ended_though_its_client_waits() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimedOut):
        _run(app, Client(LAST), seconds=0.1)


def test_the_cancellation_of_somebody_else_stays_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def cancel_it() -> None:
        layer = Supervisor(app, PATIENCE)
        request = asyncio.create_task(layer({"type": "http"}, Client(LAST).receive, _send))
        await asyncio.sleep(0)
        request.cancel()
        await request

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel_it())


def test_a_request_that_is_over_at_once_is_not_asked_for() -> None:
    """Asking costs more than all the rest of this layer."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        pass

    client = Client(LAST)
    _run(app, client)
    assert not client.asked.is_set()


def test_a_body_that_is_read_late_is_whole() -> None:
    """The layer has already read ahead when the application begins to."""
    client = Client(*BODY)
    got = b""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal got
        await client.asked.wait()
        got = await _whole_body(receive)

    _run(app, client)
    assert got == b"one two"


def test_a_body_that_comes_late_goes_to_the_application() -> None:
    """Two readers would each get a part."""
    client = Client()
    got = b""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal got
        got = await _whole_body(receive)

    async def receive() -> Message:
        assert not client.asked.is_set(), "the application is reading already"
        client.asked.set()
        await asyncio.sleep(0.12)  # twice as long as the layer waits before it looks
        client.asked.clear()
        return BODY[-1]

    asyncio.run(Supervisor(app, PATIENCE)({"type": "http"}, receive, _send))
    assert got == b"two"


def test_an_error_of_the_application_stays_what_it_is() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        _run(app, Client(LAST))
