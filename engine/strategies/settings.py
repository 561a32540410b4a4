"""Settings of strategies: read strictly, stored as JSON, described by a JSON Schema."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from utils.errors import FieldError, Refused
from utils.wire import TIMEFRAMES

Timeframe = Literal["1m", "3m", "5m", "15m", "30m", "1h", "2h", "4h", "6h", "12h", "1d"]
_WHERE = re.compile(r"^(?P<what>.*?)(?: - at `\$\.?(?P<field>[^`]*)`)?$", re.DOTALL)
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_MISSING = re.compile(r"required field `([^`]*)`")

if set(get_args(Timeframe)) != TIMEFRAMES.keys():
    raise RuntimeError("the time frames of strategies are not those of markets")


def number(description: str, *, low: str, high: str) -> Meta:
    """Return what is known of a decimal setting, with its bounds, both of them allowed."""
    told = {"minimum": float(low), "maximum": float(high)}
    return Meta(description=description, extra_json_schema=told, extra={"low": Decimal(low), "high": Decimal(high)})


Share = Annotated[Decimal, number("Percent of what is free in the quote currency.", low="0.1", high="100")]
OrderValue = Annotated[Decimal, number("Worth of an order, in the quote currency.", low="0.01", high="1000000000")]


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the settings of every class; each field has a default and says what it is."""

    def check(self) -> None:
        """Hold fields against each other. :raises ValueError: with the sentence that says what does not fit."""


def read[Chosen: Settings](kind: type[Chosen], given: dict[str, Any]) -> Chosen:
    """Return settings of `kind`, the defaults where nothing is given.

    :raises Refused: `invalid_settings`, the setting at fault by its name; nothing of them is taken then.
    """
    try:
        settings = msgspec.convert(_exact(given), kind, strict=False)
    except msgspec.ValidationError as error:
        found = _WHERE.match(str(error))
        what, field = (found["what"], found["field"]) if found else (str(error), None)
        named = _UNKNOWN.search(what) or _MISSING.search(what)
        raise refused(named[1] if named else field or "", what) from None
    for name, hint in get_type_hints(kind, include_extras=True).items():
        _check_bounds(name, hint, getattr(settings, name))
    try:
        settings.check()
    except ValueError as error:
        raise refused("", str(error)) from None
    return settings


def stored(settings: Settings) -> dict[str, Any]:
    """Return settings as they are stored and shown: decimals are strings."""
    written: dict[str, Any] = msgspec.to_builtins(settings)
    return written


def schema(kind: type[Settings]) -> dict[str, Any]:
    """Return the JSON Schema of settings, by itself."""
    (_,), components = msgspec.json.schema_components([kind])
    written: dict[str, Any] = components[kind.__name__]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": _with_numbers(written["properties"]),
        "additionalProperties": False,
    }


def _with_numbers(node: Any) -> Any:
    """Return a part of a schema that also takes JSON numbers where it takes decimals."""
    if isinstance(node, list):
        return [_with_numbers(each) for each in node]
    if not isinstance(node, dict):
        return node
    inner = {name: _with_numbers(value) for name, value in node.items()}
    return {**inner, "type": ["string", "number"]} if node.get("format") == "decimal" else inner


def _exact(value: Any) -> Any:
    """Return `value` with its floats as the decimals they were written as."""
    if isinstance(value, dict):
        return {name: _exact(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_exact(each) for each in value]
    if isinstance(value, Decimal) and value == value.to_integral_value() and abs(value) < 2**53:
        return int(value)  # what arrives as JSON's 3 may be a whole number or a decimal
    return Decimal(repr(value)) if isinstance(value, float) else value


def _check_bounds(name: str, hint: Any, value: Any) -> None:
    if value is None:
        return
    for part in (hint, *get_args(hint)):
        if get_origin(part) is Annotated:
            for meta in part.__metadata__:
                bounds = meta.extra or {} if isinstance(meta, Meta) else {}
                values = value.values() if isinstance(value, dict) else (value,)
                for each in values:
                    if "low" in bounds and not (each.is_finite() and bounds["low"] <= each <= bounds["high"]):
                        detail = f"Expected a number from {bounds['low']} to {bounds['high']}"
                        raise refused(name, detail)


def refused(field: str, what: str) -> Refused:
    """Return the refusal of a setting, of all of them together when `field` is empty."""
    path = f"settings.{field}" if field else "settings"
    detail = f"{what.rstrip('.')}." if what else "The settings do not fit."
    error = FieldError(field=path, code="invalid_setting", message=detail)
    return Refused(f"{path}: {detail}", code="invalid_settings", errors=(error,))
