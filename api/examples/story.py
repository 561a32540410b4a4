"""What the examples have in common.

They tell one story: Ada signs up, buys 0.01 BTC at 60,000 USDT and waits with a limit order at 50,000.
"""

from __future__ import annotations

USER = "01a1f8c8-ff43-76ec-986e-b7593aa97f43"
ACCOUNT = "01a1f8c8-ff46-7e86-8313-e3953a8614d8"
ORDER = "01a1f8c8-ff6a-7515-b3b0-923a264e7b8f"
CREDENTIAL = "01a1f8c8-ff5c-7a31-8b14-5f0e3c92d7a6"
API_KEY = "01a1f8c8-ff5f-70d2-9c1e-2b6a4d8e0f13"
SESSION = "01a1f8c8-ff4b-7d02-9c1e-2f6b8a90d3c4"
NOON = "2026-11-20T12:00:00Z"
BOUGHT = "2026-11-20T12:00:05.586272Z"
FEE = {"currency": "USDT", "cost": "0.9"}
BALANCE = {
    "account": ACCOUNT,
    "mode": "paper",
    "currencies": {
        "USDT": {"free": "8898.35", "locked": "500.75", "total": "9399.1", "value": "9399.1"},
        "BTC": {"free": "0.01", "locked": "0", "total": "0.01", "value": "600"},
    },
    "reference_currency": "USDT",
    "total_value": "9999.1",
}
SWITCH = {
    "scope": "account",
    "target": ACCOUNT,
    "engaged_by": USER,
    "reason": "A bug in my bot",
    "engaged_at": BOUGHT,
}
POSITION = {
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
PERPETUAL = {
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
