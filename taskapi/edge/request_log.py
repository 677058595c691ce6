"""The outermost layer: an id for every request, headers for every answer, one log line for both."""

import random
import re
import time
from collections.abc import Callable, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.observability import metrics, tracing
from taskapi.observability.tracing import Caller

if TYPE_CHECKING:
    from taskapi.observability.spans import RequestSpan

log = structlog.get_logger("taskapi.access")

Observe = Callable[[float], None]

ACCEPTABLE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")

METHODS = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"}
"""What may be a metric's label; a client can invent others."""

NOSNIFF = (b"x-content-type-options", b"nosniff")
NO_TRACE: dict[str, str] = {}
NO_STORE = (b"cache-control", b"no-store")


class RequestLogMiddleware:
    """Gives a request its id, completes the answer's headers, and records both when it is over."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        caller = _caller(scope)
        span = None if tracing.spans is None else tracing.spans.request(caller)
        if span is not None:
            scope["state"]["trace"] = span.ids
        elif caller is not None:
            scope["state"]["trace"] = {"trace_id": caller.trace_id}
        added = [(b"x-request-id", request_id.encode()), NOSNIFF]
        if scope["path"].startswith("/api/"):
            added.append(NO_STORE)
        status = 0

        async def send_completed(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        try:
            await self._app(scope, receive, send_completed)
        finally:
            _record(scope, status, time.perf_counter() - started, span)


def _request_id(scope: Scope) -> str:
    sent = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(sent) == 1 and ACCEPTABLE_ID.fullmatch(sent[0]):
        return bytes(sent[0]).decode()
    return f"{random.getrandbits(128):032x}"


def _caller(scope: Scope) -> Caller | None:
    sent = [value for name, value in scope["headers"] if name == b"traceparent"]
    return tracing.caller_of(sent[0]) if len(sent) == 1 else None


@cache
def _counters(method: str, route: str, status: int) -> tuple[Callable[[], None], Observe]:
    """What counts such requests. Looking it up by its labels takes longer than counting."""
    return (
        metrics.REQUESTS.labels(method, route, status).inc,
        metrics.REQUEST_SECONDS.labels(method, route).observe,
    )


def _record(
    scope: MutableMapping[str, Any], status: int, seconds: float, span: "RequestSpan | None"
) -> None:
    method = scope["method"] if scope["method"] in METHODS else "other"
    route = getattr(scope.get("route"), "path", "unmatched")
    count, observe = _counters(method, route, status)
    count()
    observe(seconds)
    state = scope["state"]
    log.info(
        "request",
        request_id=state["request_id"],
        method=method,
        route=route,
        status=status,
        ms=round(seconds * 1000, 2),
        user=state["user"].subject if "user" in state else None,
        **state.get("trace", NO_TRACE),
    )
    if span is not None:
        span.end(state["request_id"], method, route, status)
