"""The OpenAPI document: valid, complete, and true of the running service (FR-018, SC-005)."""

import json
from typing import Any

import httpx
import jsonschema_rs
import pytest
import schemathesis

from support.calls import CALLS, CONDITIONAL, NO_TASK, REPEATABLE, WITH_BODY, call
from support.people import Person
from support.retries import BATCH
from support.service import settings_for
from taskapi.app import create_app
from taskapi.config import MAX_ID, UserIdType
from taskapi.database.url import DatabaseUrl
from taskapi.openapi.document import openapi_document

Json = dict[str, Any]

AROUND = ["GET /", "GET /livez", "GET /readyz", "GET /metrics"]
PROBLEM = "application/problem+json"

OPERATIONS = {
    "listTasks": "List tasks",
    "createTask": "Create task",
    "batchTasks": "Batch tasks",
    "getTask": "Get task",
    "updateTask": "Update task",
    "patchTask": "Patch task",
    "deleteTask": "Delete task",
    "completeTask": "Complete task",
    "listChanges": "List changes",
    "streamEvents": "Stream events",
    "exportTasks": "Export tasks",
    "importTasks": "Import tasks",
    "getIndex": "Get index",
    "getLiveness": "Get liveness",
    "getReadiness": "Get readiness",
    "getMetrics": "Get metrics",
}
"""By the names that generated clients call them by, which stay as they are."""


@pytest.fixture(scope="module")
def document(http: httpx.Client) -> Json:
    """The document, as a client gets it."""
    answer: Json = http.get("/openapi.json").json()
    return answer


def operation_in(document: Json, operation: str) -> Json:
    """An operation, with what its references to parameters, headers and responses stand for."""
    method, _, path = operation.partition(" ")
    described: Json = resolved(document, document["paths"][path][method.lower()])
    return described


def resolved(document: Json, node: Any) -> Any:
    """A part of the document without references, except to schemas."""
    if isinstance(node, dict):
        reference = node.get("$ref", "#/components/schemas")
        if not reference.startswith("#/components/schemas"):
            _, components, kind, name = reference.split("/")
            return resolved(document, document[components][kind][name])
        return {key: resolved(document, value) for key, value in node.items()}
    return [resolved(document, value) for value in node] if isinstance(node, list) else node


def schema_of(document: Json, media: Json) -> Json:
    """The schema of a media type object, with what its references need."""
    return {**media["schema"], "components": document["components"]}


def examples_of(document: Json, media: Json) -> list[object]:
    """The examples of a media type object, be they its own or those of its schema."""
    own = [example["value"] for example in media.get("examples", {}).values()]
    if own or "example" in media:
        return own or [media["example"]]
    schema = media["schema"]
    name = schema.get("$ref", "").removeprefix("#/components/schemas/")
    examples: list[object] = (document["components"]["schemas"][name] if name else schema).get(
        "examples", []
    )
    return examples


def assert_conforms(document: Json, operation: str, response: httpx.Response) -> None:
    """Hold that the document says of this operation what the service just answered."""
    responses = operation_in(document, operation)["responses"]
    described = responses[str(response.status_code)]
    notable = {"etag", "link", "location", "retry-after", "www-authenticate", "x-request-id"}
    notable.add("preference-applied")
    assert response.headers.keys() & notable <= {name.lower() for name in described["headers"]}
    kind = response.headers.get("Content-Type")
    if kind is None:
        assert "content" not in described
        assert response.content == b""
    else:
        schema = schema_of(document, described["content"][kind])
        content = response.json() if kind in {"application/json", PROBLEM} else response.text
        jsonschema_rs.Draft202012Validator(schema, validate_formats=True).validate(content)


# The document by itself


def test_the_document_is_valid_openapi_3_1(document: Json) -> None:
    assert document["openapi"].startswith("3.1.")
    schemathesis.openapi.from_dict(document).validate()


def test_every_schema_is_valid_json_schema(document: Json) -> None:
    for schema in document["components"]["schemas"].values():
        jsonschema_rs.meta.validate(schema)


def test_equal_parameters_headers_and_responses_are_named_once(document: Json) -> None:
    """Each is written out once, in `components` or in the one operation that has it."""
    operations = [item for path in document["paths"].values() for item in path.values()]
    components = document["components"]
    responses = [*components["responses"].values()]
    responses += [each for item in operations for each in item["responses"].values()]
    parts = {
        "parameters": [each for item in operations for each in item.get("parameters", [])],
        "headers": [each for it in responses for each in it.get("headers", {}).values()],
        "responses": [each for item in operations for each in item["responses"].values()],
    }
    for kind, found in parts.items():
        written = [json.dumps(part) for part in found if "$ref" not in part]
        written += [json.dumps(part) for part in components[kind].values()]
        assert len(set(written)) == len(written), kind
        referred = {part["$ref"].rpartition("/")[2] for part in found if "$ref" in part}
        assert referred == components[kind].keys()


@pytest.mark.parametrize("operation", CALLS)
def test_every_operation_of_the_api_has_every_status_it_can_answer(
    document: Json, operation: str
) -> None:
    expected = {str(CALLS[operation].success), "401", "403", "404", "422", "503"}
    if operation in WITH_BODY:
        expected |= {"413", "415"}
    if CALLS[operation].file is not None:
        expected |= {"408", "413", "415", "429"}
    assert expected <= operation_in(document, operation)["responses"].keys()


@pytest.mark.parametrize("operation", [*CALLS, *AROUND])
def test_every_answer_has_a_schema_and_an_example_that_fits(document: Json, operation: str) -> None:
    for status, described in operation_in(document, operation)["responses"].items():
        assert described["description"]
        if int(status) in {204, 304}:
            assert "content" not in described
            continue
        for kind, media in described["content"].items():
            examples = examples_of(document, media)
            assert examples, (status, kind)
            for example in examples:
                jsonschema_rs.validate(schema_of(document, media), example)


@pytest.mark.parametrize("operation", WITH_BODY)
def test_every_body_has_a_schema_and_an_example_that_fits(document: Json, operation: str) -> None:
    for media in operation_in(document, operation)["requestBody"]["content"].values():
        examples = examples_of(document, media)
        assert examples
        for example in examples:
            jsonschema_rs.validate(schema_of(document, media), example)


@pytest.mark.parametrize("operation", CALLS)
def test_every_parameter_is_described_with_an_example_that_fits(
    document: Json, operation: str
) -> None:
    for parameter in operation_in(document, operation)["parameters"]:
        assert parameter["description"], parameter["name"]
        for example in parameter["schema"]["examples"]:
            jsonschema_rs.validate(parameter["schema"], example)
        assert "anyOf" not in parameter["schema"]  # no address and no header holds a null


@pytest.mark.parametrize("operation", CALLS)
def test_every_header_is_described_with_an_example(document: Json, operation: str) -> None:
    for described in operation_in(document, operation)["responses"].values():
        assert "X-Request-ID" in described["headers"]
        for header in described["headers"].values():
            assert header["description"]
            jsonschema_rs.validate(header["schema"], header["example"])


def parameters_of(document: Json, operation: str) -> set[str]:
    return {parameter["name"] for parameter in operation_in(document, operation)["parameters"]}


def headers_of(document: Json, operation: str, status: int) -> set[str]:
    return set(operation_in(document, operation)["responses"][str(status)]["headers"])


@pytest.mark.parametrize("operation", CALLS)
def test_what_makes_writes_safe_is_described_where_it_is_done(
    document: Json, operation: str
) -> None:
    success, parameters = CALLS[operation].success, parameters_of(document, operation)
    responses = operation_in(document, operation)["responses"]
    assert ("Idempotency-Key" in parameters) is (operation in REPEATABLE)
    assert ("Idempotency-Replayed" in headers_of(document, operation, success)) is (
        operation in REPEATABLE
    )
    told = responses["422"]["content"]["application/json"]["examples"]
    assert ("idempotency_key_reused" in told) is (operation in REPEATABLE)
    assert ("If-Match" in parameters) is (operation in CONDITIONAL)
    assert ("412" in responses) is (operation in {*CONDITIONAL, BATCH})
    has_tag = operation.startswith("GET") and "ETag" in headers_of(document, operation, success)
    assert ("If-None-Match" in parameters) is has_tag
    assert ("304" in responses) is has_tag


def test_a_merge_patch_is_described_by_its_own_type_too(document: Json) -> None:
    described = operation_in(document, "PATCH /api/{user_id}/tasks/{task_id}")["requestBody"]
    assert described["content"].keys() == {"application/json", "application/merge-patch+json"}


def test_an_error_is_described_in_both_its_shapes(document: Json) -> None:
    for operation in CALLS:
        for status, described in operation_in(document, operation)["responses"].items():
            if int(status) >= 400:
                assert described["content"].keys() == {"application/json", PROBLEM}


def test_the_task_as_it_is_now_is_described_in_a_412(document: Json) -> None:
    for operation in CONDITIONAL:
        response = operation_in(document, operation)["responses"]["412"]
        for (kind, described), name in zip(
            response["content"].items(), ("TaskConflict", "TaskConflictProblem"), strict=True
        ):
            assert described["schema"] == {"$ref": f"#/components/schemas/{name}"}, kind
            _, added = document["components"]["schemas"][name]["allOf"]
            assert added["required"] == ["current"]
            assert added["properties"]["current"]["$ref"].endswith("/Task")
            [example] = described["examples"].values()
            assert example["value"]["current"]["title"]


def test_a_token_is_asked_for_under_api_alone(document: Json) -> None:
    [(name, scheme)] = document["components"]["securitySchemes"].items()
    assert scheme | {"description": ""} == {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "",
    }
    assert "security" not in document
    for path, item in document["paths"].items():
        for described in item.values():
            assert described["security"] == ([{name: []}] if path.startswith("/api/") else [])


def test_every_operation_has_a_name_and_a_sentence(document: Json) -> None:
    described = [item for path in document["paths"].values() for item in path.values()]
    assert {item["operationId"]: item["summary"] for item in described} == OPERATIONS
    assert all(item["description"] and item["tags"] for item in described)


def test_ids_are_described_as_they_are_checked(document: Json) -> None:
    parameters = {
        parameter["name"]: parameter
        for parameter in operation_in(document, "GET /api/{user_id}/tasks/{task_id}")["parameters"]
    }
    for name in ("user_id", "task_id"):
        schema = parameters[name]["schema"]
        assert (schema["type"], schema["minimum"]) == ("integer", 1)
        assert schema["maximum"] == MAX_ID
        assert isinstance(schema["maximum"], int)  # a float would be 2^63


@pytest.mark.parametrize(("kind", "format_"), [("text", None), ("uuid", "uuid")])
def test_other_user_ids_are_described_as_strings(
    database: DatabaseUrl, kind: UserIdType, format_: str | None
) -> None:
    app = create_app(settings_for(database, user_id_type=kind))
    document = openapi_document(app.routes, kind)
    [parameter, *_] = operation_in(document, "GET /api/{user_id}/tasks")["parameters"]
    member = document["components"]["schemas"]["Task"]["properties"]["user_id"]
    for schema in (parameter["schema"], member):
        assert (schema["type"], schema.get("format")) == ("string", format_)


# The document and the service


@pytest.mark.parametrize("operation", CALLS)
def test_a_success_is_as_described(document: Json, alice: Person, operation: str) -> None:
    task = alice.create()
    response = call(alice.http, operation, user_id=alice.id, task_id=task["id"], token=alice.token)
    assert response.status_code == CALLS[operation].success
    assert_conforms(document, operation, response)


@pytest.mark.parametrize("accept", ["application/json", PROBLEM])
@pytest.mark.parametrize("operation", CALLS)
def test_every_refusal_is_as_described(
    document: Json, strict: httpx.Client, alice: Person, operation: str, accept: str
) -> None:
    right: Json = {"user_id": alice.id, "token": alice.token, "headers": {"Accept": accept}}
    responses = [
        call(alice.http, operation, **right | {"token": None}),
        call(alice.http, operation, **right | {"token": "nonsense"}),
        call(alice.http, operation, **right | {"user_id": NO_TASK}),
        call(strict, operation, **right),
        call(alice.http, operation, **right, query="?colour=blue"),
    ]
    if operation in WITH_BODY:
        json = {"Accept": accept, "Content-Type": "application/json"}
        large = b" " * (1024 * 1024 + 1)
        responses += [
            call(alice.http, operation, **right | {"headers": json}, content=large),
            call(alice.http, operation, **right, content=b"<a/>"),
            call(alice.http, operation, **right, json=[]),
        ]
    statuses = [401, 401, 403, 404, 422, 413, 415, 422]
    for response, status in zip(responses, statuses, strict=False):
        assert response.status_code == status
        assert_conforms(document, operation, response)


@pytest.mark.parametrize("operation", CALLS)
def test_an_outage_is_as_described(
    document: Json, stranded: httpx.Client, alice: Person, operation: str
) -> None:
    response = call(stranded, operation, user_id=alice.id, token=alice.token)
    assert response.status_code == 503
    assert_conforms(document, operation, response)


@pytest.mark.parametrize("operation", ["GET /", "GET /livez", "GET /readyz"])
def test_what_is_around_the_api_is_as_described(
    document: Json, http: httpx.Client, operation: str
) -> None:
    assert_conforms(document, operation, http.get(operation.removeprefix("GET ")))


def test_not_being_ready_is_as_described(document: Json, stranded: httpx.Client) -> None:
    assert_conforms(document, "GET /readyz", stranded.get("/readyz"))
