"""Routes that FastAPI describes and documents, and that answer without its machinery.

FastAPI works out anew with every request what an endpoint needs: three exit stacks, a copy of the
dependency tree, errors of several kinds of bodies. Here that is worked out once, from the same
signature: reading one task takes 12 microseconds of CPU here instead of 84 (docs/decisions/0011).
"""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, TypeVar, cast
from urllib.parse import parse_qsl

from fastapi import Response
from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from fastapi.security.base import SecurityBase
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Match
from starlette.types import Receive, Scope, Send

from taskapi.edge.body import JsonRequest, invalid
from taskapi.state import state_of

Reader = Callable[[JsonRequest, str], Any]

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])

LEAST_BOUND = "least_body_bound"


def at_least(bound: int) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint whose bodies may have so many bytes, whatever `MAX_BODY_BYTES` says."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, LEAST_BOUND, bound)
        return endpoint

    return mark


class Route(APIRoute):
    """A route of this service: strict about its body and its query, and quick.

    Its endpoint and dependencies are coroutines without `yield`; they take path, query and header
    parameters, one body, the request, and each other.
    """

    def __init__(self, path: str, endpoint: Callable[..., Awaitable[Any]], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        methods = self.methods or set()
        self.answered_methods = methods | {"HEAD"} if "GET" in methods else methods
        self._call = Call(self.dependant)
        self._least_bound = getattr(endpoint, LEAST_BOUND, 0) if self.body_field else None
        self._query_names = _query_names(self.dependant)

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route serves the path, and the method too.

        HEAD is answered wherever GET is (RFC 9110, 9.3.2); the server omits the content. FastAPI
        does not know of it, because it would document HEAD as an operation of its own.
        """
        # Not match: the pattern ends with `$`, which also matches in front of a last line break.
        found = self.path_regex.fullmatch(scope["path"])
        if found is None:
            return Match.NONE, {}
        child = {"endpoint": self.endpoint, "path_params": found.groupdict(), "route": self}
        answered = scope["method"] in self.answered_methods
        return Match.FULL if answered else Match.PARTIAL, child

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] not in self.answered_methods:
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED)
        await self._answer(scope, receive, send)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = JsonRequest(scope, receive)
        if self._least_bound is not None:
            await request.read(max(self._least_bound, state_of(request).settings.max_body_bytes))
        _check_query(scope["query_string"], self._query_names)
        errors: list[Any] = []
        result = await self._call.on(request, errors)
        if errors:
            raise RequestValidationError(errors)
        response = result if isinstance(result, Response) else JSONResponse(result)
        await response(scope, receive, send)


class Call:
    """A callable with the parameters that FastAPI found in its signature, ready to be called."""

    __slots__ = ("_call", "_dependencies", "_documented", "_parameters", "_request_name")

    def __init__(self, dependant: Dependant) -> None:
        self._call: Callable[..., Awaitable[Any]] = cast("Any", dependant.call)
        self._request_name = dependant.request_param_name
        self._parameters = _parameters(dependant)
        # Security schemes only document what the guard has done already.
        inner = [(str(each.name), each) for each in dependant.dependencies]
        self._documented = [name for name, each in inner if isinstance(each.call, SecurityBase)]
        self._dependencies = [
            (name, Call(each)) for name, each in inner if name not in self._documented
        ]

    async def on(self, request: JsonRequest, errors: list[Any]) -> Any:
        """The callable's result for this request; None, and more errors, where rules are broken."""
        values: dict[str, Any] = dict.fromkeys(self._documented)
        for name, dependency in self._dependencies:
            values[name] = await dependency.on(request, errors)
        for parameter in self._parameters:
            values[parameter.name] = parameter.of(request, errors)
        if errors:
            return None
        if self._request_name is not None:
            values[self._request_name] = request
        return await self._call(**values)


class Parameter:
    """One parameter: where a request has it, and what it must be."""

    __slots__ = ("_default", "_field", "_place", "_read", "_required", "name")

    def __init__(self, field: ModelField, kind: str, read: Reader) -> None:
        self.name = field.name
        self._field = field
        self._read = read
        self._required = field.field_info.is_required()
        self._default = field.get_default()
        self._place = (kind,) if kind == "body" or _is_model(field) else (kind, field.alias)

    def of(self, request: JsonRequest, errors: list[Any]) -> Any:
        """Its value in this request; None, and more errors, where it breaks a rule."""
        sent = self._read(request, self._field.alias)
        if sent is None:
            if self._required:
                errors.append({"loc": self._place, "type": "missing", "msg": "Field required"})
                return None
            return self._default
        value, broken = self._field.validate(sent, loc=self._place)
        errors.extend(broken)
        return value


def _parameters(dependant: Dependant) -> list[Parameter]:
    places: list[tuple[str, list[ModelField], Reader]] = [
        ("path", dependant.path_params, lambda request, name: request.path_params.get(name)),
        ("query", dependant.query_params, lambda request, _: dict(request.query_params)),
        ("header", dependant.header_params, _header),
        ("body", dependant.body_params, lambda request, _: request.value),
    ]
    return [Parameter(field, kind, read) for kind, fields, read in places for field in fields]


def _header(request: JsonRequest, name: str) -> str | None:
    """All lines of a header as one, which means the same (RFC 9110, 5.3)."""
    lines = request.headers.getlist(name)
    return ", ".join(lines) if lines else None


def _is_model(field: ModelField) -> bool:
    kind = field.field_info.annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _query_names(dependant: Dependant) -> set[str]:
    """Query parameters come as one model, which forbids others; here, to see them given twice."""
    return {
        name
        for field in dependant.query_params
        for name in getattr(field.field_info.annotation, "model_fields", ())
    }


def _check_query(query: bytes, named: set[str]) -> None:
    if not query:
        return
    seen: set[str] = set()
    for name, _ in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if name not in named:
            raise invalid(("query", name), "extra_forbidden", "Unknown query parameter")
        if name in seen:
            raise invalid(("query", name), "repeated", "Query parameter given more than once")
        seen.add(name)


def allowed_methods(scope: Scope) -> list[str]:
    """Of all routes at this address; the framework names only those of the first one."""
    methods: set[str] = set()
    for route in scope["app"].routes:
        if route.matches(scope)[0] is Match.PARTIAL:
            methods |= route.answered_methods
    return sorted(methods)
