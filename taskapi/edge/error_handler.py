"""The layer in which every exception becomes an answer."""

from collections.abc import Callable
from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.edge.problem import error_response
from taskapi.edge.route import allowed_methods
from taskapi.errors import ApiError, Draining, Unavailable
from taskapi.observability import metrics

log = structlog.get_logger("taskapi")

CLIENT_LEFT = 499
"""Sent to nobody: it is what the access log and the metrics say, in nginx's words."""

CLOSE = (b"connection", b"close")


class ErrorMiddleware:
    """Ends every request with an answer: the route's, or that to an error.

    Args:
        app: what answers.
        is_draining: whether the process is about to stop; responses then close their connection.
    """

    def __init__(self, app: ASGIApp, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start" and self._is_draining():
                message["headers"] = [*message["headers"], CLOSE]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            if not begun:
                await send({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
        except Draining as error:
            if begun:
                await send(
                    {"type": "http.response.body"}
                )  # a stream ends here as it could anywhere
            else:
                await _answer_error(error, scope, receive, send_noted, begun=False)
        except Exception as error:  # noqa: BLE001 - every error is answered here, and bugs are logged
            await _answer_error(error, scope, receive, send_noted, begun=begun)


async def _answer_error(
    error: Exception, scope: Scope, receive: Receive, send: Send, *, begun: bool
) -> None:
    if not isinstance(error, ApiError | HTTPException | RequestValidationError):
        metrics.UNHANDLED.inc()
        state = scope["state"]
        told = {"request_id": state["request_id"], **state.get("trace", {})}
        log.error("unhandled", **told, exc_info=error)
    elif isinstance(error, Unavailable):
        metrics.UNAVAILABLE.labels(error.code).inc()
    if begun:
        # Too late for another answer; the server closes the connection, and the client sees a cut
        # answer rather than a wrong one.
        raise error
    response = error_response(error, scope)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(allowed_methods(scope))
    await response(scope, receive, send)
