"""A start that is refused: why, in a sentence, where the framework would send a traceback."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from taskapi.embedded.errors import EmbeddedServerError
from taskapi.errors import SchemaOutdated

REFUSALS = (EmbeddedServerError, SchemaOutdated)
"""What is wrong around the program, not in it."""

FAILED = "lifespan.startup.failed"


async def start_or_explain(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the application's lifespan; the server that asked for it shows the sentence and exits."""
    failure: Message | None = None

    async def send_unless_failed(message: Message) -> None:
        nonlocal failure
        if message["type"] == FAILED:
            failure = message  # The framework sends it, and then raises the reason.
        else:
            await send(message)

    try:
        await app(scope, receive, send_unless_failed)
    except BaseException as error:
        if failure is None:
            raise
        if not isinstance(error, REFUSALS):
            await send(failure)
            raise
        await send({"type": FAILED, "message": f"taskapi cannot start: {error}"})
