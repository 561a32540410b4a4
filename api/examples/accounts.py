"""Users, accounts, their keys and what they are worth."""

from __future__ import annotations

from typing import Any

from api.examples.story import ACCOUNT, BALANCE, BOUGHT, CREDENTIAL, NOON, POSITION, SESSION, USER

_ADA = {"id": USER, "username": "ada", "email": "ada@example.com", "is_admin": False, "created_at": NOON}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "SignUp": {"ada": {"username": "ada", "email": "ada@example.com", "password": "correct-horse-7-staple"}},
    "LogIn": {
        "username": {"username": "ada", "password": "correct-horse-7-staple"},
        "address": {"email": "ada@example.com", "password": "correct-horse-7-staple"},
    },
    "Refresh": {"token": {"refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWEyIn0.signature"}},
    "User": {"ada": _ADA},
    "Profile": {
        "ada": {
            **_ADA,
            "display_name": "Ada L.",
            "avatar_url": None,
            "locale": "en-GB",
            "time_zone": "Europe/London",
            "leaderboard_opt_in": False,
            "totp_enabled": False,
        }
    },
    "ProfileChanges": {
        "name": {"display_name": "Ada L.", "time_zone": "Europe/London"},
        "nothing_public": {"avatar_url": None, "leaderboard_opt_in": False},
    },
    "TokenPair": {
        "pair": {
            "access_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWExIn0.signature",
            "token_type": "Bearer",
            "expires_in": 900,
            "refresh_token": "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIwMWEyIn0.signature",
        }
    },
    "ChangePassword": {"better": {"current_password": "correct-horse-7-staple", "new_password": "a-long-lovely-day"}},
    "ChangeEmail": {"other": {"email": "ada@lovelace.example", "password": "correct-horse-7-staple"}},
    "Session": {
        "phone": {
            "id": SESSION,
            "created_at": NOON,
            "last_used_at": BOUGHT,
            "expires_at": "2026-12-20T12:00:00Z",
            "ip": "192.0.2.7",
            "user_agent": "Mozilla/5.0 (Linux; Android 16)",
            "is_current": True,
        }
    },
    "Ticket": {"fresh": {"ticket": "m4n8Yd8v3qZ0c5mJd1l0o9mWQ2b7kq0F5uH3sXyT6rA", "expires_in": 30}},
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
            "created_at": NOON,
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
            "created_at": NOON,
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
    "CredentialName": {"name": {"name": "My other Binance"}},
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
            "verified_at": NOON,
            "created_at": NOON,
        }
    },
    "Balance": {"bought": BALANCE},
    "Portfolio": {
        "bought": {
            **BALANCE,
            "open_orders": 1,
            "positions": [POSITION],
            "profit": {"amount": "-0.9", "percent": "-0.009"},
            "as_of": BOUGHT,
        }
    },
    "History": {
        "bought": {
            "account": ACCOUNT,
            "mode": "paper",
            "reference_currency": "USDT",
            "period": "1d",
            "points": [
                {"at": NOON, "value": "10000", "deposited": "10000", "profit": "0"},
                {"at": BOUGHT, "value": "9999.1", "deposited": "10000", "profit": "-0.9"},
            ],
        }
    },
    "Performance": {
        "bought": {
            "account": ACCOUNT,
            "mode": "paper",
            "reference_currency": "USDT",
            "period": "1d",
            "since": NOON,
            "until": BOUGHT,
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
            "as_of": BOUGHT,
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
            "as_of": BOUGHT,
        }
    },
}
