"""Homes of the bot for tests: profiles, and a small package of tentacles in OctoBot's format."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cryptography.fernet import Fernet

from services.bot_config.secrets import OCTOBOT_KEY
from utils.home import Home, Profile

CANARY = "canary-7f3e9b"
LIVED_IN: dict[str, Any] = {
    "accepted_terms": True,
    "metrics": {"enabled": False, "metrics-bot-id": "6123-abc"},
    "community": {"bot_id": "b-1", "environment": "prod"},
    "services": {"telegram": {"chat-id": "42", "token": f"42:{CANARY}"}},
    "watched_symbols": ["BTC/USDT"],
    "DEV-MODE": False,
    "last-seen-version": "2.0.9",
    "exchanges": {
        "kucoin": {
            "api-key": f"{CANARY}-key",
            "api-secret": Fernet(OCTOBOT_KEY).encrypt(f"{CANARY}-secret".encode()).decode(),
            "api-password": "your-api-password-here",
            "enabled": False,
            "sandboxed": True,
        }
    },
}
"""What OctoBot leaves in the configuration of somebody who used it; one of two keys was written there by hand."""

OLD: dict[str, Any] = {
    "crypto-currencies": {"Bitcoin": {"pairs": ["BTC/USDT"]}},
    "exchanges": {"kucoin": {"api-key": f"{CANARY}-key", "api-secret": f"{CANARY}-secret"}},
    "notification": {"global-info": True, "price-alerts": True, "trades": True, "notification-type": ["web"]},
    "services": {"web": {"port": 5001}},
    "trader": {"enabled": False, "load-trade-history": True},
    "trader-simulator": {
        "enabled": True,
        "fees": {"maker": 0.1, "taker": 0.1},
        "starting-portfolio": {"USDT": 500},
    },
    "trading": {"reference-market": "USDT", "risk": 0.5},
    "backtesting": {"files": []},
    "tentacles-packages": ["https://example.com/package.zip"],
    "performance-analyser": {"enabled": False},
    "SAVE_EVALUATIONS": False,
    "accepted_terms": True,
}
"""The configuration of an OctoBot from before there were profiles."""

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
