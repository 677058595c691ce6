"""HTTP/1.1 as `taskapi serve` speaks it: uvicorn's protocol, and what that leaves open.

Its parser, httptools, refuses most of what two readers could understand differently. The rest is
refused here; a head must come in time and within a size; a client must take what it asked for; and
every refusal is an answer like any other: in its turn, in the one shape, logged and counted.
"""

import asyncio
from functools import partial
from typing import Any

import httptools
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from taskapi.edge.problem import error_response
from taskapi.edge.request_log import RequestLogMiddleware
from taskapi.errors import ApiError, HeadTimedOut, HeadTooLarge, MalformedRequest
from taskapi.server.framing import MAX_HEAD_BYTES, MAX_HEADERS, body_parser, check_head
from taskapi.server.lingering import LingeringTransport
from taskapi.server.listener import admit

FIRST_REQUEST_SECONDS = 1.0
"""At a stop, for the first request of a connection that has just been made."""

MAX_PIPELINED_REQUESTS = 100
"""Requests that may wait for the answer to an earlier one of their connection."""


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        patience: seconds for a head to come whole, and for a client to take some of its answer.
        options: uvicorn's.
    """

    def __init__(self, *, patience: float = 10.0, **options: Any) -> None:
        super().__init__(**options)
        self._patience = patience
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_message = False
        self._stopping = False
        self._unread = 0
        self._feeding = False
        self._refused = False
        self._running: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._lingering = LingeringTransport(
            transport, self.loop, self._patience, self._is_sending_in_vain
        )
        self.transport = self._lingering
        admit(transport.get_extra_info("socket"))
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running is not None and not self._running.response_complete:
            self._abandon(self._running)  # uvicorn tells the newest request only
        self._forget_deadline()
        self._forget_stall()
        super().connection_lost(exc)

    # What comes in

    def data_received(self, data: bytes) -> None:
        if self._refused or self._lingering.lingers:
            return
        self._unset_keepalive_if_required()
        self._unread += len(data)
        self._feeding = True
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(_reason(error))
        else:
            if self._unread > MAX_HEAD_BYTES or (self._in_head and len(self.headers) > MAX_HEADERS):
                self._refuse(HeadTooLarge())  # Or a trailer, or a chunk extension without end.
        self._feeding = False
        if self.pipeline and (self._running is None or self._running.response_complete):
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_idle():
            self._await_request()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Not to another protocol: its body is read (RFC 9110, 7.8), and nothing behind it.
            self.cycle.keep_alive = False
            self.parser = body_parser(self.scope["headers"], self.on_body, self._complete_message)
            self.parser.feed_data(data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = self._in_message = True

    def on_headers_complete(self) -> None:
        check_head(self.parser.get_http_version(), self.url, self.headers)
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise MalformedRequest("Too many requests at once on one connection.")
        super().on_headers_complete()
        if self._stopping:
            self.cycle.keep_alive = False
        self.headers = []  # Trailers go nowhere: they were not there when the request was judged.
        self._in_head = False
        self._unread = 0
        self._forget_deadline()

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unread = 0

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # where the parser says so in front of the body
            self._complete_message()

    def _complete_message(self) -> None:
        super().on_message_complete()
        self._in_message = False

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and self._is_idle():
            self._await_request()

    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def _await_request(self) -> None:
        """Start the time limit for what the client has to send next.

        That is the whole of a head that has begun, or of a body that nobody reads; between two
        requests, and before the first one, the connection may be idle for longer.
        """
        if not self._in_message:
            self._forget_deadline()
            self._unset_keepalive_if_required()
            seconds = FIRST_REQUEST_SECONDS if self._stopping else self.timeout_keep_alive
            self.timeout_keep_alive_task = self.loop.call_later(
                seconds, self.timeout_keep_alive_handler
            )
        elif self._deadline is None:
            self._deadline = self.loop.call_later(self._patience, self._head_is_late)

    def shutdown(self) -> None:
        """Stop after the response under way, or after the first request of a new connection."""
        self._stopping = True
        if self.cycle is None and not self._in_message:
            self._await_request()
        elif not (self._is_idle() and self._in_head):
            super().shutdown()

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _head_is_late(self) -> None:
        if self._in_head:
            self._refuse(HeadTimedOut())
        else:
            self.transport.close()

    # What goes out

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._feeding:
            # It begins when all that came with it has been read, and may prove to be malformed.
            self.pipeline.append((cycle, app))
        else:
            self._running = cycle
            super()._start_asgi_task(cycle, app)

    def _refuse(self, error: ApiError) -> None:
        """Answer with an error when it is this request's turn, and read nothing more."""
        self._refused = True
        self._forget_deadline()
        self.app = RequestLogMiddleware(partial(_respond, error))
        if self._in_head or self.cycle is None:
            self._begin_refusal()
        elif self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline[0] = (self.cycle, self.app)
            self.cycle.keep_alive = False
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._abandon(self.cycle)
            self._running = self.cycle = None  # type: ignore[assignment]  # as uvicorn begins
            self._begin_refusal()

    def _begin_refusal(self) -> None:
        """Put a request in the place of the malformed one, of which nothing is believed."""
        self.on_message_begin()
        self.url = b"/"
        super().on_headers_complete()
        self.scope["method"] = ""
        self.cycle.keep_alive = False

    @staticmethod
    def _abandon(cycle: RequestResponseCycle) -> None:
        """Tell what works on a request that its client has left."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _is_sending_in_vain(self) -> bool:
        """Whether there is more to come of a request after which the connection ends."""
        cycle = self.cycle
        return self._refused or (cycle is not None and cycle.more_body and not cycle.keep_alive)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._watch_client(None)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._forget_stall()

    def _forget_stall(self) -> None:
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _watch_client(self, before: int | None) -> None:
        """Cut off a client that took nothing of its answer since the last look."""
        left = self._lingering.unacknowledged()
        if left == before:
            self._lingering.reset()
        else:
            self._stall = self.loop.call_later(self._patience, self._watch_client, left)


def _reason(error: httptools.HttpParserError) -> ApiError:
    cause = error.__context__
    if isinstance(cause, ApiError):
        return cause  # raised here, in one of the parser's callbacks
    return MalformedRequest()


async def _respond(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(error, scope)(scope, receive, send)
