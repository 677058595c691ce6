"""The route of the Model Context Protocol. What serves it is imported by the first request."""

from functools import partial

from fastapi import Response

from taskapi.edge.body import BoundedRequest, raw_stream
from taskapi.edge.router import Router
from taskapi.mcp.messages import problem_body
from taskapi.scopes import READ
from taskapi.tasks.routes import MAX_BATCH_BYTES

router = Router("/mcp", include_in_schema=False)


# Only tool calls are charged, and take a turn: clients whose discovery was limited asked for ever.
@router.post(
    "",
    reads=raw_stream,
    max_body_bytes=MAX_BATCH_BYTES,
    charged=False,
    requires=READ,
    error_body=partial(problem_body, None),
)
async def post_message(request: BoundedRequest) -> Response:
    """Answer one message of JSON-RPC."""
    from taskapi.mcp.protocol import respond  # noqa: PLC0415 - its memory is paid when it is used

    return await respond(request)
