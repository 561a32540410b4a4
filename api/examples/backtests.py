"""Backtests: Ada tries a crossover on a week of candles before she trusts it with money."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT, NOON

SWEEP = "01a1f8c8-ff74-7e15-b2c6-3f9a5d7e8c22"
FILE = "01a1f8c8-ff74-7e15-b2c6-3f9a5d7e8c21"
RUN = "01a1f8c8-ff74-7e15-b2c6-3f9a5d7e8c20"
_RUN = {
    "id": RUN,
    "state": "succeeded",
    "status": "succeeded",
    "progress": 100,
    "exchange": "demo",
    "strategy_class": "crossover",
    "symbols": ["BTC/USDT"],
    "timeframe": "1h",
    "from": "2026-11-13T12:00:00Z",
    "to": "2026-11-20T12:00:00Z",
    "settings": {"timeframe": "1h", "average": "ema", "fast": 3, "slow": 10, "spend_percent": "95"},
    "starting_portfolio": {"USDT": "5000"},
    "fee": None,
    "data_file": None,
    "error_code": None,
    "error": None,
    "created_at": NOON,
    "updated_at": BOUGHT,
}
_TRADE = {
    "at": "2026-11-13T16:00:00Z",
    "order": "buy:1794582000",
    "symbol": "BTC/USDT",
    "side": "buy",
    "price": "59000",
    "amount": "0.08",
    "cost": "4720",
    "fee": "4.72",
    "realized_pnl": "-4.72",
}
_OUTCOME = {
    "ending_value": "5075.28",
    "profit": "75.28",
    "profit_percent": "1.5056",
    "max_drawdown": "0.8102",
    "sharpe_ratio": "3.1204",
    "sortino_ratio": "4.7311",
    "volatility": "21.7743",
}
_HELD = {
    "ending_value": "5084.7457627",
    "profit": "84.7457627",
    "profit_percent": "1.6949",
    "max_drawdown": "1.9021",
    "sharpe_ratio": "2.2208",
    "sortino_ratio": "3.0142",
    "volatility": "32.0911",
}
BACKTESTS: dict[str, dict[str, Any]] = {
    "NewBacktest": {
        "latest": {
            "strategy_class": "crossover",
            "symbols": ["BTC/USDT"],
            "timeframe": "1h",
            "settings": {"fast": 3, "slow": 10},
            "starting_portfolio": {"USDT": "5000"},
        },
        "between": {
            "strategy_class": "dca",
            "symbols": ["ETH/USDT"],
            "timeframe": "1h",
            "from": "2026-11-13T12:00:00Z",
            "to": "2026-11-20T12:00:00Z",
            "starting_portfolio": {"USDT": "1000", "ETH": "0.5"},
            "fee": "0.002",
        },
    },
    "NewSweep": {
        "averages": {
            "strategy_class": "crossover",
            "symbols": ["BTC/USDT"],
            "timeframe": "1h",
            "settings": {"average": "ema"},
            "grid": {"fast": [3, 5, 8], "slow": [10, 20]},
            "starting_portfolio": {"USDT": "5000"},
        },
    },
    "Sweep": {
        "averages": {
            **{name: value for name, value in _RUN.items() if name not in {"settings", "progress"}},
            "id": SWEEP,
            "done": 6,
            "count": 6,
            "grid": {"fast": [3, 5, 8], "slow": [10, 20]},
        }
    },
    "SweepResult": {
        "best": {
            "rank": 1,
            "number": 1,
            "varied": {"fast": 3, "slow": 10},
            "settings": _RUN["settings"],
            "figures": {
                "starting_value": "5000",
                "strategy": _OUTCOME,
                "buy_and_hold": _HELD,
                "realized_pnl": "-4.72",
                "fees": "4.72",
                "trades": 1,
                "closed_trades": 0,
                "win_rate": None,
                "ratio_interval_seconds": 3600,
            },
            "error_code": None,
            "error": None,
        }
    },
    "BacktestRun": {"crossover": _RUN},
    "DataFile": {
        "bitcoin": {
            "id": FILE,
            "name": "btc-1h.csv",
            "format": "csv",
            "series": [
                {
                    "symbol": "BTC/USDT",
                    "timeframe": "1h",
                    "candles": 8760,
                    "missing": 2,
                    "from": "2025-11-13T12:00:00Z",
                    "to": "2026-11-13T14:00:00Z",
                }
            ],
            "left_out": [],
            "size": 512_000,
            "created_at": NOON,
        }
    },
    "Report": {
        "crossover": {
            "run": _RUN,
            "currency": "USDT",
            "candles": 168,
            "starting_value": "5000",
            "strategy": _OUTCOME,
            "buy_and_hold": _HELD,
            "realized_pnl": "-4.72",
            "fees": "4.72",
            "closed_trades": 0,
            "win_rate": None,
            "ratio_interval_seconds": 3600,
            "holdings": {"BTC": "0.08", "USDT": "275.28"},
            "trades": [_TRADE],
            "equity": [{"at": "2026-11-13T12:00:00Z", "value": "5000", "held": "5000"}],
            "log": [],
        }
    },
}
