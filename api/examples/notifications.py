"""What users are told, by which webhooks, and the prices they wait for."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT, NOON

_ALERT = "01a1f8c9-1c02-7d55-8a0e-6b1f9e0c4d21"
_WEBHOOK = "01a1f8c9-2b7d-7e10-9f3a-0c5d8e7a6b94"
_DELIVERY = "01a1f8c9-3a44-7b6f-8d21-5e9c0f1a2b38"
_WAITING = {
    "id": _ALERT,
    "exchange": "demo",
    "symbol": "BTC/USDT",
    "condition": "percent",
    "value": "5",
    "level": "63000",
    "state": "active",
    "fired_at": None,
    "created_at": NOON,
}
_HOOK = {"id": _WEBHOOK, "url": "https://example.com/trading", "created_at": NOON}

NOTIFICATIONS: dict[str, dict[str, Any]] = {
    "Notification": {
        "alert": {
            "id": "01a1f8c9-4d88-7c3e-8b52-7f6e5d4c3b2a",
            "kind": "price_alert",
            "title": "BTC/USDT rose to 63010",
            "payload": {"alert": _ALERT, "exchange": "demo", "symbol": "BTC/USDT", "price": "63010", "level": "63000"},
            "read_at": None,
            "created_at": BOUGHT,
        }
    },
    "Unread": {"some": {"unread": 3}},
    "Read": {"all": {}, "one": {"ids": ["01a1f8c9-4d88-7c3e-8b52-7f6e5d4c3b2a"]}},
    "Ways": {"fills": {"kind": "fill", "in_app": True, "webhook": False}},
    "ChosenWays": {"fills": {"settings": [{"kind": "fill", "in_app": True, "webhook": False}]}},
    "NewWebhook": {"mine": {"url": "https://example.com/trading"}},
    "Webhook": {
        "made": {**_HOOK, "secret": "4GqvYq5m2Vw0hT1s9eR7uKcXbN3z"},
        "later": {**_HOOK, "secret": None},
    },
    "DeletedWebhook": {"gone": {"id": _WEBHOOK}},
    "Delivery": {
        "taken": {
            "id": _DELIVERY,
            "kind": "fill",
            "state": "succeeded",
            "attempts": 1,
            "response_status": 204,
            "error": None,
            "finished_at": BOUGHT,
            "created_at": BOUGHT,
        }
    },
    "NewPriceAlert": {
        "above": {"symbol": "BTC/USDT", "condition": "above", "value": "65000"},
        "percent": {"symbol": "BTC/USDT", "condition": "percent", "value": "-5"},
    },
    "PriceAlert": {"waiting": _WAITING},
    "DeletedAlert": {"gone": {"id": _ALERT}},
}
