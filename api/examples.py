"""Examples in the document: requests that are accepted, and answers as they are.

They tell one story: Ada signs up, buys 0.01 BTC at 60,000 USDT and waits with a limit order at 50,000.
"""

from __future__ import annotations

from typing import Any

USER = "01a1f8c8-ff43-76ec-986e-b7593aa97f43"
ACCOUNT = "01a1f8c8-ff46-7e86-8313-e3953a8614d8"
ORDER = "01a1f8c8-ff6a-7515-b3b0-923a264e7b8f"
CREDENTIAL = "01a1f8c8-ff5c-7a31-8b14-5f0e3c92d7a6"
_NOON = "2026-11-20T12:00:00Z"
_BOUGHT = "2026-11-20T12:00:05.586272Z"
_FEE = {"currency": "USDT", "cost": "0.9"}
_BALANCE = {
    "account": ACCOUNT,
    "mode": "paper",
    "currencies": {
        "USDT": {"free": "8898.35", "locked": "500.75", "total": "9399.1", "value": "9399.1"},
        "BTC": {"free": "0.01", "locked": "0", "total": "0.01", "value": "600"},
    },
    "reference_currency": "USDT",
    "total_value": "9999.1",
}
_SWITCH = {
    "scope": "account",
    "target": ACCOUNT,
    "engaged_by": USER,
    "reason": "A bug in my bot",
    "engaged_at": _BOUGHT,
}
_POSITION = {
    "account": ACCOUNT,
    "symbol": "BTC/USDT",
    "side": "long",
    "amount": "0.01",
    "entry_price": "60000",
    "mark_price": "60000",
    "unrealized_pnl": "0",
    "leverage": None,
    "margin": None,
    "liquidation_price": None,
    "realized_pnl": None,
    "funding": None,
}
_PERPETUAL = {
    "account": ACCOUNT,
    "symbol": "BTC/USDT:USDT",
    "side": "short",
    "amount": "0.1",
    "entry_price": "60000",
    "mark_price": "59000",
    "unrealized_pnl": "100",
    "leverage": "10",
    "margin": "600",
    "liquidation_price": "65700",
    "realized_pnl": "-3",
    "funding": "0.59",
}

EXAMPLES: dict[str, dict[str, Any]] = {
    "SignUp": {"ada": {"username": "ada", "email": "ada@example.com", "password": "correct-horse-7-staple"}},
    "LogIn": {
        "username": {"username": "ada", "password": "correct-horse-7-staple"},
        "address": {"email": "ada@example.com", "password": "correct-horse-7-staple"},
    },
    "Refresh": {"token": {"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWEyIn0.signature"}},
    "OrderTicket": {
        "market": {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.01"},
        "market_for_quote": {"symbol": "BTC/USDT", "side": "buy", "type": "market", "quote_amount": "100"},
        "limit": {"symbol": "BTC/USDT", "side": "buy", "type": "limit", "amount": "0.01", "price": "50000"},
        "stop": {"symbol": "BTC/USDT", "side": "sell", "type": "stop", "amount": "0.002", "stop_price": "48000"},
        "stop_limit": {
            "symbol": "BTC/USDT",
            "side": "sell",
            "type": "stop_limit",
            "amount": "0.002",
            "stop_price": "48000",
            "price": "47900",
        },
        "take_profit": {
            "symbol": "BTC/USDT",
            "side": "sell",
            "type": "take_profit",
            "amount": "0.002",
            "stop_price": "66000",
        },
        "trailing_stop": {
            "symbol": "BTC/USDT",
            "side": "sell",
            "type": "trailing_stop",
            "amount": "0.002",
            "trailing_percent": "5",
        },
        "one_cancels_the_other": {
            "symbol": "BTC/USDT",
            "side": "sell",
            "type": "limit",
            "amount": "0.002",
            "price": "66000",
            "oco": {"stop_price": "48000"},
        },
        "bracket": {
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "limit",
            "amount": "0.002",
            "price": "55000",
            "take_profit": {"price": "66000"},
            "stop_loss": {"stop_price": "48000"},
        },
    },
    "Batch": {
        "two": {
            "orders": [
                {"symbol": "BTC/USDT", "side": "buy", "type": "market", "amount": "0.01"},
                {"symbol": "ETH/USDT", "side": "buy", "type": "limit", "amount": "0.1", "price": "2000"},
            ]
        }
    },
    "OrderChanges": {"price": {"price": "51000"}, "amount": {"amount": "0.012"}},
    "User": {
        "ada": {"id": USER, "username": "ada", "email": "ada@example.com", "is_admin": False, "created_at": _NOON}
    },
    "TokenPair": {
        "pair": {
            "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWExIn0.signature",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWEyIn0.signature",
        }
    },
    "SignedOut": {"done": {"signed_out": True}},
    "Account": {
        "main": {
            "id": ACCOUNT,
            "name": "Paper",
            "mode": "paper",
            "exchange": "demo",
            "type": "spot",
            "reference_currency": "USDT",
            "status": "active",
            "kind": "main",
            "credential": None,
            "starting_balance": "10000",
            "deposited": "10000",
            "reset_at": None,
            "created_at": _NOON,
        }
    },
    "NewAccount": {
        "paper": {"name": "Playground", "starting_balance": "2500"},
        "live": {"name": "Live", "mode": "live", "exchange": "binance", "credential": CREDENTIAL},
    },
    "Rename": {"name": {"name": "Savings"}},
    "Reset": {"as_before": {}, "with_less": {"starting_balance": "500"}},
    "NewDeposit": {"cash": {"currency": "USDT", "amount": "1000"}, "coins": {"currency": "BTC", "amount": "0.1"}},
    "Deposit": {
        "cash": {
            "account": ACCOUNT,
            "currency": "USDT",
            "amount": "1000",
            "value": "1000",
            "total": "11000",
            "deposited": "11000",
            "reference_currency": "USDT",
            "created_at": _NOON,
        }
    },
    "NewCredential": {
        "binance": {"name": "My Binance", "exchange": "binance", "api_key": "a" * 60 + "7Q2f", "api_secret": "b" * 64},
        "kucoin": {
            "name": "My KuCoin",
            "exchange": "kucoin",
            "api_key": "6574cd4a" * 3,
            "api_secret": "0b1d2f3a-4c5e-6f70-8192-a3b4c5d6e7f8",
            "password": "correct-horse",
        },
    },
    "Replacement": {"keys": {"api_key": "c" * 60 + "9Xw1", "api_secret": "d" * 64}},
    "Credential": {
        "verified": {
            "id": CREDENTIAL,
            "name": "My Binance",
            "exchange": "binance",
            "key_hint": "7Q2f",
            "permissions": ["read", "trade"],
            "status": "verified",
            "error_code": None,
            "verified_at": _NOON,
            "created_at": _NOON,
        }
    },
    "Balance": {"bought": _BALANCE},
    "Position": {"bought": _POSITION, "perpetual": _PERPETUAL},
    "LeverageChange": {"ten": {"leverage": "10"}},
    "Leverage": {
        "ten": {
            "account": ACCOUNT,
            "symbol": "BTC/USDT:USDT",
            "leverage": "10",
            "max_leverage": "100",
            "margin": "600",
            "liquidation_price": "65700",
        }
    },
    "Portfolio": {
        "bought": {
            **_BALANCE,
            "open_orders": 1,
            "positions": [_POSITION],
            "profit": {"amount": "-0.9", "percent": "-0.009"},
            "as_of": _BOUGHT,
        }
    },
    "History": {
        "bought": {
            "account": ACCOUNT,
            "mode": "paper",
            "reference_currency": "USDT",
            "period": "1d",
            "points": [
                {"at": _NOON, "value": "10000", "deposited": "10000", "profit": "0"},
                {"at": _BOUGHT, "value": "9999.1", "deposited": "10000", "profit": "-0.9"},
            ],
        }
    },
    "Performance": {
        "bought": {
            "account": ACCOUNT,
            "mode": "paper",
            "reference_currency": "USDT",
            "period": "1d",
            "since": _NOON,
            "until": _BOUGHT,
            "starting_value": "10000",
            "ending_value": "9999.1",
            "net_deposits": "0",
            "profit": {"amount": "-0.9", "percent": "-0.009"},
            "realized_pnl": "0",
            "unrealized_pnl": "-0.9",
            "fees": {"total": "0.9", "by_currency": {"USDT": "0.9"}},
            "trades": 1,
            "closed_trades": 0,
            "win_rate": None,
            "profit_factor": None,
            "best_trade": None,
            "worst_trade": None,
            "time_weighted_return": "-0.009",
            "max_drawdown": "0.009",
            "sharpe_ratio": None,
            "sortino_ratio": None,
            "volatility": None,
            "basis": {"interval_seconds": 3600, "count": 0, "periods_per_year": 8760, "risk_free_rate": "0"},
        }
    },
    "Allocation": {
        "bought": {
            "currency": "USDT",
            "modes": [
                {
                    "mode": "paper",
                    "value": "9999.1",
                    "by_asset": [
                        {"name": "USDT", "amount": "9399.1", "value": "9399.1", "percent": "94"},
                        {"name": "BTC", "amount": "0.01", "value": "600", "percent": "6"},
                    ],
                    "by_account": [{"name": ACCOUNT, "amount": None, "value": "9999.1", "percent": "100"}],
                    "by_exchange": [{"name": "demo", "amount": None, "value": "9999.1", "percent": "100"}],
                }
            ],
            "missing": [],
            "as_of": _BOUGHT,
        }
    },
    "Aggregate": {
        "bought": {
            "currency": "USDT",
            "totals": [{"mode": "paper", "accounts": 1, "value": "9999.1", "complete": True}],
            "accounts": [
                {
                    "account": ACCOUNT,
                    "name": "Paper",
                    "kind": "main",
                    "mode": "paper",
                    "exchange": "demo",
                    "value": "9999.1",
                    "deposited": "10000",
                    "profit": "-0.9",
                }
            ],
            "missing": [],
            "unvalued": [],
            "as_of": _BOUGHT,
        }
    },
    "Order": {
        "filled": {
            "id": ORDER,
            "client_order_id": ORDER,
            "account": ACCOUNT,
            "mode": "paper",
            "exchange": "demo",
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "market",
            "status": "filled",
            "amount": "0.01",
            "filled": "0.01",
            "remaining": "0",
            "price": None,
            "stop_price": None,
            "trailing_percent": None,
            "average": "60000",
            "cost": "600",
            "fee": _FEE,
            "time_in_force": "gtc",
            "reduce_only": False,
            "group_id": None,
            "triggered_at": None,
            "reject_code": None,
            "created_at": _BOUGHT,
            "updated_at": _BOUGHT,
            "trailing_level": None,
            "sent_at": None,
            "parent_id": None,
            "take_profit": None,
            "stop_loss": None,
            "exchange_order_id": None,
            "replaced_by": None,
        }
    },
    "RiskLimits": {"careful": {"max_order_value": "1000", "max_daily_loss": "250", "price_collar": "10"}},
    "StoredLimits": {
        "careful": {
            "max_order_value": "1000",
            "max_open_orders": None,
            "max_position_value": None,
            "max_daily_loss": "250",
            "price_collar": "10",
            "allowed_symbols": None,
            "updated_at": _BOUGHT,
        }
    },
    "KillSwitchOrder": {"account": {"scope": "account", "account": ACCOUNT, "reason": "A bug in my bot"}},
    "KillSwitch": {"account": _SWITCH},
    "KillSwitchState": {"engaged": {**_SWITCH, "engaged": True, "canceled": [ORDER], "open": []}},
    "Trade": {
        "buy": {
            "id": "01a1f8c8-ff6b-7a40-9c55-4b7e0d1c2f66",
            "order_id": ORDER,
            "account": ACCOUNT,
            "mode": "paper",
            "exchange": "demo",
            "symbol": "BTC/USDT",
            "side": "buy",
            "price": "60000",
            "amount": "0.01",
            "cost": "600",
            "fee": _FEE,
            "realized_pnl": None,
            "created_at": _BOUGHT,
            "exchange_trade_id": None,
        }
    },
    "Preview": {
        "limit": {
            "symbol": "BTC/USDT",
            "side": "buy",
            "type": "limit",
            "amount": "0.01",
            "price": "50000",
            "cost": "500",
            "fee": {"currency": "USDT", "cost": "0.5"},
            "balance_after": {"BTC": "0.01", "USDT": "8397.6"},
            "checks": [{"name": "funds", "ok": True, "code": None, "message": None}],
            "ok": True,
        }
    },
    "Instrument": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "type": "spot",
            "base": "BTC",
            "quote": "USDT",
            "price_tick": "0.01",
            "amount_step": "0.00001",
            "min_amount": "0.00001",
            "max_amount": "9000",
            "min_cost": "5",
            "maker_fee": "0.001",
            "taker_fee": "0.0015",
            "settle": None,
            "contract_size": None,
            "linear": None,
            "max_leverage": None,
            "leverage_tiers": [],
            "index": None,
            "funding_seconds": None,
        },
        "perpetual": {
            "symbol": "BTC/USDT:USDT",
            "exchange": "demo",
            "type": "swap",
            "base": "BTC",
            "quote": "USDT",
            "price_tick": "0.1",
            "amount_step": "0.001",
            "min_amount": "0.001",
            "max_amount": "1000",
            "min_cost": "5",
            "maker_fee": "0.0002",
            "taker_fee": "0.0005",
            "settle": "USDT",
            "contract_size": "1",
            "linear": True,
            "max_leverage": "100",
            "leverage_tiers": [{"max_cost": "250000", "max_leverage": "100", "maintenance_margin_rate": "0.005"}],
            "index": "BTC/USDT",
            "funding_seconds": 28800,
        },
    },
    "Ticker": {
        "btc": {
            "symbol": "BTC/USDT",
            "exchange": "demo",
            "last": "60000",
            "bid": "59999.99",
            "ask": "60000.01",
            "high": "60750",
            "low": "59100.5",
            "volume": "1203.45",
            "change_percent": "0.84",
            "as_of": _BOUGHT,
            "stale": False,
            "mark_price": None,
            "index_price": None,
            "funding_rate": None,
            "next_funding_at": None,
        }
    },
    "Candle": {
        "running": {
            "timestamp": 1795176000000,
            "time": _NOON,
            "open": "59980",
            "high": "60010.5",
            "low": "59950",
            "close": "60000",
            "volume": "12.5",
            "closed": False,
        }
    },
    "Configuration": {
        "redacted": {
            "api": {"host": "127.0.0.1", "port": 5000, "secret_key": "[redacted]", "log_level": "INFO"},
            "bot": {"octobot_version": "2.1.1", "config": {"exchanges": {"demo": {"api-key": "[redacted]"}}}},
        }
    },
    "Liveness": {"live": {"status": "live"}},
    "Readiness": {"ready": {"database": "ready", "engine": "ready", "feeds": "ready"}},
}
"""By the name of a schema; the first one of an answer's is shown, all of a request's are."""

EXAMPLES["Placement"] = {"placed": {"status": 201, "data": EXAMPLES["Order"]["filled"]}}
