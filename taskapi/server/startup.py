"""Why a start failed: a sentence, where the framework would print a traceback."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.embedded.errors import EmbeddedServerError
from taskapi.errors import SchemaOutdated

OPERATOR_ERRORS = (EmbeddedServerError, SchemaOutdated)
"""The operator can correct these. Any other is a bug, and keeps its traceback."""

FAILED = "lifespan.startup.failed"


async def run_lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application's lifespan. If it fails, the server prints the message and exits."""
    failure: Message | None = None

    async def send_unless_failed(message: Message) -> None:
        nonlocal failure
        if message["type"] == FAILED:
            failure = message  # The framework sends this first, and then raises the exception.
        else:
            await send(message)

    try:
        await app(scope, receive, send_unless_failed)
    except BaseException as error:
        if failure is None:
            raise
        if not isinstance(error, OPERATOR_ERRORS):
            await send(failure)
            raise
        await send({"type": FAILED, "message": f"taskapi cannot start: {error}"})
