"""Request bodies: bounded while they come in, then read as JSON or left to the endpoint."""

import json
import re
from codecs import BOM_UTF8
from collections.abc import AsyncGenerator, Awaitable, Callable
from email.message import Message
from functools import lru_cache
from typing import Any

from fastapi import Request
from starlette.requests import ClientDisconnect

from taskapi.edge.fairness import charge
from taskapi.edge.fields import Fields
from taskapi.edge.invalid import MAX_NAME_CHARACTERS, invalid
from taskapi.edge.query import Query
from taskapi.errors import BodyTooLarge, NotJson
from taskapi.strict_json import decode


class BoundedRequest(Request):
    """A request whose body has a limit, whoever reads it.

    Attributes:
        value: the JSON object that `json_object` has read; None if there was no body.
        query: what its query says.
        announced_bytes: the length of the body, if `Content-Length` tells it; otherwise 0.
    """

    value: dict[str, Any] | None = None
    query: Query
    announced_bytes = 0
    _max_body_bytes = 0
    _bytes_read = 0

    def limit_body(self, max_bytes: int) -> None:
        """Allow a body of so many bytes.

        Raises:
            BodyTooLarge: `Content-Length` announces a longer one.
        """
        # int() takes 4300 digits. The parser bounds the number, but not the zeros in front of it.
        announced = b"".join(Fields.of(self.scope).lines(b"content-length")[:1]).lstrip(b"0")
        self.announced_bytes = int(announced) if announced.isdigit() else 0
        if self.announced_bytes > max_bytes:
            raise _too_large(max_bytes)
        self._max_body_bytes = max_bytes

    async def stream(self) -> AsyncGenerator[bytes, None]:
        """The body in the parts in which it arrives; it can be read once.

        Raises:
            BodyTooLarge: it is longer than `limit_body` allows.
            ClientDisconnect: the client left before the end.
        """
        while not self._stream_consumed:
            if part := await self._next_part():
                yield part

    async def whole_body(self) -> bytes:
        """All that `stream` gives: most bodies arrive in one part."""
        body = await self._next_part()
        if self._stream_consumed:
            return body
        return b"".join([body, *[part async for part in self.stream()]])

    async def _next_part(self) -> bytes:
        message = await self.receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        self._stream_consumed = not message.get("more_body", False)
        part: bytes = message.get("body", b"")
        self._bytes_read += len(part)
        if self._bytes_read > self._max_body_bytes:
            raise _too_large(self._max_body_bytes)
        return part


def _too_large(max_bytes: int) -> BodyTooLarge:
    return BodyTooLarge(f"The request body is too large: it may have {max_bytes} bytes.")


BodyReader = Callable[[BoundedRequest], Awaitable[None]]
"""What a route does with a body before it calls its endpoint."""


async def json_object(request: BoundedRequest) -> None:
    """Read the body, if there is one, as a JSON object into `request.value`.

    Raises:
        RequestValidationError: it is no object.
        Exception: what `json_bytes` and `json_value` raise.
    """
    body = await json_bytes(request)
    if not body:
        return
    value = json_value(body)
    if not isinstance(value, dict):
        kind = KINDS.get(type(value), "a number")
        raise invalid(("body",), "object_type", f"The body should be a JSON object, and is {kind}")
    request.value = value


BYTES_PER_WEIGHT = 64 * 1024
"""To read a megabyte of small values takes 83 ms, in which every other request waits."""


async def json_bytes(request: BoundedRequest) -> bytes:
    """The body, which says that it is JSON, or is empty.

    It is counted in its user's rate by its length.

    Raises:
        BodyTooLarge: it is longer than its limit.
        NotJson: its content type is not one that the method takes, or names another charset than
            UTF-8, or it has a content encoding.
        RateLimited: it weighs more than the user has left.
    """
    body = await request.whole_body()
    charge(request.scope, len(body) // BYTES_PER_WEIGHT)
    if body:
        fields = Fields.of(request.scope)
        _check_type(fields.lines(b"content-type"), request.method)
        codings = b",".join(fields.lines(b"content-encoding")).lower().split(b",")
        if {coding.strip() for coding in codings} - {b"", b"identity"}:
            raise NotJson("Send the body without a content encoding.")
    return body


def json_value(body: bytes) -> Any:
    """What a body says.

    Raises:
        RequestValidationError: it is not JSON as RFC 8259 defines it, or readers could read it
            differently: a member twice, or half of a surrogate pair.
    """
    try:
        # RFC 8259, 8.1: a byte order mark may be ignored, and some programs for Windows write one.
        value = decode(body.removeprefix(BOM_UTF8))
    except ValueError as error:
        raise invalid(("body",), "json_invalid", f"The body is not read as JSON: {error}") from None
    if SURROGATE.search(body):
        _refuse_half_pairs(value)
    return value


async def raw_stream(_request: BoundedRequest) -> None:
    """Leave the body to the endpoint, which reads `request.stream()`: any type, in bounded memory.

    The server stops reading from a client that is 64 KiB ahead of the endpoint.
    """


KINDS = {
    str: "a string: is it encoded twice?",
    list: "an array",
    bool: "true or false",
    type(None): "null",
}
"""What a body is instead of an object."""

SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
HALF_PAIR = re.compile(r"[\ud800-\udfff]")

MAX_PLACE_STEPS = 4
"""Of the way to a value that an error names: in a batch, `operations`, 0 and `title` are three."""


def _refuse_half_pairs(value: Any) -> None:
    """Refuse text with half of a surrogate pair, which UTF-8 cannot write, wherever it stands."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        message = "A text has half of a surrogate pair (\\ud800 to \\udfff)"
        place = _way_to_half_pair(value) or ()
        raise invalid(("body", *place[:MAX_PLACE_STEPS]), "string_unicode", message) from None


def _way_to_half_pair(value: Any) -> tuple[str | int, ...] | None:
    """Names and positions that lead to such a text; to the object where it is a member's name."""
    if isinstance(value, str):
        return () if HALF_PAIR.search(value) else None
    members = value.items() if isinstance(value, dict) else ()
    for step, inner in enumerate(value) if isinstance(value, list) else members:
        if isinstance(step, str) and HALF_PAIR.search(step):
            return ()
        if (rest := _way_to_half_pair(inner)) is not None:
            return (step[:MAX_NAME_CHARACTERS] if isinstance(step, str) else step, *rest)
    return None


MAX_CONTENT_TYPE_BYTES = 256
"""Parsing a content type of 150 kB took 10 seconds, measured."""

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"

ACCEPT_PATCH = f"{MERGE_PATCH}, {JSON}"
"""The header `Accept-Patch` (RFC 5789, 3.1) of every resource that has the method."""


def _check_type(content_types: list[bytes], method: str) -> None:
    # With two of them, another reader could choose the other one.
    if len(content_types) != 1 or len(content_types[0]) > MAX_CONTENT_TYPE_BYTES:
        raise NotJson
    if not content_types[0].isascii():  # Python's email package ignores such a charset
        raise NotJson
    _check_json(content_types[0], is_patch=method == "PATCH")


@lru_cache(maxsize=64)  # parsing takes 9 microseconds, and nearly all clients send the same
def _check_json(content_type: bytes, *, is_patch: bool) -> None:
    """Any other `+json` has a meaning of its own, as application/json-patch+json has."""
    message = Message()
    message["content-type"] = content_type.decode()
    kind = message.get_content_type()
    if kind != JSON and not (is_patch and kind == MERGE_PATCH):
        raise NotJson
    if message.get_content_charset("utf-8") not in {"utf-8", "utf8"}:
        raise NotJson("Send the body in UTF-8.")
