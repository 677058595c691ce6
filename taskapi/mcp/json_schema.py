"""The schemas of tools: JSON Schema 2020-12 in the plain form that all clients and models read.

Without references, because clients dereference them differently or not at all, and without names
that repeat those of the members, because each list of tools stands in a model's context.
"""

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue
from pydantic_core import core_schema

Schema = dict[str, Any]

LEFT_AWAY = {"$defs", "examples", "title"}


class _PlainSchema(GenerateJsonSchema):
    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        """Null is the default of what may be left out, and says nothing more."""
        described = super().default_schema(schema)
        if described.get("default", True) is None:
            del described["default"]
        return described


class _ArgumentSchema(_PlainSchema):
    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        """That null is taken, too, is for models that do not keep to the schema."""
        return self.generate_inner(schema["schema"])


def schema_of(model: type[BaseModel], mode: JsonSchemaMode, user_id: Schema) -> Schema:
    """The schema of a tool's arguments (`validation`) or of what it returns (`serialization`).

    Args:
        model: the type.
        mode: of the two.
        user_id: the schema of user ids.
    """
    generator = _ArgumentSchema if mode == "validation" else _PlainSchema
    schema = model.model_json_schema(mode=mode, schema_generator=generator)
    plain: Schema = _plain(schema, schema.get("$defs", {}), user_id)
    del plain["description"]  # of the model: the tool has one
    return plain


def _plain(schema: Any, definitions: Schema, user_id: Schema) -> Any:
    if isinstance(schema, list):
        return [_plain(each, definitions, user_id) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        referred = definitions[schema["$ref"].rpartition("/")[2]]
        schema = referred | {name: schema[name] for name in schema if name != "$ref"}
    plain = {
        name: _plain(schema[name], definitions, user_id)
        for name in schema
        if name not in LEFT_AWAY | {"properties"}
    }
    if "properties" in schema:
        members = schema["properties"].items()
        plain["properties"] = {
            name: user_id if name == "user_id" else _plain(member, definitions, user_id)
            for name, member in members
        }
    return plain
