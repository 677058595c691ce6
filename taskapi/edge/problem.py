"""How an error becomes a response: its status, code and headers, in one of two shapes of JSON."""

import json
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, NamedTuple

from fastapi.exceptions import RequestValidationError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Scope

from taskapi.errors import ApiError, TooManyRequests, VersionMismatch

PROBLEM_JSON = "application/problem+json"

PROBLEM_TYPES = "https://iana.org/assignments/http-problem-types#"

ERROR_BODY = "error_body"
"""A member of the ASGI scope's state: a `BodyOf`, where the clients of a route expect errors in a
shape of their protocol."""

NO_HEADERS: Mapping[str, str] = {}

NO_EXTRA: Mapping[str, Any] = {}

PHRASES = {413: "Content Too Large", 422: "Unprocessable Content"}
"""As RFC 9110 names them, and Python only from 3.13 on: generators make names of them."""

FRAMEWORK_ERRORS: Mapping[int, tuple[str, str]] = {
    404: ("route_not_found", "There is no route with this path."),
    405: ("method_not_allowed", "This path does not have that method."),
}
"""Code and sentence for what the framework refuses by itself."""

OTHER_REFUSAL = ("bad_request", "The request is malformed.")
"""Likewise, with any other status."""

VALIDATION_FAILED = "validation_failed"
INTERNAL_ERROR = "internal_error"

FRAMEWORK_CODES = {code for code, _ in (*FRAMEWORK_ERRORS.values(), OTHER_REFUSAL)} | {
    VALIDATION_FAILED,
    INTERNAL_ERROR,
}
"""The codes of all errors that are no `ApiError`."""


class Problem(NamedTuple):
    """What both shapes are made of.

    Attributes:
        errors: for 422, each broken rule with its `loc`, `msg` and `type`.
        extra: for RFC 9457: `type` and `title`, where they say more than the status, and members
            of that type.
        current: for 412, the JSON of the row as it is now.
    """

    status: HTTPStatus
    code: str
    detail: str
    headers: Mapping[str, str] = NO_HEADERS
    errors: tuple[dict[str, Any], ...] = ()
    extra: Mapping[str, Any] = NO_EXTRA
    current: bytes | None = None


def problem_of(error: Exception) -> Problem:
    """The one place that says which error has which status, code and headers."""
    match error:
        case TooManyRequests():
            extra = type_of_limit(type(error))
            return Problem(error.status, error.code, error.detail, error.headers, extra=extra)
        case VersionMismatch():
            current = error.current
            return Problem(error.status, error.code, error.detail, error.headers, current=current)
        case ApiError():
            item = {"loc": list(error.loc), "msg": error.detail, "type": error.code}
            errors = (item,) if error.loc else ()
            return Problem(error.status, error.code, error.detail, error.headers, errors)
        case RequestValidationError():
            return Problem(
                HTTPStatus.UNPROCESSABLE_ENTITY,
                VALIDATION_FAILED,
                "The request is not valid.",
                errors=tuple(map(broken_rule, error.errors())),
            )
        case HTTPException():
            code, detail = FRAMEWORK_ERRORS.get(error.status_code, OTHER_REFUSAL)
            return Problem(HTTPStatus(error.status_code), code, detail, error.headers or NO_HEADERS)
        case _:
            return Problem(
                HTTPStatus.INTERNAL_SERVER_ERROR,
                INTERNAL_ERROR,
                "An internal error occurred. The log has it under this request_id.",
            )


def type_of_limit(kind: type[TooManyRequests]) -> dict[str, Any]:
    """What a problem says of a limit (draft-ietf-httpapi-ratelimit-headers-11, 5)."""
    return {
        "type": PROBLEM_TYPES + kind.problem_type,
        "title": kind.title,
        "violated-policies": [kind.name],
    }


BodyOf = Callable[[Problem, str], dict[str, Any]]
"""The JSON of a problem, given the id of the request."""


def broken_rule(item: dict[str, Any]) -> dict[str, Any]:
    """One of pydantic's errors, as clients get it."""
    # Without the input, which may be large, secret, or not representable in JSON.
    message = item["msg"].removeprefix("Value error, ")
    return {"loc": list(item["loc"]), "msg": message, "type": item["type"]}


def error_body(problem: Problem, request_id: str) -> dict[str, Any]:
    """The shape that clients get unless they ask for the other one."""
    detail = list(problem.errors) or problem.detail
    return {"detail": detail, "code": problem.code, "request_id": request_id}


def problem_body(problem: Problem, request_id: str) -> dict[str, Any]:
    """The shape of RFC 9457, for `Accept: application/problem+json`."""
    body = {
        "type": "about:blank",
        "title": reason_phrase(problem.status),
        "status": int(problem.status),
        "code": problem.code,
        "detail": problem.detail,
    }
    errors = {"errors": list(problem.errors)} if problem.errors else {}
    return body | dict(problem.extra) | errors | {"request_id": request_id}


def reason_phrase(status: int) -> str:
    """The reason phrase of a status (RFC 9110, 15), the same with every Python."""
    return PHRASES.get(status, HTTPStatus(status).phrase)


def error_response(error: Exception, scope: Scope) -> Response:
    """The response to an error, in the shape that the client accepts."""
    return problem_response(problem_of(error), scope)


def problem_response(problem: Problem, scope: Scope) -> Response:
    """The response that says this, in the shape of the route, or that the client accepts."""
    own: BodyOf | None = scope["state"].get(ERROR_BODY)
    rfc_9457 = own is None and PROBLEM_JSON in Headers(scope=scope).get("accept", "")
    body = own or (problem_body if rfc_9457 else error_body)
    content = json.dumps(body(problem, scope["state"]["request_id"])).encode()
    if problem.current is not None:  # JSON of the database, which is not parsed for this
        content = b'%b,"current":%b}' % (content[:-1], problem.current)
    return Response(
        content,
        status_code=problem.status,
        headers=dict(problem.headers),
        media_type=PROBLEM_JSON if rfc_9457 else "application/json",
    )
