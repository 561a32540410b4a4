"""Orders, trades, positions and risk."""

from __future__ import annotations

from typing import Any

from api.examples.story import ACCOUNT, BOUGHT, FEE, ORDER, PERPETUAL, POSITION, SWITCH

TRADING: dict[str, dict[str, Any]] = {
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
            "fee": FEE,
            "time_in_force": "gtc",
            "reduce_only": False,
            "group_id": None,
            "triggered_at": None,
            "reject_code": None,
            "created_at": BOUGHT,
            "updated_at": BOUGHT,
            "trailing_level": None,
            "sent_at": None,
            "parent_id": None,
            "take_profit": None,
            "stop_loss": None,
            "exchange_order_id": None,
            "replaced_by": None,
        }
    },
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
            "fee": FEE,
            "realized_pnl": None,
            "created_at": BOUGHT,
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
    "Position": {"bought": POSITION, "perpetual": PERPETUAL},
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
    "RiskLimits": {"careful": {"max_order_value": "1000", "max_daily_loss": "250", "price_collar": "10"}},
    "StoredLimits": {
        "careful": {
            "max_order_value": "1000",
            "max_open_orders": None,
            "max_position_value": None,
            "max_daily_loss": "250",
            "price_collar": "10",
            "allowed_symbols": None,
            "updated_at": BOUGHT,
        }
    },
    "KillSwitchOrder": {"account": {"scope": "account", "account": ACCOUNT, "reason": "A bug in my bot"}},
    "KillSwitch": {"account": SWITCH},
    "KillSwitchState": {"engaged": {**SWITCH, "engaged": True, "canceled": [ORDER], "open": [], "left_orders": []}},
}

TRADING["Placement"] = {"placed": {"status": 201, "data": TRADING["Order"]["filled"]}}
