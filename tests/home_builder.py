"""Homes of the bot for tests: profiles, and a small package of tentacles in OctoBot's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from utils.home import Home, Profile

CANARY = "canary-7f3e9b"
DIP_SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object",
    "properties": {
        "fall_percent": {"type": "number", "minimum": 0, "maximum": 90},
        "api_token": {"type": "string"},
        "pairs": {"type": "array", "items": {"type": "string"}},
    },
    "required": ["fall_percent"],
    "additionalProperties": False,
}
DIP_DEFAULTS = {"fall_percent": 3, "pairs": ["BTC/USDT"]}


def put(path: Path, value: Any) -> None:
    """Write JSON, or text as it is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value), encoding="utf-8")


def install_tentacles(home: Home) -> None:
    """Install two trading modes, the first with a JSON Schema of its settings, and an evaluator."""
    _module(home, "Trading/Mode/dip_mode", ["DipTradingMode"])
    folder = home.tentacles_folder / "Trading" / "Mode" / "dip_mode"
    put(folder / "config" / "DipTradingMode.json", DIP_DEFAULTS)
    put(folder / "config" / "DipTradingMode_schema.json", DIP_SCHEMA)
    put(folder / "resources" / "DipTradingMode.md", "Buys the dip.")
    _module(home, "Trading/Mode/drip_mode", ["DripTradingMode"])
    _module(home, "Evaluator/TA/trend", ["TrendEvaluator", "OtherEvaluator"])


def _module(home: Home, path: str, classes: list[str]) -> None:
    described = {
        "version": "1.0.0",
        "origin_package": "our-own",
        "tentacles": classes,
        "tentacles-requirements": [],
    }
    put(home.tentacles_folder / path / "metadata.json", described)
    put(home.tentacles_folder / path / "__init__.py", "")


def add_profile(home: Home, profile_id: str, **config: Any) -> Profile:
    """Add a profile like the one that is selected, with another configuration and another description."""
    document = home.profile().document
    about = {**document["profile"], "id": profile_id, "name": profile_id.title()}
    put(
        home.profiles_folder / profile_id / "profile.json",
        {"profile": about, "config": {**document["config"], **config}},
    )
    return next(profile for profile in home.profiles() if profile.id == profile_id)
