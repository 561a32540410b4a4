"""What a new home holds: OctoBot's own default configuration, and a profile that trades on paper."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from utils.home import profiles


def package_file(name: str) -> Path:
    """Return a file of the `config` folder of the installed OctoBot, which is found but not imported."""
    spec = find_spec("octobot")
    if spec is None or spec.origin is None:
        raise RuntimeError("OctoBot is not installed")
    return Path(spec.origin).parent / "config" / name


def config() -> dict[str, Any]:
    """Return the configuration of a new home: nobody is told anything, and no figures are sent to anybody."""
    default: dict[str, Any] = json.loads(package_file("default_config.json").read_text(encoding="utf-8"))
    notification: dict[str, Any] = {
        name: [] if isinstance(value, list) else False for name, value in default.get("notification", {}).items()
    }
    return {
        **default,
        "profile": profiles.DEFAULT,
        "exchanges": {},
        "services": {},
        "notification": notification,
        "metrics": {"enabled": False},
    }


def profile() -> dict[str, Any]:
    """Return the profile of a new home: a simulated trader on the demo exchange, without a trading mode."""
    return {
        "profile": {
            "id": profiles.DEFAULT,
            "name": "Default",
            "description": "A simulated trader on the demo exchange.",
            "avatar": "",
            "complexity": 1,
            "risk": 1,
            "type": "live",
        },
        "config": {
            "distribution": "default",
            "crypto-currencies": {
                "Bitcoin": {"enabled": True, "pairs": ["BTC/USDT"]},
                "Ethereum": {"enabled": True, "pairs": ["ETH/USDT"]},
            },
            "exchanges": {"demo": {"enabled": True, "exchange-type": "spot"}},
            "trading": {"reference-market": "USDT", "risk": 0.5},
            "trader": {"enabled": False, "load-trade-history": False},
            "trader-simulator": {
                "enabled": True,
                "fees": {"maker": 0.1, "taker": 0.1},
                "starting-portfolio": {"USDT": 10000},
            },
        },
    }


def tentacles() -> dict[str, Any]:
    """Return which tentacles are active in a new profile: none."""
    return {"tentacle_activation": {}, "registered_tentacles": {}, "installation_context": {}}
