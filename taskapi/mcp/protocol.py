"""The protocol: one message comes in with each request, and one response, if any, goes out.

Without sessions and streams: each request has what it needs in itself, and is answered with JSON.
Errors that every route can have keep their status and headers, in the form of JSON-RPC.
"""

from functools import partial
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic_core import to_json
from starlette.responses import Response

from taskapi.config_types import origin
from taskapi.edge.body import BoundedRequest, json_bytes, json_value
from taskapi.edge.cors import REFUSED
from taskapi.edge.problem import ERROR_BODY
from taskapi.mcp.messages import (
    INVALID_REQUEST,
    PARSE_ERROR,
    Id,
    RpcError,
    RpcRequest,
    id_in,
    problem_body,
    request_in,
    response_json,
)
from taskapi.mcp.methods import SERVER, Answer, method_named
from taskapi.mcp.revisions import SERVER_KEY, check_version, is_modern
from taskapi.resource.responses import JsonBytes, SharedJson
from taskapi.state import state_of

FRESH_MILLISECONDS = 300_000
"""For how long a client need not ask again for what changes only with a new release."""

MODERN_MEMBERS = b'"resultType":"complete","_meta":%b' % to_json({SERVER_KEY: SERVER})
CACHED_MEMBERS = b',"ttlMs":%d,"cacheScope":"private"' % FRESH_MILLISECONDS
"""Private, because the list of tools depends on the token's scopes."""

CACHED = {"server/discover", "tools/list"}


async def respond(request: BoundedRequest) -> Response:
    """The response to the message in a request."""
    exchange = Exchange(request)
    try:
        return await exchange.response()
    except RpcError as error:
        return exchange.refusal(error)


class Exchange:
    """One request, and what is known of it so far.

    Args:
        request: its body has not been read.
    """

    __slots__ = ("_id", "_request", "_uses_status")

    def __init__(self, request: BoundedRequest) -> None:
        self._request = request
        self._uses_status = True
        self._identify(None)

    def _identify(self, message_id: Id | None) -> None:
        self._id = message_id
        # Also for errors of the layers around the route, such as a deadline that has passed.
        self._request.scope["state"][ERROR_BODY] = partial(problem_body, message_id)

    async def response(self) -> Response:
        """The response.

        Raises:
            RpcError: the client's program has made a mistake.
            ApiError: as every route raises.
        """
        self._check_origin()
        request = self._request_in(await self._message())
        if request is None:
            check_version(self._request.headers)
            return Response(status_code=HTTPStatus.ACCEPTED)
        modern = is_modern(self._request.headers, request)
        self._uses_status = modern
        method = method_named(request.method, modern=modern)
        answer = await method(self._request, request.params)
        return self._written(request, answer, modern=modern)

    def _request_in(self, message: object) -> RpcRequest | None:
        self._identify(id_in(message))
        return request_in(message)

    def refusal(self, error: RpcError) -> Response:
        """The response to a mistake of the client's program.

        Before 2026-07-28, clients took another status for one of HTTP, and did not read the error.
        """
        status = error.status if self._uses_status else HTTPStatus.OK
        return JsonBytes(error.json(self._id), status_code=status)

    def _check_origin(self) -> None:
        """Refuse pages that may not call the API, in the interest of whoever reads them.

        Browsers let any page send a request here, and to `localhost` by DNS rebinding.
        """
        settings = state_of(self._request).settings
        for sent in self._request.headers.getlist("origin"):
            is_own = settings.public_url is not None and sent == origin(settings.public_url)
            if not is_own and not settings.allowed_origins.allow(sent.encode("latin-1")):
                self._request.scope["state"]["refusal"] = "origin"
                data = {"code": REFUSED.code}
                raise RpcError(INVALID_REQUEST, REFUSED.detail, REFUSED.status, data)

    async def _message(self) -> Any:
        body = await json_bytes(self._request)
        try:
            return json_value(body)
        except RequestValidationError as error:
            raise RpcError(PARSE_ERROR, error.errors()[0]["msg"]) from None

    def _written(self, request: RpcRequest, answer: Answer, *, modern: bool) -> Response:
        parts = [answer.members] if answer.members else []
        if modern:
            cached = CACHED_MEMBERS if request.method in CACHED else b""
            parts.append(MODERN_MEMBERS + cached)
        content = response_json(request.id, b",".join(parts))
        return JsonBytes(content) if answer.share is None else SharedJson(content, answer.share)
