"""The outermost layer: an id for every request, headers for every response, one log line."""

import re
import time
from collections.abc import Callable, MutableMapping
from functools import cache
from random import Random
from typing import TYPE_CHECKING, Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.edge.client_address import client_address
from taskapi.observability import metrics, tracing
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
PRIVATE = ("/api/", "/mcp")
"""What no cache may store: whatever `auth.authorization` protects."""

NO_STORE = (b"cache-control", b"no-store")
NO_LIMIT: tuple[tuple[bytes, bytes], ...] = ()


class RequestLogMiddleware:
    """Gives a request its id and a response its common headers; logs and counts both at the end."""

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
        common_headers = [(b"x-request-id", request_id.encode()), NOSNIFF]
        if scope["path"].startswith(PRIVATE):
            common_headers.append(NO_STORE)
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                limit = scope["state"].get("rate_limit", NO_LIMIT)  # left there by `rates`
                message["headers"] = [*message["headers"], *common_headers, *limit]
            await send(message)

        try:
            await self._app(scope, receive, send_with_headers)
        finally:
            _record(scope, status, time.perf_counter() - started, span)


def _request_id(scope: Scope) -> str:
    values = [value for name, value in scope["headers"] if name == b"x-request-id"]
    if len(values) == 1 and REQUEST_ID.fullmatch(values[0]):
        return bytes(values[0]).decode()
    return f"{_IDS.getrandbits(128):032x}"


def _caller(scope: Scope) -> Caller | None:
    values = [value for name, value in scope["headers"] if name == b"traceparent"]
    return tracing.caller_of(values[0]) if len(values) == 1 else None


@cache
def _counters(method: str, route: str, status: int) -> tuple[Callable[[], None], Observe]:
    """The counters of such requests, cached: finding them by labels takes longer than counting."""
    return (
        metrics.REQUESTS.labels(method, route, status).inc,
        metrics.REQUEST_SECONDS.labels(method, route).observe,
    )


def _sender(state: dict[str, Any]) -> dict[str, str | None]:
    """The user of the request, and the program that sent it for them, if one did."""
    user = state.get("user")
    if user is None or user.client_id is None:
        return {"user": user and user.subject}
    return {"user": user.subject, "client_id": user.client_id}


def _record(
    scope: MutableMapping[str, Any], status: int, seconds: float, span: "RequestSpan | None"
) -> None:
    method = scope["method"] if scope["method"] in METHODS else "other"
    route = getattr(scope.get("route"), "path", "unmatched")
    state = scope["state"]
    waited = "deadline" in scope or getattr(scope.get("route"), "streams", False)
    count, observe = _counters(method, route, status)
    count()
    if not waited:  # for how long a client listens says nothing about the service
        observe(seconds)
    log.info(
        "request",
        request_id=state["request_id"],
        method=method,
        route=route,
        status=status,
        **({"open_s": round(seconds, 2)} if waited else {"ms": round(seconds * 1000, 2)}),
        address=client_address(scope),
        **_sender(state),
        **({"reason": state["refusal"]} if "refusal" in state else NO_FIELDS),
        **state.get("trace", NO_FIELDS),
    )
    if span is not None:
        span.end(state["request_id"], method, route, status)
