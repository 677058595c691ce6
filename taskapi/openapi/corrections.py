"""What FastAPI and pydantic write of the schemas, made exact, and good for generators of clients.

docs/decisions/0031 says why each of these is done, and which generator needs it.
"""

import json
from collections.abc import Iterator
from typing import Any

from taskapi.config import MAX_ID
from taskapi.openapi.components import Json, operations_of

MAX_INT32 = 2**31 - 1


def correct_bodies(document: Json) -> None:
    """FastAPI describes a body that may be left out as one that may be null; it may not."""
    for operation in operations_of(document):
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            media["schema"] = media["schema"].get("anyOf", [media["schema"]])[0]


def correct_parameters(document: Json) -> None:
    """Nor can a parameter be null: neither a URL nor a header has such a value."""
    for operation in operations_of(document):
        for parameter in operation.get("parameters", ()):
            schema = parameter["schema"]
            [kind, *_] = schema.pop("anyOf", [{}])
            parameter["schema"] = schema = kind | schema
            if description := schema.pop("description", None):
                parameter["description"] = description


def order_examples(document: Json) -> None:
    """Members of examples in the order of their schema, as in responses; pydantic sorts them."""
    models = document["components"]["schemas"].values()
    orders = {frozenset(model.get("properties", ())): model.get("properties") for model in models}
    for node in objects_of(document):
        if order := orders.get(frozenset(node)):
            ordered = {name: node[name] for name in order}
            node.clear()
            node.update(ordered)


def objects_of(node: Any) -> Iterator[Json]:
    """Every object in a part of the document, examples included."""
    if isinstance(node, dict):
        yield node
        node = list(node.values())
    if isinstance(node, list):
        for value in node:
            yield from objects_of(value)


def correct_schemas(document: Json) -> None:
    """Correct each schema of the document, wherever it stands."""
    for schema in list(_schemas(document)):
        schema.pop("title", None)  # pydantic's: the name of the member or of the model once more
        _use_type_null(schema)
        _correct_bounds(schema)
        _say_int64(schema)
        _name_values(schema)
        for member in schema.get("properties", {}).values():
            _describe_default(member)


def _schemas(document: Json) -> Iterator[Json]:
    for schema in document["components"]["schemas"].values():
        yield from _with_parts(schema)
    for operation in operations_of(document):
        holders = [*operation.get("parameters", ())]
        contents = [operation.get("requestBody", {}), *operation["responses"].values()]
        holders += [media for each in contents for media in each.get("content", {}).values()]
        for holder in holders:
            yield from _with_parts(holder["schema"])


def _with_parts(schema: Any) -> Iterator[Json]:
    """A schema, and those that it is made of."""
    if not isinstance(schema, dict):  # a boolean, which allows all or nothing
        return
    yield schema
    for part in schema.get("properties", {}).values():
        yield from _with_parts(part)
    for name in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(name, ()):
            yield from _with_parts(part)
    for name in ("items", "not", "if", "then", "else", "additionalProperties"):
        yield from _with_parts(schema.get(name))


def _use_type_null(schema: Json) -> None:
    """`type: [string, "null"]`, where pydantic writes a union of two schemas."""
    match schema.get("anyOf"):
        case [{"type": str()} as kind, {"type": "null"}]:
            del schema["anyOf"]
            schema |= kind | schema | {"type": [kind["type"], "null"]}


def _correct_bounds(schema: Json) -> None:
    """FastAPI writes 2^63-1 as a float, which is 2^63."""
    for name in ("minimum", "maximum"):
        if name in schema:
            schema[name] = min(int(schema[name]), MAX_ID)


def _say_int64(schema: Json) -> None:
    """Without a format, Java and Kotlin take every integer to have 32 bits."""
    is_small = "enum" in schema or schema.get("maximum", MAX_ID) <= MAX_INT32
    if schema.get("type") in ("integer", ["integer", "null"]) and not is_small:
        schema["format"] = "int64"


def _name_values(schema: Json) -> None:
    """Generators make names of values, and would make the same of `title` and `-title`."""
    values = [str(value) for value in schema.get("enum", ())]
    if any(value.startswith("-") for value in values):
        schema["x-enum-varnames"] = [
            f"{value[1:]}_descending".upper() if value.startswith("-") else value.upper()
            for value in values
        ]


def _describe_default(member: Json) -> None:
    """Say a member's default in words: some generators take it for a member that is always sent."""
    if "default" in member:
        default = f"`{json.dumps(member.pop('default'))}` if it is left out."
        member["description"] = f"{member.get('description', '')} {default}".strip()
