"""The operator's bot."""

from __future__ import annotations

from typing import Any

from api.examples.story import NOON

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
            "kill_switch": False,
            "open_orders": 4,
            "left_orders": [],
            "exchanges": [
                {
                    "exchange": "demo",
                    "type": "spot",
                    "mode": "paper",
                    "reference_currency": "USDT",
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
}
