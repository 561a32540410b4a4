"""The JSON Schema that is made of the inputs a tentacle declares."""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from octobot_commons.configuration.user_inputs import UserInput
from octobot_commons.enums import UserInputTypes

from engine.tentacles.schema import schema_of


def declared(name: str, kind: UserInputTypes, default: Any, **more: Any) -> dict[str, Any]:
    told: dict[str, Any] = UserInput(name, kind, default, default, "trading_mode", "KnobTradingMode", **more).to_dict()
    return told


def test_every_kind_of_input_has_its_type() -> None:
    kinds = {kind: declared(kind.value, kind, None) for kind in UserInputTypes}
    types = {name: schema.get("type") for name, schema in schema_of(kinds.values())["properties"].items()}
    assert types == {
        "int": "integer",
        "float": "number",
        "boolean": "boolean",
        "options": None,
        "multiple-options": "array",
        "text": "string",
        "object": "object",
        "object_array": "array",
        "string_array": "array",
    }


def test_limits_titles_choices_and_defaults_are_told() -> None:
    schema = schema_of(
        [
            declared("fall percent", UserInputTypes.FLOAT, 3, min_val=0, max_val=90, title="How deep."),
            declared("when", UserInputTypes.OPTIONS, "a", options=["a", "b"]),
            declared("odd", UserInputTypes.FLOAT, float("nan"), min_val="low"),
        ]
    )
    Draft202012Validator.check_schema(schema)
    assert schema["properties"] == {
        "fall_percent": {"type": "number", "title": "How deep.", "minimum": 0, "maximum": 90, "default": 3},
        "when": {"description": "One of: a, b.", "default": "a"},
        "odd": {"type": "number"},
    }


def test_inputs_within_others_are_nested_and_loops_end() -> None:
    schema = schema_of(
        [
            declared("pairs", UserInputTypes.OBJECT_ARRAY, []),
            declared("pair", UserInputTypes.TEXT, "BTC/USDT", parent_input_name="pairs"),
            declared("spread", UserInputTypes.OBJECT, None, parent_input_name="pairs"),
            declared("low", UserInputTypes.INT, 1, parent_input_name="spread"),
            declared("loop", UserInputTypes.OBJECT, None),
            declared("loop", UserInputTypes.OBJECT, None, parent_input_name="loop"),
        ]
    )
    inner = schema["properties"]["pairs"]["items"]["properties"]
    assert inner["spread"]["properties"]["low"] == {"type": "integer", "default": 1}
    faults = Draft202012Validator(schema).iter_errors({"pairs": [{"pair": 5, "spread": {"low": "x"}}]})
    assert sorted(".".join(map(str, fault.absolute_path)) for fault in faults) == ["pairs.0.pair", "pairs.0.spread.low"]
    assert set(schema["properties"]["loop"]["properties"]) == {"loop"}
