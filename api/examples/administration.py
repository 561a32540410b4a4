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
ADMINISTRATION: dict[str, dict[str, Any]] = {
    "NewApiKey": {"bot": {"name": "My bot", "scopes": ["trade"]}, "dashboard": {"name": "Screen", "scopes": ["read"]}},
    "ApiKey": {"bot": _KEY},
    "CreatedApiKey": {
        "bot": {**_KEY, "last_used_at": None, "key": "tbk_Wm3kQ0vYd2Xc8Lr5Tn1Zb7Jh4Fg6Sa9Pe0Ui3Ok2Mq8"},
    },
}
