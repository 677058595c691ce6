"""The layer that ends requests, alone: at a deadline, and when a client leaves."""

import asyncio

import pytest
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from support.waiting import PATIENCE
from taskapi.edge.deadline import DeadlineMiddleware
from taskapi.edge.route import Route
from taskapi.errors import Draining, RequestTimedOut, TimedOut

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


class LateClient(Client):
    """A client that disconnects after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(GONE)
        self._seconds = seconds

    async def receive(self) -> Message:
        await asyncio.sleep(self._seconds)
        return await super().receive()


async def _send(_: Message) -> None:
    raise AssertionError("nothing is sent here")


def _run(
    app: ASGIApp,
    client: Client,
    seconds: float = PATIENCE,
    route: Route | None = None,
    *,
    draining: bool = False,
) -> None:
    layer = DeadlineMiddleware(app, seconds, is_draining=lambda: draining)
    scope = {"type": "http"} | ({"route": route} if route else {})
    asyncio.run(asyncio.wait_for(layer(scope, client.receive, _send), timeout=2 * PATIENCE))


async def _endpoint() -> Response:
    return Response()


async def _wait(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.Event().wait()


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
    with pytest.raises(TimedOut):
        _run(_wait, Client(LAST), seconds=0.1)


@pytest.mark.parametrize("already", [[], [BODY[0]]], ids=["no body yet", "half a body"])
def test_a_body_that_does_not_come_in_time_is_the_clients_fault(already: list[Message]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _whole_body(receive)

    with pytest.raises(RequestTimedOut):
        _run(app, Client(*already), seconds=0.1)


def test_a_body_that_is_read_late_and_does_not_come_is_too() -> None:
    """The layer has read ahead, and the application waits for what it has not got."""
    client = Client(BODY[0])

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await client.asked.wait()
        await _whole_body(receive)

    with pytest.raises(RequestTimedOut):
        _run(app, client, seconds=0.2)


def test_what_waits_behind_its_body_is_the_services_fault() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await _whole_body(receive)
        await receive()  # for the client to disconnect

    with pytest.raises(TimedOut):
        _run(app, Client(*BODY), seconds=0.1)


def test_a_route_has_its_own_deadline_be_it_shorter_or_longer() -> None:
    short, long = (Route("/", _endpoint, method="GET", deadline=at) for at in (0.1, 5))
    with pytest.raises(TimedOut):
        _run(_wait, Client(LAST), seconds=60, route=short)
    with pytest.raises(ClientDisconnect):  # and not TimedOut
        _run(_wait, LateClient(0.3), seconds=0.1, route=long)


def test_a_stream_has_no_deadline_and_ends_when_the_process_drains() -> None:
    stream = Route("/", _endpoint, method="GET", streams=True)
    with pytest.raises(ClientDisconnect):
        _run(_wait, LateClient(0.3), seconds=0.1, route=stream)
    with pytest.raises(Draining):
        _run(_wait, Client(LAST), seconds=0.1, route=stream, draining=True)


def test_a_drain_leaves_what_has_a_deadline_until_then() -> None:
    short = Route("/", _endpoint, method="GET", streams=True, deadline=0.2)
    for route in (None, short):
        with pytest.raises(TimedOut):
            _run(_wait, Client(LAST), seconds=0.2, route=route, draining=True)


def test_the_cancellation_of_somebody_else_stays_one() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    async def cancel_it() -> None:
        layer = DeadlineMiddleware(app, PATIENCE, is_draining=lambda: False)
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

    layer = DeadlineMiddleware(app, PATIENCE, is_draining=lambda: False)
    asyncio.run(layer({"type": "http"}, receive, _send))
    assert got == b"two"


def test_an_error_of_the_application_stays_what_it_is() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        _run(app, Client(LAST))
