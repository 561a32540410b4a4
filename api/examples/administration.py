"""API keys, second factors, and what administrators see."""

from __future__ import annotations

from typing import Any

from api.examples.story import API_KEY, BOUGHT, NOON

_KEY = {
    "id": API_KEY,
    "name": "My bot",
    "hint": "tbk_Wm3k",
    "scopes": ["trade"],
    "created_at": NOON,
    "last_used_at": BOUGHT,
}
_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"  # noqa: S105 - an example
ADMINISTRATION: dict[str, dict[str, Any]] = {
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
