"""What a configuration must be before it is written: OctoBot's own JSON schemas, and what they do not say."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonschema.exceptions import SchemaError, ValidationError
from jsonschema.validators import validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from services.bot_config.state import State, split
from utils.errors import Conflict, FieldError, Forbidden, Refused
from utils.home.defaults import package_file

MOST_FAULTS = 20
_NOTHING_ELSEWHERE: Registry[Any] = Registry()
"""Schemas refer to nothing outside of themselves: nothing is fetched."""


def check(before: State, after: State, *, live_trading_enabled: bool) -> None:
    """Refuse a configuration that OctoBot would not start with, or would trade with other than it says.

    :raises Refused: naming every field at fault. :raises Forbidden: `live_trading_disabled`.
    """
    if "exchanges" in after.config and not _are_objects(after.config["exchanges"]):
        raise _refused([FieldError(field="exchanges", code="invalid", message="Each exchange is an object.")])
    shared, profile = split(after.config, after.profile)
    faults = [
        *_faults(_schema("config_schema.json"), shared),
        *_faults(_schema("profile_schema.json"), {"config": profile["config"]}, prefix="config"),
    ]
    if faults:
        raise _refused(faults)
    is_real, was_real = (_is_on(each, "trader") for each in (after, before))
    if is_real and _is_on(after, "trader-simulator"):
        message = "OctoBot trades with a trader or with a simulated one; switch one off."
        raise _refused([FieldError(field="trader.enabled", code="two_traders", message=message)], "two_traders")
    if is_real and not was_real and not live_trading_enabled:
        raise Forbidden("Live trading is turned off on this installation.", code="live_trading_disabled")


def check_settings(schema: Any, settings: dict[str, Any]) -> None:
    """Refuse settings that are not what the JSON Schema of their tentacle wants.

    :raises Refused: naming every field at fault. :raises Conflict: `schema_unusable`.
    """
    faults = _settings_faults(schema, settings, "settings")
    if faults:
        raise _refused(faults)


def check_all_settings(schemas: Mapping[str, Any], settings: Mapping[str, dict[str, Any]]) -> None:
    """Refuse settings of several tentacles, by their names, as `check_settings` does those of one."""
    faults = [
        fault
        for name, values in settings.items()
        if name in schemas
        for fault in _settings_faults(schemas[name], values, f"settings.{name}")
    ]
    if faults:
        raise _refused(faults)


def _settings_faults(schema: Any, settings: dict[str, Any], path: str) -> list[FieldError]:
    try:
        return list(_faults(schema, settings, prefix=path, keeps_prefix=True))
    except (SchemaError, Unresolvable, RecursionError) as error:
        raise Conflict("The JSON Schema of the tentacle cannot be used.", code="schema_unusable") from error


def _are_objects(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def _is_on(state: State, name: str) -> bool:
    trader = state.config.get(name)
    return isinstance(trader, dict) and trader.get("enabled") is True


@cache
def _schema(name: str) -> Any:
    return json.loads(package_file(name).read_text(encoding="utf-8"))


def _faults(schema: Any, value: Any, *, prefix: str = "", keeps_prefix: bool = False) -> Iterator[FieldError]:
    kind = validator_for(schema)
    kind.check_schema(schema)
    for number, error in enumerate(kind(schema, registry=_NOTHING_ELSEWHERE).iter_errors(value)):
        if number == MOST_FAULTS:
            return
        path = [str(part) for part in error.absolute_path]
        if keeps_prefix:
            path = [prefix, *path]
        elif prefix and path[:1] == [prefix]:
            path = path[1:]
        yield FieldError(
            field=".".join(path), code="required" if error.validator == "required" else "invalid", message=_said(error)
        )


def _said(error: ValidationError) -> str:
    """Return what is wrong without the value itself, which may be a secret."""
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            kinds = wanted if isinstance(wanted, list) else [wanted]
            said = f"This must be of type {' or '.join(kinds)}."
        case "required":
            present: Any = error.instance
            said = f"These must be there: {', '.join(name for name in wanted if name not in present)}."
        case "additionalProperties":
            said = "There are members here that are not known, or not of this type."
        case "enum":
            said = f"This must be one of {', '.join(str(each) for each in wanted)}."
        case "uniqueItems":
            said = "Nothing may be here twice."
        case _:
            said = f"This must have the {error.validator} {wanted}."
    return said


def _refused(faults: list[FieldError], code: str | None = None) -> Refused:
    first = faults[0]
    return Refused(f"{first.field}: {first.message}" if first.field else first.message, code=code, errors=tuple(faults))
