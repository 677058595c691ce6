"""The OpenAPI document: what FastAPI makes of the routes, corrected, and without repetitions."""

from collections.abc import Sequence

from fastapi.openapi.utils import get_openapi
from starlette.routing import BaseRoute

from taskapi import __version__
from taskapi.config import MAX_ID, UserIdType
from taskapi.openapi.components import (
    SCHEMAS,
    Json,
    name_equal_parts,
    name_schemas,
    operations_of,
)
from taskapi.openapi.corrections import (
    correct_bodies,
    correct_parameters,
    correct_schemas,
    objects_of,
    order_examples,
)
from taskapi.openapi.error_bodies import Problem

DESCRIPTION = """
Tasks of a user, safe behind a JWT.

Get a token from Better Auth (`authClient.token()`), or from `taskapi token --user-id 1` in
development; press **Authorize**, paste it, and try the operations out with the token's own user id
in the path.
"""

USER_ID_SCHEMAS: dict[UserIdType, Json] = {
    "integer": {"type": "integer", "minimum": 1, "maximum": MAX_ID, "examples": [1]},
    "text": {"type": "string", "minLength": 1, "maxLength": 255, "examples": ["Kx3mQ9vT2bLw"]},
}


BESIDE_THE_DOCUMENT = "."
"""Relative to where a client has read the document (OpenAPI 3.1, 4.8.5), below whatever prefix."""


def openapi_document(
    routes: Sequence[BaseRoute], user_id_type: UserIdType, public_url: str | None = None
) -> Json:
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
    problem = Problem.model_json_schema(ref_template=SCHEMAS + "{model}")
    problem.pop("$defs")
    document["components"]["schemas"]["Problem"] = problem
    _type_user_ids(document, USER_ID_SCHEMAS[user_id_type])
    _say_where_no_token_is_needed(document)
    correct_bodies(document)
    correct_parameters(document)
    name_schemas(document)
    correct_schemas(document)
    order_examples(document)
    name_equal_parts(document)
    return document


def _type_user_ids(document: Json, schema: Json) -> None:
    for model in document["components"]["schemas"].values():
        if "user_id" in model.get("properties", {}):
            model["properties"]["user_id"] = dict(schema)
    for operation in operations_of(document):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "user_id":
                parameter["schema"] = dict(schema)
    for example in objects_of(document):
        if isinstance(example.get("user_id"), int):
            example["user_id"] = schema["examples"][0]


def _say_where_no_token_is_needed(document: Json) -> None:
    for operation in operations_of(document):
        operation.setdefault("security", [])
