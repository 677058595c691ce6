"""An endpoint with its dependencies, put in order once, at import."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any, cast

from fastapi._compat import ModelField
from fastapi.dependencies.models import Dependant
from fastapi.security.base import SecurityBase
from pydantic import BaseModel

from taskapi.edge.body import BoundedRequest
from taskapi.edge.fields import Fields

Reader = Callable[[BoundedRequest], Any]
"""What a client has sent for one parameter; None where that is nothing."""


class Call:
    """An endpoint, and its arguments by its dependencies, each of which runs once for a request.

    Args:
        dependant: the parameters and dependencies that FastAPI found in the endpoint's signature.
    """

    __slots__ = ("_dependencies", "_endpoint")

    def __init__(self, dependant: Dependant) -> None:
        steps: list[Step] = []
        _add_steps(dependant, steps, {})
        *self._dependencies, self._endpoint = steps

    async def arguments(self, request: BoundedRequest, errors: list[Any]) -> dict[str, Any]:
        """The endpoint's arguments; with entries in `errors`, where the request breaks a rule."""
        results: list[Any] = []
        for dependency in self._dependencies:
            values = dependency.arguments(request, results, errors)
            # Not called if the request has broken a rule.
            results.append(None if errors else await dependency.call(**values))
        return self._endpoint.arguments(request, results, errors)

    async def on(self, arguments: dict[str, Any]) -> Any:
        """The endpoint's result."""
        return await self._endpoint.call(**arguments)


def _add_steps(dependant: Dependant, steps: "list[Step]", positions: dict[int, int]) -> int:
    """Add a callable behind its dependencies; returns its position, which is that of its result.

    Args:
        dependant: the callable.
        steps: so far.
        positions: of the callables that have a step already, by their identity.
    """
    known = positions.get(id(dependant.call))
    if known is not None:
        return known
    inputs = {
        str(inner.name): None if is_security(inner) else _add_steps(inner, steps, positions)
        for inner in dependant.dependencies
    }
    steps.append(Step(dependant, inputs))
    positions[id(dependant.call)] = len(steps) - 1
    return len(steps) - 1


class Step:
    """One callable, with where its arguments come from.

    Args:
        dependant: the callable and its parameters.
        inputs: for the argument of each dependency, the position of its result; None for a
            security scheme, which only documents what `AuthMiddleware` has done.
    """

    __slots__ = ("_inputs", "_none", "_parameters", "_request_name", "call")

    def __init__(self, dependant: Dependant, inputs: dict[str, int | None]) -> None:
        self.call: Callable[..., Awaitable[Any]] = cast("Any", dependant.call)
        self._request_name = dependant.request_param_name
        self._parameters = _parameters(dependant)
        self._none = {name: None for name, position in inputs.items() if position is None}
        self._inputs = [(name, at) for name, at in inputs.items() if at is not None]

    def arguments(
        self, request: BoundedRequest, results: list[Any], errors: list[Any]
    ) -> dict[str, Any]:
        """The callable's arguments."""
        values: dict[str, Any] = dict(self._none)
        for name, position in self._inputs:
            values[name] = results[position]
        for parameter in self._parameters:
            values[parameter.name] = parameter.of(request, errors)
        if self._request_name is not None:
            values[self._request_name] = request
        return values


class Parameter:
    """One parameter: where in a request it is, and what type it must have."""

    __slots__ = ("_default", "_field", "_is_text", "_loc", "_read", "_required", "name")

    def __init__(self, field: ModelField, kind: str, read: Reader) -> None:
        self.name = field.name
        self._field = field
        self._read = read
        self._required = field.field_info.is_required()
        self._default = field.get_default()
        self._is_text = field.field_info.annotation is str and not field.field_info.metadata
        self._loc = (kind,) if kind == "body" or is_model(field) else (kind, field.alias)

    def of(self, request: BoundedRequest, errors: list[Any]) -> Any:
        """Its value in this request; None, and entries in `errors`, where it breaks a rule."""
        sent = self._read(request)
        if sent is None:
            if self._required:
                errors.append({"loc": self._loc, "type": "missing", "msg": "Field required"})
                return None
            return self._default
        if self._is_text:  # as it is in a path and in a header
            return sent
        value, broken = self._field.validate(sent, loc=self._loc)
        errors.extend(broken)
        return value


class QueryParameter(Parameter):
    """The model of the query, made once for all requests with the same query."""

    __slots__ = ()

    def of(self, request: BoundedRequest, errors: list[Any]) -> Any:
        """The model; None, and entries in `errors`, where the query breaks a rule."""
        query = request.query
        if query.model is None:
            query.model = super().of(request, errors)
        return query.model


def _parameters(dependant: Dependant) -> list[Parameter]:
    return [
        *(Parameter(field, "path", _path_reader(field.alias)) for field in dependant.path_params),
        *(QueryParameter(field, "query", _query) for field in dependant.query_params),
        *(Parameter(it, "header", _header_reader(it.alias)) for it in dependant.header_params),
        *(Parameter(field, "body", _body) for field in dependant.body_params),
    ]


def _path_reader(name: str) -> Reader:
    return lambda request: request.scope["path_params"].get(name)


def _query(request: BoundedRequest) -> dict[str, str]:
    return request.query.values


def _header_reader(name: str) -> Reader:
    """Reads all lines of a header as one, which means the same (RFC 9110, 5.3)."""
    field_name = name.lower().encode()

    def header(request: BoundedRequest) -> str | None:
        lines = Fields.of(request.scope).lines(field_name)
        return b", ".join(lines).decode("latin-1") if lines else None

    return header


def _body(request: BoundedRequest) -> dict[str, Any] | None:
    return request.value


def is_model(field: ModelField) -> bool:
    """Whether a parameter is a pydantic model."""
    kind = field.field_info.annotation
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def callables(dependant: Dependant) -> Iterator[Dependant]:
    """The endpoint and all its dependencies, but for security schemes, which do not run."""
    yield dependant
    for inner in dependant.dependencies:
        if not is_security(inner):
            yield from callables(inner)


def is_security(dependant: Dependant) -> bool:
    """Whether a dependency is a security scheme, which is in the document and does not run."""
    return isinstance(dependant.call, SecurityBase)
