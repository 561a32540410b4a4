"""Tournaments: Ada joins the November cup."""

from __future__ import annotations

from typing import Any

from api.examples.story import NOON

CUP = "01a1f8c8-ff81-7a10-9b3e-0d6f2c8a4e71"
CUP_ACCOUNT = "01a1f8c8-ff82-7c55-8a02-5e1b9d7f3c46"
TEAM = "01a1f8c8-ff83-7e6a-b4c1-7f0a2d9e8b35"
_TIMES = {"starts_at": "2026-11-21T12:00:00Z", "ends_at": "2026-11-28T12:00:00Z"}
_PRIZES = {"by": "percent", "shares": ["50", "30", "20"], "team_split": "equal", "min_trades": 1}

TOURNAMENTS: dict[str, dict[str, Any]] = {
    "NewTournament": {
        "cup": {
            "name": "November cup",
            "symbols": ["BTC/USDT", "ETH/USDT"],
            "prize_pool": "1000",
            "max_participants": 200,
            **_TIMES,
        },
        "league": {
            "name": "Team league",
            "type": "team",
            "max_team_size": 4,
            "account_type": "futures",
            "max_leverage": "10",
            "draft": True,
            "prize_pool": "900",
            "prize_rules": {"by": "amount", "shares": ["600", "300"], "team_split": "gain"},
            **_TIMES,
        },
    },
    "TournamentChanges": {"later": {"ends_at": "2026-11-29T12:00:00Z"}},
    "Cancellation": {"bug": {"reason": "The prices of this week were wrong."}},
    "Tournament": {
        "cup": {
            "id": CUP,
            "name": "November cup",
            "description": "A week of spot trading.",
            "rules": "Be fair.",
            "type": "solo",
            "status": "registration",
            "status_reason": None,
            "visibility": "public",
            "exchange": "demo",
            "account_type": "spot",
            "currency": "USDT",
            "starting_balance": "10000",
            "symbols": ["BTC/USDT", "ETH/USDT"],
            "max_leverage": None,
            "prize_pool": "1000",
            "prize_rules": _PRIZES,
            "min_participants": 0,
            "max_participants": 200,
            "max_team_size": None,
            "min_account_age_days": 0,
            "participants": 17,
            "registration_starts_at": NOON,
            "registration_ends_at": _TIMES["starts_at"],
            **_TIMES,
            "finished_at": None,
            "account": CUP_ACCOUNT,
            "team": None,
            "created_at": NOON,
            "updated_at": NOON,
        }
    },
    "Join": {"solo": {}, "team": {"team": TEAM}, "private": {"code": "tulip-bulbs"}},
    "JoinTeam": {"public": {}},
    "Entry": {"cup": {"tournament": CUP, "account": CUP_ACCOUNT, "team": None}},
    "Left": {"cup": {"tournament": CUP, "account": CUP_ACCOUNT}},
    "NewTeam": {"bulls": {"name": "The Bulls"}},
    "Team": {
        "bulls": {"id": TEAM, "tournament": CUP, "name": "The Bulls", "members": 3, "is_mine": True, "created_at": NOON}
    },
}
