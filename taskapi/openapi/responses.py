"""What routes declare their responses with: statuses, headers, errors and examples."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel

from taskapi.edge import problem
from taskapi.errors import IdempotencyKeyReused, TooManyRequests
from taskapi.openapi.components import READ, SCHEMA_NAME
from taskapi.openapi.error_bodies import ErrorBody, Problem, kinds_of_errors

Responses = dict[int | str, dict[str, Any]]
"""What FastAPI takes as `responses` of a route."""


EXAMPLE_REQUEST_ID = "0f9c5a4be1d94f0c8f3f5f0f6a1d2c3b"

EXAMPLE_CURSOR = "AXZtgK8rpaiiAAAAAAAAAAEABkmru9n4QA"
"""Of user 1's list, newest first, behind the example task."""

HEADERS = {
    "Content-Disposition": (
        "Under which name a browser stores the file (RFC 6266).",
        'attachment; filename="tasks-2026-01-31.csv"',
    ),
    "ETag": ("The version of the content (RFC 9110).", '"63f4a1c2b7d40"'),
    "Idempotency-Replayed": (
        "Only where an earlier request with the same key took effect.",
        "true",
    ),
    "Link": (
        "The next page (RFC 8288), if there is one.",
        f'</api/1/tasks?cursor={EXAMPLE_CURSOR}>; rel="next"',
    ),
    "Location": ("The URL of the new task.", "/api/1/tasks/1"),
    "Preference-Applied": ("Which of your preferences were met (RFC 7240).", "handling=strict"),
    "RateLimit": (
        "What is left, and for how many seconds (draft-ietf-httpapi-ratelimit-headers-11).",
        '"user";r=0;t=1',
    ),
    "RateLimit-Policy": ("The limit, and its seconds (the same draft).", '"user";q=300;w=10'),
    "Retry-After": ("Seconds until another try makes sense.", "1"),
    "WWW-Authenticate": (
        "What is wrong with the token (RFC 6750).",
        'Bearer realm="taskapi", error="invalid_token", error_description="The token has expired."',
    ),
    "X-Request-ID": ("The id of this request in the logs.", EXAMPLE_REQUEST_ID),
}
"""The description of each, and an example."""

ERROR_HEADERS = {
    401: ("WWW-Authenticate",),
    412: ("ETag",),
    429: ("Retry-After", "RateLimit", "RateLimit-Policy"),
    503: ("Retry-After",),
}

KEY_REUSED = "Unprocessable Content, or Idempotency-Key reused"
"""The 422 of routes that take an `Idempotency-Key`: another response, and so another name."""


def returns(status: int, *headers: str, example: object = None) -> Responses:
    """The `responses` of a route that succeeds with this status and these headers.

    Args:
        status: of the response.
        headers: names from `HEADERS`.
        example: of the JSON, where its type has none.
    """
    described = {"description": problem.reason_phrase(status), "headers": _headers(*headers)}
    content = {"content": {"application/json": {"example": example}}} if example else {}
    return {status: described | content}


def errors(
    *statuses: int, keyed: bool = False, current: type[BaseModel] | None = None
) -> Responses:
    """The `responses` of a route that may respond with these errors, each with its examples.

    Args:
        statuses: of the errors.
        keyed: whether the route takes an `Idempotency-Key`, which may have been used before.
        current: what a 412 has as its member `current`; its schema has an example.
    """
    described: Responses = {status: _error_response(status, keyed=keyed) for status in statuses}
    if current is not None:
        _add_current(described[HTTPStatus.PRECONDITION_FAILED], current)
    return described


def _headers(*names: str) -> dict[str, Any]:
    described = {name: HEADERS[name] for name in (*names, "X-Request-ID")}
    return {
        name: {"description": description, "schema": {"type": "string"}, "example": example}
        for name, (description, example) in described.items()
    }


def _error_response(status: int, *, keyed: bool) -> dict[str, Any]:
    problems = _problems(status)
    description = problem.reason_phrase(status)
    if keyed and status == IdempotencyKeyReused.status:
        problems.append(problem.problem_of(IdempotencyKeyReused()))
        description = KEY_REUSED
    return {
        "description": description,
        "model": ErrorBody,
        "headers": _headers(*ERROR_HEADERS.get(status, ())),
        "content": {
            "application/json": {"examples": _examples(problem.error_body, problems)},
            problem.PROBLEM_JSON: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": _examples(problem.problem_body, problems),
            },
        },
    }


def _add_current(response: dict[str, Any], model: type[BaseModel]) -> None:
    """Describe the member that `problem.error_response` adds to both shapes."""
    [example, *_] = model.model_json_schema()["examples"]
    current = {name: example[name] for name in model.model_fields if name in example}
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    member = {"type": "object", "properties": {"current": reference}, "required": ["current"]}
    name = f"{model.__name__.removesuffix(READ)}Conflict"
    del response["model"]  # for which FastAPI would write a schema of its own
    for kind, shape, suffix in (
        ("application/json", ErrorBody, ""),
        (problem.PROBLEM_JSON, Problem, "Problem"),
    ):
        described = response["content"][kind]
        base = {"$ref": f"#/components/schemas/{shape.__name__}"}
        described["schema"] = {SCHEMA_NAME: name + suffix, "allOf": [base, member]}
        for each in described["examples"].values():
            each["value"] |= {"current": current}


def _problems(status: int) -> list[problem.Problem]:
    """Every problem with this status, as the service itself responds to it."""
    if status == HTTPStatus.UNPROCESSABLE_ENTITY:
        missing = {"loc": ["body", "title"], "msg": "Field required", "type": "missing"}
        return [problem.problem_of(RequestValidationError([missing]))]
    return [
        problem.Problem(
            kind.status,
            kind.code,
            kind.detail,
            extra=problem.type_of_limit(kind) if issubclass(kind, TooManyRequests) else {},
        )
        for kind in kinds_of_errors()
        if kind.status == status
    ]


def _examples(
    body: Callable[[problem.Problem, str], dict[str, Any]], problems: list[problem.Problem]
) -> dict[str, Any]:
    return {each.code: {"value": body(each, EXAMPLE_REQUEST_ID)} for each in problems}
