"""API keys, second factors, and what administrators see."""

from __future__ import annotations

from typing import Any

from api.examples.story import API_KEY, BOUGHT, NOON, SESSION, USER

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
    "NewApiKey": {"bot": {"name": "My bot", "scopes": ["trade"]}, "dashboard": {"name": "Screen", "scopes": ["read"]}},
    "ApiKey": {"bot": _KEY},
    "CreatedApiKey": {
        "bot": {**_KEY, "last_used_at": None, "key": "tbk_Wm3kQ0vYd2Xc8Lr5Tn1Zb7Jh4Fg6Sa9Pe0Ui3Ok2Mq8"},
    },
}
