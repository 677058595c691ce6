"""The outermost layer: an id for every request, headers for every response, one log line."""

import re
import time
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.edge.client_address import client_address
from taskapi.edge.fields import Fields
from taskapi.observability import logs, metrics, tracing
from taskapi.observability.tracing import Caller

if TYPE_CHECKING:
    from taskapi.observability.spans import RequestSpan

log = structlog.get_logger("taskapi.access")

Observe = Callable[[float], None]

REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
"""May be labels of metrics. Any other is counted as `other`, because clients can invent them."""

_IDS = Random()  # noqa: S311 - no secret. Its own, as a seed of the shared one would repeat ids

NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_FIELDS: dict[str, str] = {}
NOBODY: dict[str, str | None] = {"user": None}
UNMATCHED = "unmatched"
PRIVATE = ("/api/", "/mcp")
"""What no cache may store: whatever `auth.authorization` protects."""

NO_STORE = (b"cache-control", b"no-store")
NO_LIMIT: tuple[tuple[bytes, bytes], ...] = ()
CLOSING = ((b"connection", b"close"),)


class RequestLogMiddleware:
    """Gives a request its id and a response its common headers; logs and counts both at the end.

    Inner layers leave headers for the response in the state of the request, as `response_headers`,
    and find there its status, as `status`, once it has begun. So only one layer looks at messages.

    Args:
        app: the layers within.
        is_draining: whether the process is about to stop. Responses then close their connection.
    """

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool] = bool) -> None:
        self._app = app
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        state = scope.setdefault("state", {})
        fields = Fields.of(scope)
        request_id = state["request_id"] = _request_id(fields)
        caller = _caller(fields)
        span = None if tracing.spans is None else tracing.spans.request(caller)
        if span is not None:
            state["trace"] = span.ids
        elif caller is not None:
            state["trace"] = {"trace_id": caller.trace_id}
        headers = state["response_headers"] = [(b"x-request-id", request_id.encode()), NOSNIFF]
        if scope["path"].startswith(PRIVATE):
            headers.append(NO_STORE)

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                limit = state.get("rate_limit", NO_LIMIT)  # left there by `rates`
                closing = CLOSING if self._is_draining() else ()
                message["headers"] = [*message["headers"], *headers, *limit, *closing]
            return send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            _record(scope, time.perf_counter() - started, span)


def _request_id(fields: Fields) -> str:
    sent = fields.only(b"x-request-id")
    if sent is not None and REQUEST_ID.fullmatch(sent):
        return sent.decode()
    return f"{_IDS.getrandbits(128):032x}"


def _caller(fields: Fields) -> Caller | None:
    sent = fields.only(b"traceparent")
    return None if sent is None else tracing.caller_of(sent)


@cache
def _counters(method: str, route: str, status: int) -> tuple[Callable[[], None], Observe]:
    """The counters of such requests, cached: finding them by labels takes longer than counting."""
    return (
        metrics.REQUESTS.labels(method, route, status).inc,
        metrics.REQUEST_SECONDS.labels(method, route).observe,
    )


def _record(scope: MutableMapping[str, Any], seconds: float, span: "RequestSpan | None") -> None:
    state = scope["state"]
    method, status = scope["method"], state.get("status", 0)
    if method not in METHODS:
        method = "other"
    route = scope.get("route")
    path = UNMATCHED if route is None else route.path
    waited = "deadline" in scope or (route is not None and route.streams)
    count, observe = _counters(method, path, status)
    count()
    if not waited:  # for how long a client listens says nothing about the service
        observe(seconds)
    _log(
        {
            "request_id": state["request_id"],
            "method": method,
            "route": path,
            "status": status,
            **({"open_s": round(seconds, 2)} if waited else {"ms": round(seconds * 1000, 2)}),
            "address": client_address(scope),
            **_sender(state.get("user")),
            **({"reason": state["refusal"]} if "refusal" in state else NO_FIELDS),
            **state.get("trace", NO_FIELDS),
        }
    )
    if span is not None:
        span.end(state["request_id"], method, path, status)


def _sender(user: Any) -> dict[str, str | None]:
    """The user of the request, and the program that sent it for them, if one did.

    Args:
        user: `auth.claims.User`, which this room stands below, or None.
    """
    if user is None:
        return NOBODY
    if user.client_id is None:
        return {"user": user.subject}
    return {"user": user.subject, "client_id": user.client_id}


def _log(fields: dict[str, Any]) -> None:
    lines = logs.request_lines
    if lines is None:
        log.info("request", **fields)
    else:
        lines.write_soon(logs.request_line(fields))
