"""What a `Route` does not do, refused when it is made instead of with a request.

FastAPI describes more than `Route` carries out. Without these rules such a route would be built,
and respond 500 or pass None. Each rule yields a sentence that says what to write instead.
"""

import inspect
from collections.abc import Callable, Iterable, Iterator
from string import Formatter
from typing import Any, cast, get_origin

from fastapi import params
from fastapi._compat import field_annotation_is_scalar, field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from fastapi.security import HTTPBearer
from starlette.responses import Response

from taskapi.edge.call import callables, is_model, is_security
from taskapi.edge.query import QueryModel
from taskapi.scopes import SUPPORTED

INSTEAD_OF_OPTIONS = {
    "callbacks": "describe them in openapi_extra",
    "dependencies": "take the dependency as a parameter of the endpoint",
    "max_body_size": "write max_body_bytes",
    "methods": "write a decorator for each method",
}
"""For options of FastAPI that `Route` does not take. All others would have no effect."""

INSTEAD_OF_PARAMETERS = {
    "background_tasks_param_name": "await the work, or start it in the lifespan",
    "http_connection_param_name": "take a Request",
    "response_param_name": "return a Response with the headers",
    "security_scopes_param_name": "the route checks its scope: write requires=READ",
    "websocket_param_name": "WebSocket is not served: return a StreamingResponse",
}
"""By attribute of `Dependant`: parameters that FastAPI would fill with an object of its own."""


def refuse_unknown_options(path: str, options: Iterable[str], known: Iterable[str]) -> None:
    """Raise for an option that would have no effect.

    Raises:
        TypeError: it names the option, and what to write instead.
    """
    for name in sorted(set(options) - set(known)):
        instead = INSTEAD_OF_OPTIONS.get(name, "it would have no effect: leave it out")
        raise TypeError(f"{path}: a route takes no {name}; {instead}")


def refuse_no_turn(path: str, *, is_slow: bool) -> None:
    """Raise where `takes_turn=False` would have no effect.

    Raises:
        TypeError: the route has no turn because it streams or reads a stream, or has no user.
    """
    if is_slow:
        raise TypeError(f"{path}: a route with a stream takes no turn; leave out takes_turn")
    if "{user_id}" not in path:
        raise TypeError(f"{path}: only requests of a user take turns; leave out takes_turn")


def refuse_no_scope(path: str, scope: str | None) -> None:
    """Raise for a route of a user that says no scope, or one that no token can have.

    Raises:
        TypeError: it names the route, and what to write.
    """
    if scope not in SUPPORTED and (scope is not None or "{user_id}" in path):
        raise TypeError(f"{path}: write requires=READ or requires=WRITE (taskapi.scopes)")


def refuse_unsupported(route: APIRoute, described: Iterable[str], *, has_reader: bool) -> None:
    """Raise for anything in a route's path or signature that `Route` does not do.

    Args:
        route: as FastAPI has read it.
        described: names of the options that it was given for the document.
        has_reader: whether a reader of bodies was named.

    Raises:
        TypeError: it names the route, what is wrong, and what to write instead.
    """
    parts = list(callables(route.dependant))
    for sentence in (
        *_wrong_callables(parts),
        *_wrong_parameters(parts),
        *_wrong_query(parts),
        *_wrong_path(route, parts),
        *_wrong_body(parts, has_reader=has_reader),
        *_wrong_result(route, described),
    ):
        raise TypeError(f"{route.path}, {_name(route.endpoint)}: {sentence}")


def _name(call: Callable[..., Any] | None) -> str:
    return str(getattr(call, "__name__", call))


def _wrong_callables(parts: list[Dependant]) -> Iterator[str]:
    for each in parts:
        name, call = _name(each.call), inspect.unwrap(cast("Callable[..., Any]", each.call))
        if inspect.isgeneratorfunction(call) or inspect.isasyncgenfunction(call):
            instead = "return a StreamingResponse" if each is parts[0] else "use `async with` there"
            yield f"{name} uses yield; the endpoint can {instead}"
        elif not _is_coroutine(each.call) and not _is_coroutine(call):
            yield f"{name} would block every other request; write `async def`"
        if not each.use_cache:
            yield f"{name} runs once for a request; leave out use_cache=False"
        if each.own_oauth_scopes:
            yield f"nothing checks the scopes of {name}; use Depends, and requires=READ"
        for scheme in filter(is_security, each.dependencies):
            if not isinstance(scheme.call, HTTPBearer) or scheme.call.auto_error:
                yield (
                    f"{type(scheme.call).__name__} would not run, because AuthMiddleware has "
                    "authenticated the request; HTTPBearer(auto_error=False) documents that"
                )


def _is_coroutine(call: Callable[..., Any] | None) -> bool:
    return inspect.iscoroutinefunction(call) or inspect.iscoroutinefunction(
        getattr(call, "__call__", None)  # noqa: B004 - the method itself, which may be a coroutine
    )


def _wrong_parameters(parts: list[Dependant]) -> Iterator[str]:
    for each in parts:
        for attribute, instead in INSTEAD_OF_PARAMETERS.items():
            if name := getattr(each, attribute):
                yield f"{name} would be missing; {instead}"
        for field in each.cookie_params:
            yield f"{field.name} would be None, because no cookie is read; take a header"
        for field in each.header_params:
            if not field_annotation_is_scalar(field.field_info.annotation):
                yield f"{field.name}: a header is one string; parse it in a dependency"
        for field in (*each.header_params, *each.query_params, *each.body_params):
            if field.field_info.default_factory is not None:
                yield f"{field.name} would have one default for all requests; give it a plain one"


def _wrong_query(parts: list[Dependant]) -> Iterator[str]:
    fields = [field for each in parts for field in each.query_params]
    for field in fields:
        if not is_model(field):
            yield f"{field.name} is a query parameter; put it in a model: Annotated[Model, Query()]"
        elif not issubclass(cast("type", field.field_info.annotation), QueryModel):
            yield f"requests share {field.name}; make its model a QueryModel, which is frozen"
        for name, info in getattr(field.field_info.annotation, "model_fields", {}).items():
            if field_annotation_is_sequence(info.annotation):
                yield f"{name}: a query parameter may be given once; take one string, and split it"
    if len({field.field_info.annotation for field in fields}) > 1:
        yield "a route has one model of its query parameters; join them"


def _wrong_path(route: APIRoute, parts: list[Dependant]) -> Iterator[str]:
    convertors = {name: kind for _, name, kind, _ in Formatter().parse(route.path) if name}
    for name, kind in convertors.items():
        if kind:
            yield f"the path converts {name}; write {{{name}}}, and give the parameter its type"
    for each in parts:
        for field in each.path_params:
            if field.alias not in convertors:
                yield f"{field.name} is not in the path; write {{{field.alias}}} there"


def _wrong_body(parts: list[Dependant], *, has_reader: bool) -> Iterator[str]:
    fields = [field for each in parts for field in each.body_params]
    for field in fields:
        kind = field.field_info.annotation
        if isinstance(field.field_info, params.Form):
            yield f"{field.name} is a form; take JSON, or read a raw_stream"
        elif field_annotation_is_scalar(kind) or field_annotation_is_sequence(kind):
            yield f"{field.name} is no JSON object; put it in a model"
        if getattr(field.field_info, "embed", None):
            yield f"{field.name} is the whole body; leave out embed"
    if len({(field.name, field.field_info.annotation) for field in fields}) > 1:
        yield "a body is one JSON object; put all of it in one model"
    if fields and has_reader:
        yield f"{fields[0].name} is read as JSON; leave out `reads`"


def _wrong_result(route: APIRoute, described: Iterable[str]) -> Iterator[str]:
    returned = inspect.signature(route.endpoint, eval_str=True).return_annotation
    if isinstance(returned, type) and issubclass(returned, Response):
        return
    if returned is not dict and get_origin(returned) is not dict:
        yield "it returns a Response, which response_model may document, or a dict, sent as JSON"
    for name in sorted({"response_model", "response_class"} & set(described)):
        yield f"{name} documents a Response and is not applied to a dict; return a Response"
