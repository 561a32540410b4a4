"""The operator's bot."""

from __future__ import annotations

from typing import Any

from api.examples.story import BALANCE, NOON

_ACCOUNT = "bot-demo"
BOT: dict[str, dict[str, Any]] = {
    "BotStatus": {
        "running": {
            "state": "running",
            "wanted": "running",
            "since": NOON,
            "pid": 4711,
            "started_at": NOON,
            "octobot_version": "2.1.1",
            "profile": "grid_trading",
            "exchanges": [
                {
                    "exchange": "demo",
                    "type": "spot",
                    "mode": "paper",
                    "symbols": ["BTC/USDT"],
                    "trading_modes": [
                        {
                            "name": "GridTradingMode",
                            "symbol": "BTC/USDT",
                            "settings": {"pair_settings": [{"pair": "BTC/USDT", "flat_spread": 2000}]},
                        }
                    ],
                }
            ],
            "evaluators": [],
            "notifiers": ["TelegramNotifier"],
            "error": None,
            "failed_at": None,
        }
    },
    "Noticed": {"told": {"notifiers": ["TelegramNotifier"]}},
    "BotAccount": {
        "demo": {
            "id": _ACCOUNT,
            "name": "Bot at demo",
            "mode": "paper",
            "exchange": "demo",
            "type": "spot",
            "kind": "bot",
            "status": "active",
            "reference_currency": "USDT",
            "created_at": NOON,
            "portfolio": {
                **BALANCE,
                "account": _ACCOUNT,
                "open_orders": 1,
                "positions": [],
                "profit": {"amount": "-0.9", "percent": "-0.009"},
                "as_of": NOON,
            },
        }
    },
}
