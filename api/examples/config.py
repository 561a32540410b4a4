"""The configuration of the operator's bot: Grace turns its risk down and lets it trade in a grid."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT

CHANGE = "01a1f8c8-ff81-7b44-a7d0-4c2e9f6b1a35"
VERSION = "8d5f1c0e7a934b26d1f0a8c35e7b9d42"
GRACE = "01a1f8c8-ff41-7c10-b6f2-0d9e8a7c5b41"
_CONFIG = {
    "profile": "default",
    "exchanges": {
        "binance": {
            "api-key": "[redacted]",
            "api-secret": "[redacted]",
            "api-password": "",
            "enabled": True,
            "exchange-type": "spot",
        }
    },
    "crypto-currencies": {"Bitcoin": {"enabled": True, "pairs": ["BTC/USDT"]}},
    "trading": {"reference-market": "USDT", "risk": 0.25},
    "trader": {"enabled": False, "load-trade-history": False},
    "trader-simulator": {
        "enabled": True,
        "fees": {"maker": 0.1, "taker": 0.1},
        "starting-portfolio": {"USDT": 10000},
    },
    "services": {},
    "notification": {"global-info": False, "price-alerts": False, "trades": False, "notification-type": []},
    "backtesting": {"files": []},
}
_CHANGE = {
    "id": CHANGE,
    "created_at": BOUGHT,
    "author": {"id": GRACE, "username": "grace"},
    "action": "edited",
    "profile": "default",
    "version": VERSION,
    "changes": [{"op": "replace", "path": "/config/trading/risk", "before": 0.5, "after": 0.25}],
}
_TENTACLE = {
    "name": "GridTradingMode",
    "module": "grid_trading_mode",
    "type": "Trading/Mode",
    "version": "1.2.0",
    "package": "OctoBot-Default-Tentacles",
    "is_active": True,
    "has_own_settings": True,
}
CONFIG: dict[str, dict[str, Any]] = {
    "Configuration": {
        "shown": {
            "api": {"host": "127.0.0.1", "port": 5000, "secret_key": "[redacted]"},
            "bot": {"octobot_version": "2.1.1", "version": VERSION, "config": _CONFIG},
        }
    },
    "ConfigPatch": {
        "risk": {"trading": {"risk": 0.25}},
        "keys": {"exchanges": {"binance": {"enabled": True, "api-key": "fKx0…", "api-secret": "9sTq…"}}},
        "removed": {"exchanges": {"binance": None}},
    },
    "AppliedConfig": {
        "edited": {
            "version": VERSION,
            "config": _CONFIG,
            "change": _CHANGE,
            "missing_secrets": [],
            "restart_required": True,
            "restarted": False,
        }
    },
    "ConfigChange": {"edited": _CHANGE},
    "Rollback": {"back": {"change_id": CHANGE}},
    "NewBotProfile": {"copy": {"source": "default", "name": "Grid on Binance"}},
    "BotProfile": {
        "default": {
            "id": "default",
            "name": "Default",
            "description": "A simulated trader on the demo exchange.",
            "is_selected": True,
            "is_read_only": False,
            "trades_live": False,
            "exchanges": ["demo"],
            "trading_modes": ["GridTradingMode"],
        }
    },
    "Tentacle": {"grid": _TENTACLE},
    "TentacleDetail": {
        "grid": {
            **_TENTACLE,
            "description": "Places a grid of orders and moves it with the price.",
            "settings": {"pair_settings": [{"pair": "BTC/USDT", "flat_spread": 2000, "flat_increment": 1000}]},
            "defaults": {"pair_settings": []},
            "schema": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {
                    "pair_settings": {
                        "type": "array",
                        "items": {
                            "type": "object",
                            "properties": {
                                "pair": {"type": "string", "title": "Name of the traded pair."},
                                "flat_spread": {"type": "number", "minimum": 0},
                            },
                        },
                    }
                },
            },
            "schema_source": "code",
        }
    },
    "TentacleEdit": {
        "on": {"is_active": True},
        "settings": {"settings": {"pair_settings": [{"pair": "BTC/USDT", "flat_spread": 500}]}},
        "defaults": {"settings": None},
    },
}
