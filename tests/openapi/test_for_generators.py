"""What generators of clients need of the OpenAPI document, where no validator asks for it.

`tests/generated` runs four of them. OpenAPI Generator needs a JVM: what it made of the document is
why some of this is held here (docs/decisions/0031).
"""

import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import jsonschema_rs
import pytest
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from support.client_page import TEXT as CLIENT_PAGE
from taskapi.app import API_ROUTES
from taskapi.edge import problem
from taskapi.errors import ApiError
from taskapi.openapi.document import openapi_document

Json = dict[str, Any]

OF_THE_FRAMEWORK = [
    RequestValidationError([]),
    RuntimeError("a bug"),
    *[HTTPException(status) for status in HTTPStatus if status >= HTTPStatus.BAD_REQUEST],
]
"""What becomes a response and is no `ApiError`."""

EITHER: list[Json] = [{"id": 7}, {"key": "c-1"}]
BOTH_OR_NEITHER: list[Json] = [{"id": 7, "key": "c-1"}, {}]


@pytest.fixture(scope="module", params=["integer", "text"])
def document(request: pytest.FixtureRequest) -> Json:
    """The document, for both types of user ids."""
    return openapi_document(API_ROUTES, request.param)


def parts_of(node: Any) -> Iterator[Json]:
    """Every object of the document but those in examples, which are the API's own."""
    if isinstance(node, dict):
        yield node
        node = [value for key, value in node.items() if key not in {"example", "examples"}]
    if isinstance(node, list):
        for value in node:
            yield from parts_of(value)


def schema_of(document: Json, name: str) -> Json:
    schema: Json = document["components"]["schemas"][name]
    return schema


def fits(document: Json, name: str, value: object) -> bool:
    """Whether a value fits a named schema."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document["components"]}
    return jsonschema_rs.is_valid(schema, value)


def test_every_example_fits_its_schema(document: Json) -> None:
    """Wherever both stand: media types, headers, parameters, schemas and parts of schemas."""
    checked = 0
    for part in parts_of(document):
        schema = part.get("schema", part) | {"components": document["components"]}
        named = part.get("examples", [])
        values = [each["value"] for each in named.values()] if isinstance(named, dict) else named
        for value in [*values, *([part["example"]] if "example" in part else [])]:
            jsonschema_rs.validate(schema, value)
            checked += 1
    assert checked > 100


def test_a_task_of_an_example_has_its_members_in_the_order_of_responses(document: Json) -> None:
    written = json.dumps(document)
    assert written.count('"user_id": ') > 3
    fields = list(schema_of(document, "Task")["properties"])
    assert fields == [
        "id",
        "title",
        "description",
        "is_completed",
        "created_at",
        "updated_at",
        "user_id",
    ]
    for task in re.findall(r'{[^{}]*"user_id": [^{}]*}', written):
        assert list(json.loads(task)) == fields


def test_every_integer_that_needs_64_bits_says_so(document: Json) -> None:
    """Java and Kotlin give an integer without a format 32 bits."""
    integers = [
        part for part in parts_of(document) if part.get("type") in ("integer", ["integer", "null"])
    ]
    assert len(integers) > 10
    for integer in integers:
        is_small = "enum" in integer or integer.get("maximum", 2**63) < 2**31
        assert (integer.get("format") == "int64") is not is_small, integer


def test_ids_totals_and_offsets_have_64_bits(document: Json) -> None:
    for schema, members in {
        "Task": ["id"],
        "Change": ["id"],
        "TaskList": ["total", "offset"],
        "BatchUpdate": ["id"],
    }.items():
        for member in members:
            described = schema_of(document, schema)["properties"][member]
            assert (described["type"], described["format"]) == ("integer", "int64"), member


def codes_of(parent: type[ApiError]) -> set[str]:
    own = {parent.code} if hasattr(parent, "code") else set()
    return own.union(*map(codes_of, parent.__subclasses__()))


def test_the_error_codes_are_those_that_the_service_can_send(document: Json) -> None:
    framework = {problem.problem_of(error).code for error in OF_THE_FRAMEWORK}
    assert schema_of(document, "ErrorCode")["enum"] == sorted(codes_of(ApiError) | framework)


def test_the_page_for_clients_says_what_to_do_about_each_error_code(document: Json) -> None:
    codes = schema_of(document, "ErrorCode")["enum"]
    assert [code for code in codes if f"`{code}`" not in CLIENT_PAGE] == []


def test_no_object_is_a_choice_between_alternatives(document: Json) -> None:
    """Generators make a type of each alternative, and forget the members of the object itself."""
    for name, schema in document["components"]["schemas"].items():
        for part in parts_of(schema):
            if "properties" in part:
                assert not part.keys() & {"allOf", "anyOf", "oneOf"}, name


@pytest.mark.parametrize(
    "body",
    [
        {"title": "Buy milk", "description": "Two litres"},
        {"title": "Buy milk"},
        {"title": None, "description": ""},
        {"title": "Buy milk", "description": None, "id": 7, "is_completed": True},
    ],
)
def test_an_update_has_title_or_description_or_both(document: Json, body: Json) -> None:
    assert fits(document, "TaskUpdate", body)


@pytest.mark.parametrize(
    "body", [{}, {"title": None}, {"title": None, "description": None}, {"is_completed": True}]
)
def test_an_update_without_either_breaks_the_schema(document: Json, body: Json) -> None:
    assert not fits(document, "TaskUpdate", body)


@pytest.mark.parametrize("op", ["update", "complete", "delete"])
def test_an_operation_names_its_task_in_one_way(document: Json, op: str) -> None:
    for names in EITHER:
        assert fits(document, "BatchOperation", {"op": op, **names})
    for names in BOTH_OR_NEITHER:
        assert not fits(document, "BatchOperation", {"op": op, **names})


def test_members_that_are_ignored_are_allowed_and_not_offered(document: Json) -> None:
    """So a task that was read can be sent back, and no client shows them as something to set."""
    for name, body in {"TaskPatch": {}, "BatchUpdate": {"op": "update", "key": "c-1"}}.items():
        assert fits(document, name, body | {"user_id": 1, "updated_at": "2026-01-31T09:30:00Z"})
        assert not fits(document, name, body | {"colour": "blue"})
        assert not schema_of(document, name)["properties"].keys() & {"user_id", "updated_at"}


def test_no_two_values_of_an_enumeration_have_one_name(document: Json) -> None:
    """Generators make names of the values, without what no name can have, or take these."""
    enumerations = [part for part in parts_of(document) if isinstance(part.get("enum"), list)]
    assert len(enumerations) > 4
    for part in enumerations:
        names = part.get("x-enum-varnames") or [str(value).strip("-") for value in part["enum"]]
        assert len(set(names)) == len(part["enum"]), part


def test_a_default_makes_no_member_required(document: Json) -> None:
    """openapi-typescript takes a member with a default for one that is always there."""
    for schema in document["components"]["schemas"].values():
        for part in parts_of(schema):
            assert "default" not in part
    create = schema_of(document, "TaskCreate")
    assert create["required"] == ["title"]
    assert "left out" in create["properties"]["is_completed"]["description"]


def test_a_filter_that_is_true_or_false_is_a_boolean(document: Json) -> None:
    described = {
        part["name"]: part["schema"]["type"]
        for part in parts_of(document)
        if "schema" in part
        if part.get("in") == "query"
    }
    assert described["is_completed"] == "boolean"


def test_responses_have_no_union_of_objects(document: Json) -> None:
    """Kotlin makes one class of such a union, which needs all members of all."""
    for name in reachable(document, document["components"]["responses"]) | {"BatchResults"}:
        for part in parts_of(schema_of(document, name)):
            for kind in ("anyOf", "oneOf"):
                assert len([each for each in part.get(kind, ()) if "$ref" in each]) < 2, name


def test_nothing_is_null_alone(document: Json) -> None:
    """OpenAPI Generator's Python stops there, and its Kotlin names a class that is not there."""
    for name in reachable(document, document["paths"]):
        for member in schema_of(document, name).get("properties", {}).values():
            assert member.get("type") != "null", name


def test_null_is_a_type_beside_another(document: Json) -> None:
    """As OpenAPI 3.1 has it. Only a reference needs a union for that."""
    for part in parts_of(document):
        for alternative in part.get("anyOf", ()):
            if alternative == {"type": "null"}:
                assert "$ref" in part["anyOf"][0], part


def test_patterns_are_written_in_what_all_languages_have(document: Json) -> None:
    r"""Printable ASCII, and no construct that means or costs something else elsewhere.

    hey-api writes the character itself for `\u`, even a line break in the middle of a literal.
    """
    patterns = {
        part["pattern"] for part in parts_of(document) if isinstance(part.get("pattern"), str)
    }
    assert len(patterns) >= 4
    for pattern in patterns:
        assert re.fullmatch(r"[ -~]+", pattern)
        assert not re.search(r"\\[uSdDwWbBpPkQE]|\(\?[^:]", pattern), pattern
        re.compile(pattern)


def reachable(document: Json, node: Any) -> set[str]:
    """The names of the schemas that a part of the document refers to."""
    found: set[str] = set()
    new = names_in(node)
    while new:
        found |= new
        new = {each for name in new for each in names_in(schema_of(document, name))} - found
    return found


def names_in(node: Any) -> set[str]:
    references = [part["$ref"] for part in parts_of(node) if "$ref" in part]
    return {each.rpartition("/")[2] for each in references if "/schemas/" in each}


def test_clients_survive_a_member_that_is_new(document: Json) -> None:
    """A later version may add members to responses, so none of their schemas is closed."""
    operations = [item for path in document["paths"].values() for item in path.values()]
    responses = [document["components"]["responses"], *[item["responses"] for item in operations]]
    answered = reachable(document, responses)
    assert answered >= {"Task", "TaskList", "ChangeList", "BatchResult", "TaskConflict"}
    for name in answered:
        for part in parts_of(schema_of(document, name)):
            assert part.get("additionalProperties", True) is not False, name
            assert "propertyNames" not in part, name
