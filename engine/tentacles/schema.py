"""The JSON Schema of a tentacle's settings, made of the inputs that it declares to OctoBot."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

_TYPES: dict[str, dict[str, Any]] = {
    "int": {"type": "integer"},
    "float": {"type": "number"},
    "boolean": {"type": "boolean"},
    "options": {},
    "multiple-options": {"type": "array", "uniqueItems": True},
    "text": {"type": "string"},
    "object": {"type": "object"},
    "object_array": {"type": "array"},
    "string_array": {"type": "array"},
}
DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(inputs: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Return the schema of an object with `inputs`, as `UserInput.to_dict` tells them.

    What is told of a choice is in its description alone: which ones there are may depend on the profile.
    """
    known = [each for each in inputs if each["input_type"] in _TYPES]
    return {"$schema": DIALECT, "type": "object", "properties": _properties(known, None, ())}


def _properties(inputs: list[dict[str, Any]], parent: str | None, above: tuple[str, ...]) -> dict[str, Any]:
    children = [each for each in inputs if each["parent_input_name"] == parent]
    return {_key(each["name"]): _property(inputs, each, (*above, each["name"])) for each in children}


def _property(inputs: list[dict[str, Any]], one: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    kind = one["input_type"]
    schema = dict(_TYPES[kind])
    if one["title"]:
        schema["title"] = str(one["title"])
    if kind in {"int", "float"}:
        limits = {"minimum": one["min_val"], "maximum": one["max_val"]}
        schema |= {name: limit for name, limit in limits.items() if isinstance(limit, int | float)}
    if one["options"]:
        schema["description"] = f"One of: {', '.join(str(each) for each in one['options'])}."
    # a tentacle that names itself as its own parent would have no end
    inner = _properties(inputs, one["name"], path) if path.count(one["name"]) == 1 else {}
    if kind == "object":
        schema["properties"] = inner
    elif kind == "object_array":
        schema["items"] = {"type": "object", "properties": inner}
    elif kind in {"string_array", "multiple-options"}:
        schema["items"] = {"type": "string"}
    if _is_json(one["def_val"]):
        schema["default"] = one["def_val"]
    return schema


def _key(name: str) -> str:
    return name.replace(" ", "_")


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return value is not None
