"""What the OpenAPI document says beyond what the routes' types say."""

from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.routing import BaseRoute

from taskapi import __version__
from taskapi.config import MAX_ID, UserIdType
from taskapi.errors import (
    PROBLEM_JSON,
    ApiError,
    IdempotencyKeyReused,
    plain,
    problem_of,
    rfc_9457,
)

DESCRIPTION = """
Tasks of a user, safe behind a JWT.

Get a token from Better Auth (`authClient.token()`), or from `taskapi token --user-id 1` in
development; press **Authorize**, paste it, and try the operations out with the token's own user id
in the path.
"""

USER_ID_SCHEMAS: dict[UserIdType, dict[str, Any]] = {
    "integer": {"type": "integer", "minimum": 1, "maximum": MAX_ID, "examples": [1]},
    "text": {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Kx3mQ9vT2bLw"]},
}


class ErrorItem(BaseModel):
    """One broken rule of a request: where, which, and in words."""

    loc: list[str | int]
    msg: str
    type: str


class Error(BaseModel):
    """Every error. `detail` is a sentence, or for 422 the list of broken rules."""

    detail: str | list[ErrorItem]
    code: str
    request_id: str


class Problem(BaseModel):
    """The same as RFC 9457 has it, for `Accept: application/problem+json`."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: list[ErrorItem] | None = None
    request_id: str


EXAMPLE_REQUEST_ID = "0f9c5a4be1d94f0c8f3f5f0f6a1d2c3b"

EXAMPLE_CURSOR = "AXZtgK8rpaiiAAAAAAAAAAEABkmru9n4QA"
"""Of user 1's list, newest first, behind the example task."""

HEADERS = {
    "ETag": ("The version of what is sent (RFC 9110).", '"63f4a1c2b7d40"'),
    "Idempotency-Replayed": ("Only where this is the kept answer to an earlier request.", "true"),
    "Link": (
        "The next page (RFC 8288), where there is one.",
        f'</api/1/tasks?cursor={EXAMPLE_CURSOR}>; rel="next"',
    ),
    "Location": ("Where the new task is.", "/api/1/tasks/1"),
    "Retry-After": ("Seconds after which another try makes sense.", "1"),
    "WWW-Authenticate": (
        "What is wrong with the token (RFC 6750).",
        'Bearer realm="taskapi", error="invalid_token", error_description="The token has expired."',
    ),
    "X-Request-ID": ("Names this exchange in the logs.", EXAMPLE_REQUEST_ID),
}
"""What each says, and an example."""

ERROR_HEADERS = {401: ("WWW-Authenticate",), 412: ("ETag",), 503: ("Retry-After",)}


def answers(status: int, *headers: str, example: object = None) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that succeeds with this status and these headers.

    Args:
        status: of the answer.
        headers: names from `HEADERS`.
        example: of the JSON, where its type has none.
    """
    described = {"description": HTTPStatus(status).phrase, "headers": _headers(*headers)}
    content = {"content": {"application/json": {"example": example}}} if example else {}
    return {status: described | content}


def errors(*statuses: int, keyed: bool = False) -> dict[int | str, dict[str, Any]]:
    """The `responses` of a route that may answer with these errors, each with its examples.

    Args:
        statuses: of the errors.
        keyed: whether the route takes an `Idempotency-Key`, which may have been used before.
    """
    return {status: _error_response(status, keyed=keyed) for status in statuses}


def _headers(*names: str) -> dict[str, Any]:
    told = {name: HEADERS[name] for name in (*names, "X-Request-ID")}
    return {
        name: {"description": description, "schema": {"type": "string"}, "example": example}
        for name, (description, example) in told.items()
    }


def _error_response(status: int, *, keyed: bool) -> dict[str, Any]:
    problems = _problems(status, keyed=keyed)
    return {
        "description": HTTPStatus(status).phrase,
        "model": Error,
        "headers": _headers(*ERROR_HEADERS.get(status, ())),
        "content": {
            "application/json": {"examples": _examples(plain, problems)},
            PROBLEM_JSON: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": _examples(rfc_9457, problems),
            },
        },
    }


def _problems(status: int, *, keyed: bool) -> list[dict[str, Any]]:
    """What can lead to this status, as the service itself would say it."""
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        missing = {"loc": ["body", "title"], "msg": "Field required", "type": "missing"}
        broken = problem_of(RequestValidationError([missing]))
        return [broken, problem_of(IdempotencyKeyReused())] if keyed else [broken]
    return [
        {"status": kind.status, "code": kind.code, "detail": kind.detail}
        for kind in _kinds(ApiError)
        if kind.status == status
    ]


def _examples(
    shape: Callable[[dict[str, Any], str], dict[str, Any]], problems: list[dict[str, Any]]
) -> dict[str, Any]:
    return {problem["code"]: {"value": shape(problem, EXAMPLE_REQUEST_ID)} for problem in problems}


def _kinds(parent: type[ApiError]) -> list[type[ApiError]]:
    children = parent.__subclasses__()
    named = [child for child in children if hasattr(child, "code")]
    return named + [kind for child in children for kind in _kinds(child)]


def openapi_document(routes: Sequence[BaseRoute], user_id_type: UserIdType) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes, with user ids of this type."""
    document = get_openapi(
        title="taskapi",
        version=__version__,
        description=DESCRIPTION.strip(),
        routes=routes,
        license_info={"name": "MIT", "identifier": "MIT"},
        tags=[
            {"name": "tasks", "description": "What a user does with their own tasks."},
            {"name": "operations", "description": "What runs the service looks at. No token."},
        ],
    )
    schemas = document["components"]["schemas"]
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    problem.pop("$defs")
    schemas["Problem"] = problem
    _type_user_ids(document, USER_ID_SCHEMAS[user_id_type])
    _omit_null_bodies(document)
    _omit_null_parameters(document)
    exact: dict[str, Any] = _exact(document)
    published: dict[str, Any] = _published(exact)
    return published


def _published(node: Any) -> Any:
    """The document with each schema `…Read` under the name of its resource."""
    if isinstance(node, dict):
        return {key.removesuffix("Read"): _published(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_published(value) for value in node]
    is_reference = isinstance(node, str) and node.startswith("#/components/schemas/")
    return node.removesuffix("Read") if is_reference else node


def _type_user_ids(document: dict[str, Any], schema: dict[str, Any]) -> None:
    document["components"]["schemas"]["TaskRead"]["properties"]["user_id"] = schema
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                if parameter["name"] == "user_id":
                    parameter["schema"] = schema


def _omit_null_bodies(document: dict[str, Any]) -> None:
    """A body that may be left out is none that may be null, which FastAPI makes of it."""
    for path in document["paths"].values():
        for operation in path.values():
            for media in operation.get("requestBody", {"content": {}})["content"].values():
                media["schema"] = media["schema"].get("anyOf", [media["schema"]])[0]


def _omit_null_parameters(document: dict[str, Any]) -> None:
    """A parameter that may be left out cannot be null either: no address and no header has one."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation.get("parameters", ()):
                schema = parameter["schema"]
                [kind, *_] = schema.pop("anyOf", [{}])
                parameter["schema"] = schema = kind | schema
                if description := schema.pop("description", None):
                    parameter["description"] = description


def _exact(node: Any) -> Any:
    """Bounds of integers as integers: FastAPI writes 2^63-1 as a float, which is 2^63."""
    if isinstance(node, dict):
        return {key: _exact(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_exact(value) for value in node]
    if isinstance(node, float) and node.is_integer():
        return min(int(node), MAX_ID)
    return node
