"""How a body becomes JSON: bounded while it streams in, JSON by its type, and strictly read."""

from collections.abc import Callable, Coroutine
from email.message import Message
from typing import Any, TypeVar
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel
from pydantic_core import from_json

from taskapi.errors import BodyTooLarge, NotJson

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class JsonRequest(Request):
    """A request whose body is bounded and, where there is one, a strictly read JSON object."""

    async def read(self, bound: int) -> None:
        """Read the body, if there is one, of at most so many bytes.

        Raises:
            BodyTooLarge: as soon as it, or the length it announces, is over the bound.
            NotJson: it does not call itself JSON.
            RequestValidationError: it is not a JSON object as RFC 8259 has it: UTF-8, no NaN, no
                lone surrogates.
        """
        self._body = await self._bounded(bound)
        if not self._body:
            return
        _check_type(self.headers.get("content-type"), self.headers.get("content-encoding"))
        try:
            self._json = from_json(self._body, allow_inf_nan=False)
        except ValueError as error:
            raise invalid(("body",), "json_invalid", f"Not valid JSON: {error}") from None
        if not isinstance(self._json, dict):
            raise invalid(("body",), "object_type", "The body should be a JSON object")

    async def _bounded(self, bound: int) -> bytes:
        announced = self.headers.get("content-length", "")
        if announced.isdigit() and int(announced) > bound:
            raise BodyTooLarge
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > bound:
                raise BodyTooLarge
            chunks.append(chunk)
        return b"".join(chunks)


LEAST_BOUND = "least_body_bound"


def at_least(bound: int) -> Callable[[Endpoint], Endpoint]:
    """Mark an endpoint whose bodies may have so many bytes, whatever `MAX_BODY_BYTES` says."""

    def mark(endpoint: Endpoint) -> Endpoint:
        setattr(endpoint, LEAST_BOUND, bound)
        return endpoint

    return mark


class JsonRoute(APIRoute):
    """A route that reads a `JsonRequest`, and takes each query parameter it names at most once."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        reads_body = self.body_field is not None
        least_bound = getattr(self.endpoint, LEAST_BOUND, 0)
        named = _query_names(self)

        async def handle_json(request: Request) -> Response:
            strict = JsonRequest(request.scope, request.receive)
            if reads_body:
                # Read before FastAPI does, which would turn every error here into its own 400.
                await strict.read(max(least_bound, request.app.state.max_body_bytes))
            _check_query(request.scope["query_string"], named)
            return await handle(strict)

        return handle_json


def _query_names(route: APIRoute) -> set[str]:
    names: set[str] = set()
    for field in route.dependant.query_params:
        kind = field.field_info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names |= kind.model_fields.keys()
        else:
            names.add(field.alias)
    return names


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


def invalid(place: tuple[str, ...], kind: str, message: str) -> RequestValidationError:
    """A 422 for a rule that no type can hold, at this place of the request."""
    return RequestValidationError([{"loc": place, "type": kind, "msg": message}])


def _check_type(content_type: str | None, encoding: str | None) -> None:
    message = Message()
    message["content-type"] = content_type or ""
    kind = message.get_content_type()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise NotJson
    if message.get_content_charset("utf-8") not in {"utf-8", "utf8"}:
        raise NotJson("Send the body in UTF-8.")
    if encoding not in {None, "identity"}:
        raise NotJson("Send the body without a content encoding.")
