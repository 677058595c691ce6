"""HTTP/1.1: uvicorn's protocol, with the limits that it does not have.

httptools, its parser, refuses most requests that two parsers could read differently. Here the rest
is refused; a head has a time limit and a size; and a client that does not read its response is cut
off. Each refusal is a response like any other: in order, in the one shape, logged and counted.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

import httptools
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from taskapi.edge.cors import CorsMiddleware
from taskapi.edge.memory import WHEN_TAKEN
from taskapi.edge.problem import error_response
from taskapi.edge.request_log import RequestLogMiddleware
from taskapi.errors import (
    ApiError,
    HeadTooLarge,
    MalformedRequest,
    Overloaded,
    RequestTimedOut,
)
from taskapi.observability import metrics
from taskapi.origins import AllowedOrigins
from taskapi.server.connections import FULL, Connections
from taskapi.server.exchange import Exchange
from taskapi.server.framing import (
    HEAD_TOO_LARGE,
    MAX_HEAD_BYTES,
    MAX_HEADERS,
    body_parser,
    check_head,
)
from taskapi.server.lingering import LingeringTransport
from taskapi.server.listener import admit

STOP_SECONDS = 1.0
"""At a stop, for the first request of a new connection, the rest of a head, and a client that sends
what is not read any more."""

MAX_PIPELINED_REQUESTS = 100
"""May wait on one connection for the response to an earlier request."""

SEND_TIMEOUTS = 6
"""Times `REQUEST_TIMEOUT`, 60 seconds by default: then a response must have left, unless it is a
stream. Somebody who reads a page of 4 MiB at 100 kB/s needs 40."""

RESERVED_SECONDS = 2
"""For the one request of a connection above `MAX_CONNECTIONS`."""

RESERVED_PATHS = {b"/livez", b"/readyz", b"/metrics"}
"""What such a connection is answered; anything else is 503."""


class HttpProtocol(HttpToolsProtocol):
    """One connection.

    Args:
        connections: of this process.
        overloaded: the application for a connection above their bound.
        timeout: seconds for a whole head to arrive, and for a client to read any of its response.
        options: uvicorn's.
    """

    def __init__(
        self, *, connections: Connections, overloaded: ASGIApp, timeout: float, **options: Any
    ) -> None:
        super().__init__(**options)
        self._all = connections
        self._overloaded = overloaded
        self._is_reserved = False
        self._extensions: dict[str, Any] = {}
        self._when_taken: list[Callable[[], None]] = []
        self._timeout = self._head_timeout = timeout
        self._idle_until: float | None = None
        self._send_timeout = SEND_TIMEOUTS * timeout
        self._send_timer: asyncio.TimerHandle | None = None
        self._head_timer: asyncio.TimerHandle | None = None
        self._stall_timer: asyncio.TimerHandle | None = None
        self._in_head = False
        self._in_message = False
        self._stopping = False
        self._unread_bytes = 0
        self._feeding = False
        self._refused = False
        self._running_cycle: RequestResponseCycle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._lingering = LingeringTransport(
            transport, self.loop, self._timeout, self._send_timeout, self._is_client_sending
        )
        self.transport = self._lingering
        self._extensions = {WHEN_TAKEN: self._call_when_taken, FULL: self._all.is_full}
        if self._has_place():
            admit(transport.get_extra_info("socket"))
            self._await_request()
        else:
            transport.abort()

    def _has_place(self) -> bool:
        if self._all.admit(self):
            return True
        self._is_reserved = self._all.reserve(self)
        self._head_timeout = self.timeout_keep_alive = RESERVED_SECONDS
        return self._is_reserved

    def connection_lost(self, exc: Exception | None) -> None:
        if self._running_cycle is not None and not self._running_cycle.response_complete:
            self._disconnect(self._running_cycle)  # uvicorn does this for the newest request only
        self._cancel_head_timer()
        self._cancel_send_timers()
        self._lingering.cancel_reset()
        self._extensions.clear()  # which hold this connection
        self._all.remove(self)
        self._tell_taken()
        super().connection_lost(exc)
        # Exchanges and the transport refer to this connection. In a circle, only the garbage
        # collector would free them, and a worker would grow by megabytes until it does.
        self.pipeline.clear()
        self.cycle = self._running_cycle = None  # type: ignore[assignment]  # as uvicorn begins
        self._lingering.forget_client()

    # Requests

    def data_received(self, data: bytes) -> None:
        if self._refused or self._lingering.lingering:
            return
        self._idle_until = None
        self._unread_bytes += len(data)
        self._feeding = True
        try:
            self._feed(data)
        except httptools.HttpParserError as error:
            self._refuse(_error_of(error))
        else:
            if self._unread_bytes > MAX_HEAD_BYTES or (
                self._in_head and len(self.headers) > MAX_HEADERS
            ):
                # Or an endless trailer or chunk extension.
                self._refuse(HeadTooLarge(HEAD_TOO_LARGE))
        self._feeding = False
        if self.pipeline and (self._running_cycle is None or self._running_cycle.response_complete):
            self._start_asgi_task(*self.pipeline.pop())
        elif self._is_idle():
            self._await_request()

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # There is no other protocol. Its body is read (RFC 9110, 7.8), and nothing behind it.
            self.cycle.keep_alive = False
            self.parser = body_parser(self.scope["headers"], self.on_body, self._complete_message)
            self.parser.feed_data(data[upgrade.args[0] :])

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = self._extensions
        self._in_head = self._in_message = True

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value.rstrip(b" \t")))  # no part of it (RFC 9110, 5.5)

    def on_headers_complete(self) -> None:
        check_head(self.parser.get_http_version(), self.url, self.headers)
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise MalformedRequest("Too many requests at once on one connection.")
        if self._is_reserved and self.url not in RESERVED_PATHS:
            self.app = self._overloaded
        self._begin_exchange()
        if self._stopping or self._is_reserved:
            self.cycle.keep_alive = False
        self.headers = []  # The parser adds trailers, which must not become headers.
        self._in_head = False
        self._unread_bytes = 0
        self._cancel_head_timer()

    def _begin_exchange(self) -> None:
        """What uvicorn does at the end of a head, but with `Exchange`, and without WebSockets."""
        version = self.parser.get_http_version()
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        self.scope |= {
            "method": self.parser.get_method().decode("ascii"),
            "http_version": version,
            "path": unquote(path) if "%" in path else path,
            "raw_path": url.path,
            "query_string": url.query or b"",
        }
        before = self.cycle
        self.cycle = Exchange(
            scope=self.scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and self.parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        if before is None or before.response_complete:
            self._start_asgi_task(self.cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((self.cycle, self.app))

    def on_body(self, body: bytes) -> None:
        super().on_body(body)
        self._unread_bytes = 0

    def on_message_complete(self) -> None:
        if not self.parser.should_upgrade():  # else it is called before the body, which follows
            self._complete_message()

    def _complete_message(self) -> None:
        super().on_message_complete()
        self._in_message = False

    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
            return
        self._idle_until = self.loop.time() + self.timeout_keep_alive
        if self._in_message and self._is_idle():
            self._await_request()

    def _is_idle(self) -> bool:
        """Whether no response is outstanding."""
        return self.cycle is None or self.cycle.response_complete

    def _await_request(self) -> None:
        """Start the timer for what the client has to send next.

        That is the rest of a head, or of a body that no handler reads. Before the first request and
        between two, the connection may be idle for longer.
        """
        if not self._in_message:
            self._cancel_head_timer()
            seconds = STOP_SECONDS if self._stopping else self.timeout_keep_alive
            self._idle_until = self.loop.time() + seconds
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self._head_timeout, self._on_head_timeout)

    @property
    def idle_until(self) -> float | None:
        """When it is closed anyway, by the loop's time; None while it serves a request."""
        return self._idle_until

    def expire(self) -> None:
        """Close, because the time of `idle_until` has come."""
        self.timeout_keep_alive_handler()

    def close_idle(self) -> None:
        """Close at once."""
        self._lingering.abort()

    def shutdown(self) -> None:
        """Close after the response in progress, or after the first request of a new connection."""
        self._stopping = True
        self._head_timeout = self._lingering.timeout = min(self._timeout, STOP_SECONDS)
        expects_head = self._in_head if self._in_message else self.cycle is None
        if self._is_idle() and expects_head:
            self._cancel_head_timer()
            self._await_request()
        else:
            super().shutdown()

    def _cancel_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _on_head_timeout(self) -> None:
        if self._in_head:
            self._refuse(RequestTimedOut())
        else:
            self.transport.close()

    # Responses

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        if self._feeding:
            # Started when all received bytes are parsed, because they may prove to be malformed.
            self.pipeline.append((cycle, app))
        else:
            self._running_cycle = cycle
            super()._start_asgi_task(cycle, app)

    def _refuse(self, error: ApiError) -> None:
        """Respond with an error, after the requests before this one, and read nothing more."""
        self._refused = True
        self._cancel_head_timer()
        self.app = RequestLogMiddleware(partial(_respond, error))
        if self._in_head or self.cycle is None:
            self._begin_refusal()
        elif self.pipeline and self.pipeline[0][0] is self.cycle:
            self.pipeline[0] = (self.cycle, self.app)
            self.cycle.keep_alive = False
        elif self.cycle.response_started:
            self.transport.close()
        else:
            self._disconnect(self.cycle)
            self._running_cycle = self.cycle = None  # type: ignore[assignment]  # as uvicorn begins
            self._begin_refusal()

    def _begin_refusal(self) -> None:
        """Replace the malformed request by one without its content, which cannot be trusted."""
        self.on_message_begin()
        self.url = b"/"
        self._begin_exchange()
        self.scope["method"] = ""
        self.cycle.keep_alive = False

    @staticmethod
    def _disconnect(cycle: RequestResponseCycle) -> None:
        """Send the handler of a request `http.disconnect`."""
        cycle.disconnected = True
        cycle.message_event.set()

    def _is_client_sending(self) -> bool:
        """Whether more is expected of a request after which the connection closes."""
        cycle = self.cycle
        return self._refused or (cycle is not None and cycle.more_body and not cycle.keep_alive)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._check_stall(None)
        if not self._is_streaming():
            self._send_timer = self.loop.call_later(self._send_timeout, self._cut, "slow")

    def _is_streaming(self) -> bool:
        """Whether the response is sent while it is produced, which may take for ever."""
        cycle = self._running_cycle
        return cycle is not None and getattr(cycle.scope.get("route"), "streams", False)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel_send_timers()
        self._tell_taken()

    def _call_when_taken(self, do: Callable[[], None]) -> None:
        """Call a function when the client has taken what has been written, but for 64 KiB."""
        if self.flow.write_paused:
            self._when_taken.append(do)
        else:
            do()

    def _tell_taken(self) -> None:
        for do in self._when_taken:
            do()
        self._when_taken.clear()

    def _cancel_send_timers(self) -> None:
        for timer in (self._stall_timer, self._send_timer):
            if timer is not None:
                timer.cancel()
        self._stall_timer = self._send_timer = None

    def _cut(self, reason: str) -> None:
        """Reset the connection of a client that does not take its response."""
        metrics.CLIENT_CONNECTIONS_CUT.labels(reason).inc()
        self._lingering.reset()

    def _check_stall(self, previous: int | None) -> None:
        """Reset the connection if the client has acknowledged nothing since the last check."""
        left = self._lingering.unacknowledged()
        if left == previous:
            self._cut("stalled")
        else:
            self._stall_timer = self.loop.call_later(self._timeout, self._check_stall, left)


def _error_of(error: httptools.HttpParserError) -> ApiError:
    cause = error.__context__
    if isinstance(cause, ApiError):
        return cause  # raised here, in one of the parser's callbacks
    return MalformedRequest()


def overloaded(origins: AllowedOrigins) -> ASGIApp:
    """An application that responds to every request with 503.

    Args:
        origins: whose pages may read the response.
    """
    return RequestLogMiddleware(CorsMiddleware(partial(_respond, Overloaded()), origins))


async def _respond(error: ApiError, scope: Scope, receive: Receive, send: Send) -> None:
    await error_response(error, scope)(scope, receive, send)
