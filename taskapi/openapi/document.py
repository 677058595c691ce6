"""The OpenAPI document: what FastAPI makes of the routes, corrected, and without repetitions."""

from collections.abc import Sequence
from typing import Any

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from taskapi import __version__
from taskapi.config import MAX_ID, UserIdType
from taskapi.openapi.components import name_equal_parts, operations_of
from taskapi.openapi.responses import Problem

DESCRIPTION = """
Tasks of a user, safe behind a JWT.

Get a token from Better Auth (`authClient.token()`), or from `taskapi token --user-id 1` in
development; press **Authorize**, paste it, and try the operations out with the token's own user id
in the path.
"""

USER_ID_SCHEMAS: dict[UserIdType, dict[str, Any]] = {
    "integer": {"type": "integer", "minimum": 1, "maximum": MAX_ID, "examples": [1]},
    "text": {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Kx3mQ9vT2bLw"]},
    "uuid": {
        "type": "string",
        "format": "uuid",
        "examples": ["0b54c9e5-6f0a-4c0e-9f0e-2d0c8a1b7e63"],
    },
}


BESIDE_THE_DOCUMENT = "."
"""Relative to where a client has read the document (OpenAPI 3.1, 4.8.5), below whatever prefix."""


def openapi_document(
    routes: Sequence[BaseRoute], user_id_type: UserIdType, public_url: str | None = None
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of these routes.

    Args:
        routes: with their operations.
        user_id_type: the type of user ids.
        public_url: how clients reach the service. None: the document is served beside the API.
    """
    document = get_openapi(
        title="taskapi",
        version=__version__,
        description=DESCRIPTION.strip(),
        routes=routes,
        servers=[{"url": public_url or BESIDE_THE_DOCUMENT}],
        license_info={"name": "MIT", "identifier": "MIT"},
        tags=[
            {"name": "tasks", "description": "A user's own tasks."},
            {"name": "changes", "description": "What has changed, to keep a copy in step."},
            {"name": "operations", "description": "For operators and their tools. No token."},
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
    name_equal_parts(published)
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
    for operation in operations_of(document):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "user_id":
                parameter["schema"] = schema


def _omit_null_bodies(document: dict[str, Any]) -> None:
    """FastAPI describes a body that may be left out as one that may be null; it may not."""
    for operation in operations_of(document):
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            media["schema"] = media["schema"].get("anyOf", [media["schema"]])[0]


def _omit_null_parameters(document: dict[str, Any]) -> None:
    """Nor can a parameter be null: neither a URL nor a header has such a value."""
    for operation in operations_of(document):
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
