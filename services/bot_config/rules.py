"""What a configuration must be before it is written: OctoBot's own JSON schemas, and what they do not say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from services.bot_config.state import State, split
from utils.errors import FieldError, Forbidden
from utils.home.checking import faults_of, refusal_of, settings_faults
from utils.home.defaults import package_file


def check(before: State, after: State, *, live_trading_enabled: bool) -> None:
    """Refuse a configuration that OctoBot would not start with, or would trade with other than it says.

    :raises Refused: naming every field at fault. :raises Forbidden: `live_trading_disabled`.
    """
    if "exchanges" in after.config and not _are_objects(after.config["exchanges"]):
        raise refusal_of([FieldError(field="exchanges", code="invalid", message="Each exchange is an object.")])
    shared, profile = split(after.config, after.profile)
    faults = [
        *faults_of(_schema("config_schema.json"), shared),
        *faults_of(_schema("profile_schema.json"), {"config": profile["config"]}, prefix="config"),
    ]
    if faults:
        raise refusal_of(faults)
    is_real, was_real = (_is_on(each, "trader") for each in (after, before))
    if is_real and _is_on(after, "trader-simulator"):
        message = "OctoBot trades with a trader or with a simulated one; switch one off."
        raise refusal_of([FieldError(field="trader.enabled", code="two_traders", message=message)], "two_traders")
    if is_real and not was_real and not live_trading_enabled:
        raise Forbidden("Live trading is turned off on this installation.", code="live_trading_disabled")


def check_all_settings(schemas: Mapping[str, Any], settings: Mapping[str, dict[str, Any]]) -> None:
    """Refuse settings of several tentacles, by their names, as `check_settings` does those of one."""
    faults = [
        fault
        for name, values in settings.items()
        if name in schemas
        for fault in settings_faults(schemas[name], values, f"settings.{name}")
    ]
    if faults:
        raise refusal_of(faults)


def _are_objects(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values())


def _is_on(state: State, name: str) -> bool:
    trader = state.config.get(name)
    return isinstance(trader, dict) and trader.get("enabled") is True


@cache
def _schema(name: str) -> Any:
    return json.loads(package_file(name).read_text(encoding="utf-8"))
