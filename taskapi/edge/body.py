"""How a body becomes JSON: bounded while it streams in, JSON by its type, and strictly read."""

from email.message import Message
from functools import lru_cache
from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic_core import from_json

from taskapi.errors import BodyTooLarge, NotJson


class JsonRequest(Request):
    """A request whose body is bounded and, where there is one, a strictly read JSON object."""

    value: dict[str, Any] | None = None
    """The body, once it has been read; None where there is none."""

    async def read(self, bound: int) -> None:
        """Read the body, if there is one, of at most so many bytes.

        Raises:
            BodyTooLarge: as soon as it, or the length it announces, is over the bound.
            NotJson: it does not call itself JSON.
            RequestValidationError: it is not a JSON object as RFC 8259 has it: UTF-8, no NaN, no
                lone surrogates.
        """
        body = await self._bounded(bound)
        if not body:
            return
        _check_type(self.headers.getlist("content-type"))
        if set(self.headers.getlist("content-encoding")) - {"identity"}:
            raise NotJson("Send the body without a content encoding.")
        try:
            value = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise invalid(("body",), "json_invalid", f"Not valid JSON: {error}") from None
        if not isinstance(value, dict):
            raise invalid(("body",), "object_type", "The body should be a JSON object")
        self.value = value

    async def _bounded(self, bound: int) -> bytes:
        # int() takes 4300 digits. The parser bounds the number, but not the zeros in front of it.
        announced = self.headers.get("content-length", "").lstrip("0")
        if announced.isdecimal() and int(announced) > bound:
            raise BodyTooLarge
        chunks, size = [], 0
        async for chunk in self.stream():
            size += len(chunk)
            if size > bound:
                raise BodyTooLarge
            chunks.append(chunk)
        return b"".join(chunks)


def invalid(place: tuple[str, ...], kind: str, message: str) -> RequestValidationError:
    """A 422 for a rule that no type can hold, at this place of the request."""
    return RequestValidationError([{"loc": place, "type": kind, "msg": message}])


LONGEST_TYPE = 256
"""Reading a type of 150 kB took 10 seconds, measured."""


def _check_type(content_types: list[str]) -> None:
    # Two types are none: another reader could take the other one.
    if len(content_types) != 1 or len(content_types[0]) > LONGEST_TYPE:
        raise NotJson
    _check_json(content_types[0])


@lru_cache(maxsize=64)  # reading it takes 9 microseconds, and all clients say the same
def _check_json(content_type: str) -> None:
    message = Message()
    message["content-type"] = content_type
    kind = message.get_content_type()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise NotJson
    if message.get_content_charset("utf-8") not in {"utf-8", "utf8"}:
        raise NotJson("Send the body in UTF-8.")
