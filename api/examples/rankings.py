"""Rankings and prizes: Ada is third of the November cup, with the best team."""

from __future__ import annotations

from typing import Any

from api.examples.story import BOUGHT, NOON, USER
from api.examples.tournaments import CUP, CUP_ACCOUNT, TEAM

PARTICIPANT = "01a1f8c8-ff84-7b21-8c3d-4e5f6a7b8c9d"
PRIZE = "01a1f8c8-ff85-7d43-9e5f-6a7b8c9d0e1f"
_PLACED = {
    "rank": 3,
    "return_percent": "12.5",
    "value": "11250",
    "trades": 4,
    "win_rate": "50",
    "volume": "24000",
    "max_drawdown": "3.25",
}
_USER = {**_PLACED, "participant": PARTICIPANT, "user": "Ada", "team": "The Bulls"}
_TEAM = {**_PLACED, "rank": 1, "value": "33750", "trades": 19, "team": TEAM, "name": "The Bulls", "members": 3}
_WON = {"rank": 3, "amount": "200", "currency": "USDT"}
_PRIZE = {
    "id": PRIZE,
    "tournament": CUP,
    "tournament_name": "November cup",
    **_WON,
    "status": "paid",
    "reference": "SEPA-2026-1128-7",
    "created_at": NOON,
    "updated_at": BOUGHT,
}

RANKINGS: dict[str, dict[str, Any]] = {
    "RankedUser": {"third": _USER},
    "RankedTeam": {"first": _TEAM},
    "OwnRank": {
        "third": {"account": CUP_ACCOUNT, "participants": 17, "ranking": _USER, "team": _TEAM, "as_of": BOUGHT}
    },
    "PastRank": {"noon": {"at": NOON, "rank": 5, "value": "10100", "return_percent": "1"}},
    "Leader": {
        "first": {
            "rank": 1,
            "user": "Ada",
            "avatar_url": None,
            "return_percent": "31.4",
            "max_drawdown": "9.5",
            "tournaments": 3,
            "wins": 1,
            "podiums": 2,
            "trades": 57,
            "reached_at": NOON,
        }
    },
    "Prize": {"third": {**_WON, "user": "Ada", "team": None, "status": "paid"}},
    "OwnPrize": {"third": _PRIZE},
    "ManagedPrize": {"third": {**_PRIZE, "user_id": USER, "username": "ada", "team": None, "note": None}},
    "PrizeChanges": {
        "sent": {"status": "processing"},
        "paid": {"status": "paid", "reference": "SEPA-2026-1128-7"},
        "failed": {"status": "failed", "note": "The account was closed."},
    },
}
