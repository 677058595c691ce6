"""The layer in which every exception becomes an answer."""

from http import HTTPStatus

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi import metrics
from taskapi.edge.drain import Drain
from taskapi.edge.route import allowed_methods
from taskapi.edge.start import start_or_explain
from taskapi.errors import ApiError, Unavailable, answer

log = structlog.get_logger("taskapi")

CLIENT_LEFT = 499
"""Sent to nobody: it is what the access log and the metrics say, in nginx's words."""

CLOSE = (b"connection", b"close")


class Answers:
    """Ends every request with an answer: the route's, or that to an error.

    Args:
        app: what answers.
        drain: once it has begun, every answer closes its connection.
    """

    def __init__(self, app: ASGIApp, drain: Drain) -> None:
        self._app = app
        self._drain = drain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await start_or_explain(self._app, scope, receive, send)
            return
        begun = False

        async def send_noted(message: Message) -> None:
            nonlocal begun
            begun = True
            if self._drain.begun and message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], CLOSE]
            await send(message)

        try:
            await self._app(scope, receive, send_noted)
        except ClientDisconnect:
            if not begun:
                await send({"type": "http.response.start", "status": CLIENT_LEFT, "headers": []})
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
    response = answer(error, scope)
    if response.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        response.headers["Allow"] = ", ".join(allowed_methods(scope))
    await response(scope, receive, send)
