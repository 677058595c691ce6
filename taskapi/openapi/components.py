"""Names parts of the document under `components`, equal ones once, and refers to them.

All operations have nearly the same errors. Without this, 69 responses of which 21 differ were two
thirds of the document's 208 kB.
"""

import json
from collections import defaultdict
from collections.abc import Iterator
from http import HTTPStatus
from typing import Any, NamedTuple

Json = dict[str, Any]

SCHEMAS = "#/components/schemas/"

SCHEMA_NAME = "x-schema-name"
"""In a schema that a declaration writes in place: the name that it has in the document."""

READ = "Read"
"""Behind the name of a resource: the model of what clients receive, which has the plain name."""


class Slot(NamedTuple):
    """Where a part stands, and the name that it would have under `components`."""

    container: Any
    key: Any
    name: str


def operations_of(document: Json) -> Iterator[Json]:
    """Every operation of a document."""
    for path in document["paths"].values():
        yield from path.values()


def name_schemas(document: Json) -> None:
    """Move each schema with a `SCHEMA_NAME` to `components`: generators make its type of the name.

    Where a model ends with `READ`, the resource's own name is the published one.
    """
    schemas: Json = document["components"]["schemas"]
    for part in (schemas, document["paths"]):
        for key, value in list(part.items()):
            part[key] = _without_named(value, schemas)
    published = {name.removesuffix(READ): schema for name, schema in schemas.items()}
    document["components"]["schemas"] = dict(sorted(published.items()))


def _without_named(node: Any, named: Json) -> Any:
    if isinstance(node, list):
        return [_without_named(value, named) for value in node]
    if not isinstance(node, dict):
        is_reference = isinstance(node, str) and node.startswith(SCHEMAS)
        return node.removesuffix(READ) if is_reference else node
    copy = {key: _without_named(value, named) for key, value in node.items()}
    if (name := copy.pop(SCHEMA_NAME, None)) is None:
        return copy
    named[name] = copy
    return {"$ref": f"{SCHEMAS}{name}"}


def name_equal_parts(document: Json) -> None:
    """Replace parameters, headers and responses that occur more than once by references."""
    _name_equal(document, "parameters", list(_parameters(document)))
    _name_equal(document, "headers", list(_headers(document)))
    _name_equal(document, "responses", list(_responses(document)))  # which refer to the headers


def _parameters(document: Json) -> Iterator[Slot]:
    for operation in operations_of(document):
        parameters = operation.get("parameters", [])
        for position, parameter in enumerate(parameters):
            yield Slot(parameters, position, parameter["name"])


def _headers(document: Json) -> Iterator[Slot]:
    for operation in operations_of(document):
        for response in operation["responses"].values():
            for name in response.get("headers", {}):
                yield Slot(response["headers"], name, name)


def _responses(document: Json) -> Iterator[Slot]:
    for operation in operations_of(document):
        for status, response in operation["responses"].items():
            yield Slot(operation["responses"], status, _response_name(int(status), response))


def _response_name(status: int, response: Json) -> str:
    """An error's is its reason phrase; a success is named for what it has."""
    content = response.get("content", {}).get("application/json")
    if status < HTTPStatus.BAD_REQUEST and content is not None and "$ref" in content["schema"]:
        return f"{content['schema']['$ref'].removeprefix(SCHEMAS)}Response"
    return _pascal_case(response["description"])


def _pascal_case(text: str) -> str:
    words = text.replace(",", "").replace("-", " ").split()
    return "".join(word[0].upper() + word[1:] for word in words)


def _name_equal(document: Json, kind: str, slots: list[Slot]) -> None:
    """Name the parts that occur more than once; of two with one name, the second stays in place."""
    equal: dict[str, list[Slot]] = defaultdict(list)
    for slot in slots:
        equal[json.dumps(slot.container[slot.key], sort_keys=True)].append(slot)
    named = document["components"].setdefault(kind, {})
    for copies in equal.values():
        first = copies[0]
        if len(copies) > 1 and first.name not in named:
            named[first.name] = first.container[first.key]
            for slot in copies:
                slot.container[slot.key] = {"$ref": f"#/components/{kind}/{first.name}"}
