"""API keys, second factors, and what administrators see."""

from __future__ import annotations

from typing import Any

from api.examples.story import API_KEY, BOUGHT, NOON, SESSION, USER
from api.schemas.settings import KINDS

_KEY = {
    "id": API_KEY,
    "name": "My bot",
    "hint": "tbk_Wm3k",
    "scopes": ["trade"],
    "created_at": NOON,
    "last_used_at": BOUGHT,
}
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example
_ADA = {
    "id": USER,
    "username": "ada",
    "email": "ada@example.com",
    "role": "user",
    "is_active": True,
    "totp_enabled": False,
    "created_at": NOON,
    "last_seen_at": BOUGHT,
    "deleted_at": None,
}
ADMINISTRATION: dict[str, dict[str, Any]] = {
    "Deleted": {"ada": {"user_id": USER}},
    "UserSettings": {
        "evening": {
            "theme": "dark",
            "default_timeframe": "1h",
            "chart_type": "candles",
            "indicators": [{"name": "EMA", "parameters": {"length": 21}}],
            "notifications": {**{name: ["in_app", "webhook"] for name in KINDS}, "fills": ["in_app", "email"]},
        }
    },
    "Statistics": {
        "small": {
            "users": {"total": 3, "active": 3, "admins": 1, "new": 1, "seen": 2},
            "paper": {"open_orders": 1, "orders": 4, "trades": 2, "traders": 1, "volume": {"USDT": "1200"}},
            "live": {"open_orders": 0, "orders": 0, "trades": 0, "traders": 0, "volume": {}},
            "profits": {
                "paper": {
                    "accounts": 1,
                    "gaining": 0,
                    "losing": 1,
                    "median_percent": "-0.01",
                    "buckets": [{"above": "-5", "to": "0", "accounts": 1}],
                },
                "live": {"accounts": 0, "gaining": 0, "losing": 0, "median_percent": None, "buckets": []},
            },
            "engine": {
                "pid": 4711,
                "octobot_version": "2.1.1",
                "started_at": NOON,
                "accounts_in_memory": 1,
                "open_orders": 1,
                "loop_lag": 0.0004,
                "feeds": [{"exchange": "demo", "connected": True, "symbols": 14, "tick_age": 0.4}],
            },
            "as_of": BOUGHT,
        }
    },
    "Day": {
        "first": {
            "date": "2026-11-20",
            "users": 3,
            "new_users": 1,
            "signed_in": 2,
            "traders": 1,
            "orders": 4,
            "trades": 2,
            "volume": {"USDT": "1200"},
        }
    },
    "ManagedUser": {"ada": _ADA},
    "UserDetails": {
        "ada": {**_ADA, "accounts": 1, "open_orders": 1, "sessions": 1, "api_keys": 0, "kill_switch": False}
    },
    "UserChanges": {
        "deactivate": {"is_active": False},
        "promote": {"role": "admin"},
        "lost_telephone": {"reset_totp": True, "end_sessions": True},
    },
    "AuditEntry": {
        "login": {
            "id": "01a1f8c8-ff6b-7a40-9c55-4b7e0d1c2f66",
            "number": 7,
            "created_at": BOUGHT,
            "user_id": USER,
            "action": "session.started",
            "target": SESSION,
            "outcome": "done",
            "error_code": None,
            "ip": "192.0.2.7",
            "request_id": "01a1f8c8-ff6e-7c04-88b0-97250dbe7be9",
            "detail": None,
        }
    },
    "ChainReport": {
        "whole": {
            "first": 1,
            "last": 7,
            "entries": 7,
            "differences": [],
            "next": None,
            "head": 7,
            "head_seal": "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b",
            "unsealed": 0,
        }
    },
    "Password": {"password": {"password": "correct-horse-7-staple"}},
    "Code": {"app": {"totp": "492039"}},
    "Disabling": {
        "app": {"password": "correct-horse-7-staple", "totp": "492039"},
        "recovery": {"password": "correct-horse-7-staple", "totp": "mfrg-g2lt-mvrw-k4tf"},
    },
    "Enrollment": {
        "secret": {
            "secret": _SECRET,
            "uri": f"otpauth://totp/Trading%20Backend:ada?digits=6&secret={_SECRET}&algorithm=SHA1"
            "&issuer=Trading%20Backend&period=30",
        }
    },
    "RecoveryCodes": {"codes": {"recovery_codes": ["mfrg-g2lt-mvrw-k4tf", "pbuw-4z3t-onqw-e2lf"]}},
    "SecondFactorState": {"off": {"enabled": False}},
    "NewApiKey": {
        "bot": {"name": "My bot", "scopes": ["trade"], "password": "correct-horse-7-staple"},
        "dashboard": {
            "name": "Screen",
            "scopes": ["read"],
            "password": "correct-horse-7-staple",
            "totp": "492039",
        },
    },
    "ApiKey": {"bot": _KEY},
    "CreatedApiKey": {
        "bot": {**_KEY, "last_used_at": None, "key": "tbk_Wm3kQ0vYd2Xc8Lr5Tn1Zb7Jh4Fg6Sa9Pe0Ui3Ok2Mq8"},
    },
}
