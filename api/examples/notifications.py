"""What users are told, by which webhooks, and the prices they wait for."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT, NOON
from api.examples.tournaments import CUP, CUP_ACCOUNT, TEAM

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
_WAYS = {"kind": "fill", "in_app": True, "webhook": False, "email": True, "bot": False}
_ANNOUNCED = {"title": "Down on Sunday", "message": "The engine moves to another machine at 06:00 UTC."}
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
        },
        "tournament": {
            "id": "01a1f8c9-8b43-7d5e-af7a-bf9c8b7d6e4f",
            "kind": "tournament",
            "title": "November cup is over: rank 3 of 200 with +12.50 %; your team has rank 1",
            "payload": {
                "event": "ended",
                "tournament": CUP,
                "status": "finished",
                "account": CUP_ACCOUNT,
                "rank": 3,
                "participants": 200,
                "team": TEAM,
                "team_rank": 1,
                "value": "11250",
                "return_percent": "12.5",
            },
            "read_at": None,
            "created_at": BOUGHT,
        },
    },
    "Unread": {"some": {"unread": 3}},
    "Read": {"all": {}, "one": {"ids": ["01a1f8c9-4d88-7c3e-8b52-7f6e5d4c3b2a"]}},
    "Ways": {"fills": _WAYS},
    "ChosenWays": {"fills": {"settings": [_WAYS]}},
    "MailState": {"confirmed": {"email": "ada@example.com", "is_confirmed": True, "is_available": True}},
    "MailCode": {"code": {"code": "40718253"}},
    "MailDelivery": {
        "taken": {
            "id": "01a1f8c9-5e10-7a2b-9c47-8d6f5e4a3b1c",
            "kind": "fill",
            "title": "Bought 0.02 BTC/USDT at 60000",
            "mail_id": "01a1f8c9-6f21-7b3c-8d58-9e7a6f5b4c2d",
            "state": "succeeded",
            "attempts": 1,
            "error": None,
            "finished_at": BOUGHT,
            "created_at": BOUGHT,
        }
    },
    "NewAnnouncement": {"downtime": _ANNOUNCED},
    "Announcement": {
        "told": {
            "id": "01a1f8c9-7a32-7c4d-9e69-af8b7a6c5d3e",
            **_ANNOUNCED,
            "told": 214,
            "finished_at": BOUGHT,
            "created_at": NOON,
        }
    },
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
