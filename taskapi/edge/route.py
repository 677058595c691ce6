"""Routes that FastAPI describes and documents, and that respond without its machinery.

FastAPI works out with every request what an endpoint needs: three exit stacks, a copy of the
dependency tree, errors of several kinds of bodies. A `Route` works that out once, from the same
signature: reading one task takes 12 microseconds of CPU here instead of 84 (docs/decisions/0011).
What it does not do, `restrictions` refuses when the route is made.
"""

import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypedDict, Unpack

from fastapi import Response
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from taskapi.edge.body import BodyReader, BoundedRequest, json_object, raw_stream
from taskapi.edge.call import Call, callables
from taskapi.edge.fairness import NO_TURN, charge, turn_of
from taskapi.edge.problem import ERROR_BODY, BodyOf
from taskapi.edge.query import QueryReader
from taskapi.edge.restrictions import (
    refuse_no_scope,
    refuse_no_turn,
    refuse_unknown_options,
    refuse_unsupported,
)
from taskapi.errors import InsufficientScope
from taskapi.state import state_of


class Described(TypedDict, total=False):
    """What a route says for the OpenAPI document, by FastAPI's names."""

    description: str
    include_in_schema: bool
    openapi_extra: dict[str, Any]
    operation_id: str
    response_class: type[Response]
    response_model: Any
    responses: dict[int | str, dict[str, Any]]
    status_code: int
    summary: str
    tags: list[Any]


class RouteOptions(Described, total=False):
    """All that a route may be given beside its path; `Route` explains the first eight."""

    charged: bool
    deadline: float
    error_body: BodyOf
    reads: BodyReader
    max_body_bytes: int
    requires: str
    streams: bool
    takes_turn: bool


class Route(APIRoute):
    """A route of this service: strict about its body and its query, and quick.

    Its endpoint and dependencies are coroutines without `yield`. They take path and header
    parameters, one model of the query, one model of the body, the request, and dependencies, each
    of which runs once for a request. The endpoint returns a `Response`, or a dict, sent as JSON.

    Args:
        path: with parameters as `{name}`.
        endpoint: the coroutine function that responds.
        method: also answered: HEAD, wherever GET is (RFC 9110, 9.3.2), and the server omits the
            content. FastAPI would document HEAD as an operation of its own.
        charged: a request is counted in its user's rate before its body is read. False where the
            endpoint counts it (`charge`), because only the body says whether it counts.
        deadline: seconds for a request, its body included. Without it, `REQUEST_TIMEOUT` or, if
            the route streams, none.
        error_body: the shape of errors in the protocol of the route's clients. Without it, the one
            that the client accepts.
        reads: the reader of bodies. Without it, `json_object` where the endpoint takes a body, and
            none elsewhere.
        max_body_bytes: bodies may have so many bytes, or `MAX_BODY_BYTES` if that is more.
        requires: the scope without which an OAuth access token does not reach the endpoint; each
            route of a user has one.
        streams: the response is sent while it is produced. Without a deadline it ends when the
            endpoint ends it, the client disconnects or the process drains.
        takes_turn: a request of a user waits while `USER_CONCURRENCY` others of that user are under
            way, from when it is valid until the endpoint has returned. Not where the route streams
            or reads a `raw_stream`, which a slow client prolongs: there the endpoint takes a turn
            itself for what it asks the database (`turn_of`). False where a request waits for
            something else than the database.
        described: for the document.

    Raises:
        TypeError: at import, for what a route does not do.
    """

    def __init__(  # noqa: PLR0913 - each says one thing of a route
        self,
        path: str,
        endpoint: Callable[..., Awaitable[Any]],
        *,
        method: str,
        charged: bool = True,
        deadline: float | None = None,
        error_body: BodyOf | None = None,
        reads: BodyReader | None = None,
        max_body_bytes: int = 0,
        requires: str | None = None,
        streams: bool = False,
        takes_turn: bool = True,
        **described: Unpack[Described],
    ) -> None:
        refuse_unknown_options(path, described, Described.__annotations__)
        named: Described = {**_names(endpoint), **described}
        super().__init__(path, endpoint, methods=[method], **named)
        refuse_unsupported(self, described, has_reader=reads is not None)
        self._read = reads or (json_object if self.body_field else None)
        if max_body_bytes and self._read is None:
            raise TypeError(f"{path}: without a body, leave out max_body_bytes")
        refuse_no_scope(path, requires)
        is_slow = streams or reads is raw_stream
        if not takes_turn:
            refuse_no_turn(path, is_slow=is_slow)
        self.deadline = math.inf if streams and deadline is None else deadline
        self.answered_methods = {method, "HEAD"} if method == "GET" else {method}
        self.requires = requires
        self._charged = charged
        self._error_body = error_body
        self.streams = streams
        self._takes_turn = takes_turn and not is_slow
        self._weighed = _weighed(self.dependant)
        self._max_body_bytes = max_body_bytes
        self._call = Call(self.dependant)
        self._queries = QueryReader(_query_names(self.dependant))

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to a request whose path and method are this route's."""
        if self._error_body is not None:
            scope["state"][ERROR_BODY] = self._error_body
        if self.requires is not None and self.requires not in scope["state"]["user"].scopes:
            raise InsufficientScope(self.requires)
        request = BoundedRequest(scope, receive)
        if self._charged:
            charge(scope, 1)  # before the body is read
        if self._read is not None:
            request.limit_body(max(self._max_body_bytes, state_of(request).settings.max_body_bytes))
            await self._read(request)
        request.query = self._queries.read(scope["query_string"])
        response = await self._respond(request)
        if self.streams and scope["method"] == "HEAD":
            response = _without_content(response)  # which may never end
        await response(scope, receive, send)

    async def _respond(self, request: BoundedRequest) -> Response:
        errors: list[Any] = []
        arguments = await self._call.arguments(request, errors)
        if errors:
            raise RequestValidationError(errors)
        if self._weighed is not None:
            charge(request.scope, arguments[self._weighed].rate_weight - 1)
        request.value = None  # what the arguments do not have would be held while it waits
        async with turn_of(request.scope) if self._takes_turn else NO_TURN:
            result = await self._call.on(arguments)
        if isinstance(result, Response):
            return result
        return JSONResponse(result, self.status_code or HTTPStatus.OK)


def _names(endpoint: Callable[..., Awaitable[Any]]) -> Described:
    """`list_tasks` is `listTasks` in generated clients, and "List tasks" in the table of contents.

    FastAPI would make `list_tasks_api__user_id__tasks_get` of it, and "List Tasks".
    """
    first, *rest = endpoint.__name__.split("_")
    name = "".join([first, *(word.capitalize() for word in rest)])
    return {"operation_id": name, "summary": " ".join([first.capitalize(), *rest])}


def _weighed(dependant: Dependant) -> str | None:
    """The argument of an endpoint that says what a request weighs: its query, or its body."""
    for field in (*dependant.query_params, *dependant.body_params):
        if hasattr(field.field_info.annotation, "rate_weight"):
            return field.name
    return None


def _without_content(response: Response) -> Response:
    head = Response(status_code=response.status_code)
    head.raw_headers = response.raw_headers
    return head


def _query_names(dependant: Dependant) -> set[str]:
    """The names of all query parameters: fields of one model, perhaps in a dependency."""
    return {
        info.alias or name
        for part in callables(dependant)
        for field in part.query_params
        for name, info in getattr(field.field_info.annotation, "model_fields", {}).items()
    }
