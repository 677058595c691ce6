"""The layer in which every exception becomes a response."""

from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from taskapi.edge.body import ACCEPT_PATCH
from taskapi.edge.problem import error_response
from taskapi.errors import ApiError, Draining, TooManyRequests, Unavailable
from taskapi.observability import metrics

log = structlog.get_logger("taskapi")

CLIENT_DISCONNECTED = 499
"""Never sent: nginx's status, for the log and the metrics, of a client that disconnected."""

PATCH_IS_EXPLAINED = {HTTPStatus.METHOD_NOT_ALLOWED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE}
"""With the types that it takes (RFC 5789, 2.2 and 3.1)."""


class ErrorMiddleware:
    """Responds to every exception of the layers within.

    Args:
        app: the layers within.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._app(scope, receive, send)
        except Exception as error:  # noqa: BLE001 - all end here, and bugs are logged
            if "status" in scope["state"]:
                await _end_response(error, scope, send)
            else:
                await _respond(error, scope, receive, send)


async def _end_response(error: Exception, scope: Scope, send: Send) -> None:
    """End a response that has begun: another one cannot follow it."""
    if isinstance(error, Draining):
        await send({"type": "http.response.body"})  # the regular end of a stream
    elif not isinstance(error, ClientDisconnect):
        _record(error, scope)
        # The server then closes the connection, and the client sees an incomplete response.
        raise error


async def _respond(error: Exception, scope: Scope, receive: Receive, send: Send) -> None:
    if isinstance(error, ClientDisconnect):
        message = {"type": "http.response.start", "status": CLIENT_DISCONNECTED, "headers": []}
        await send(message)
        return
    _record(error, scope)
    response = error_response(error, scope)
    methods = response.headers.get("Allow", scope["method"])
    if response.status_code in PATCH_IS_EXPLAINED and "PATCH" in methods:
        response.headers["Accept-Patch"] = ACCEPT_PATCH
    await response(scope, receive, send)


def _record(error: Exception, scope: Scope) -> None:
    if isinstance(error, Unavailable):
        metrics.UNAVAILABLE.labels(error.code).inc()
    elif isinstance(error, TooManyRequests):
        metrics.LIMITED.labels(error.reason).inc()
    elif not isinstance(error, ApiError | HTTPException | RequestValidationError):
        metrics.UNHANDLED.inc()
        state = scope["state"]
        ids = {"request_id": state["request_id"], **state.get("trace", {})}
        log.error("unhandled", **ids, exc_info=error)
