"""Strategies, and the alerts they act on: Ada lets a grid trade with half of her money."""

from __future__ import annotations

from typing import Any

from api.examples.story import ACCOUNT, BOUGHT, NOON, ORDER

GRID_ACCOUNT = "01a1f8c8-ff71-7d02-9a53-6c1e0b7f4d28"
ENTRY = "01a1f8c8-ff72-7c44-8e19-2d5a7c9b1e60"
SIGNAL_KEY = "01a1f8c8-ff73-7b91-a6f0-4e8d2c6b5a17"
_SETTINGS = {"levels": 5, "spacing_percent": "0.5", "order_value": None}
_STRATEGY = {
    "name": "grid_BTC-USDT",
    "strategy_class": "grid",
    "account": GRID_ACCOUNT,
    "parent": ACCOUNT,
    "mode": "paper",
    "exchange": "demo",
    "portfolio_name": "BTC/USDT",
    "settings": _SETTINGS,
    "funding": "5000",
    "state": "running",
    "error": None,
    "error_code": None,
    "created_at": NOON,
    "updated_at": BOUGHT,
}
_STAKES = [
    {"currency": "BTC", "amount": "0.04", "value": "2400"},
    {"currency": "USDT", "amount": "2598.2", "value": "2598.2"},
]
_WORTH = {"currency": "USDT", "currencies": _STAKES, "value": "4998.2"}

STRATEGIES: dict[str, dict[str, Any]] = {
    "NewStrategy": {
        "grid": {"strategy_class": "grid", "portfolio_name": "BTC/USDT", "funding": "5000"},
        "savings": {
            "name": "savings",
            "strategy_class": "dca",
            "portfolio_name": "ETH/USDT",
            "settings": {"timeframe": "1d", "every": 7, "order_value": "25"},
            "funding": "1000",
        },
        "index": {
            "strategy_class": "index",
            "portfolio_name": "BTC/USDT,ETH/USDT",
            "settings": {"weights": {"BTC/USDT": "2", "ETH/USDT": "1"}},
            "funding": "3000",
        },
    },
    "StrategyChanges": {"denser": {"settings": {"levels": 10, "spacing_percent": "0.25"}}},
    "Restore": {"grid": {"strategy_name": "grid_BTC-USDT"}},
    "Strategy": {"grid": _STRATEGY},
    "StrategyClass": {
        "dca": {
            "name": "dca",
            "origin": "house",
            "title": "Dollar cost averaging",
            "description": "Buys for `order_value` at the market every so many candles.",
            "basket": False,
            "settings": {
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "type": "object",
                "properties": {"every": {"type": "integer", "minimum": 1, "maximum": 1000, "default": 24}},
                "additionalProperties": False,
            },
            "defaults": {"timeframe": "1h", "every": 24, "order_value": "10"},
        }
    },
    "PortfolioName": {"bitcoin": {"name": "BTC/USDT", "exchange": "demo", "base": "BTC", "quote": "USDT"}},
    "StrategyHolding": {
        "grid": {
            "strategy": "grid_BTC-USDT",
            "account": GRID_ACCOUNT,
            "mode": "paper",
            "exchange": "demo",
            "portfolio_name": "BTC/USDT",
            "state": "running",
            **_WORTH,
            "profit": "-1.8",
        }
    },
    "StrategyPortfolio": {
        "bitcoin": {
            "name": "BTC/USDT",
            "exchange": "demo",
            "mode": "paper",
            "strategies": ["grid_BTC-USDT"],
            **_WORTH,
        }
    },
    "Updates": {
        "started": {
            "last_id": 42,
            "updates": [{"id": 41, "type": "strategy", "strategy": _STRATEGY, "created_at": BOUGHT}],
        }
    },
    "LogEntry": {
        "refused": {
            "id": ENTRY,
            "level": "warning",
            "message": "buy BTC/USDT (buy) was refused: The order needs 10.01 USDT; 4.2 are free.",
            "created_at": BOUGHT,
        }
    },
    "SignalKey": {
        "made": {
            "id": SIGNAL_KEY,
            "key_hint": "x3Qk",
            "created_at": NOON,
            "key": "cR7uQ0pZ9m1nV5sL2kT8wY4bH6jD3fG0aE1iO9ux3Qk",
            "path": "/api/webhooks/tradingview/cR7uQ0pZ9m1nV5sL2kT8wY4bH6jD3fG0aE1iO9ux3Qk",
        }
    },
    "DeletedKey": {"key": {"id": SIGNAL_KEY}},
    "Alert": {
        "tradingview": {"id": "breakout-2026-11-20", "action": "buy", "symbol": "BTCUSDT", "quote_amount": "100"},
        "exit": {"action": "close"},
    },
    "AlertOrder": {"bought": {"id": ORDER, "status": "filled"}},
}
