"""Examples in the document: valid requests and real answers."""

from __future__ import annotations

from typing import Any

from api.examples.accounts import ACCOUNTS
from api.examples.administration import ADMINISTRATION
from api.examples.backtests import BACKTESTS
from api.examples.bot import BOT
from api.examples.config import CONFIG
from api.examples.market import MARKET
from api.examples.notifications import NOTIFICATIONS
from api.examples.rankings import RANKINGS
from api.examples.story import BALANCE, ORDER, POSITION
from api.examples.strategies import STRATEGIES
from api.examples.tournaments import TOURNAMENTS
from api.examples.trading import TRADING

__all__ = ["EXAMPLES", "ORDER"]

_BOUGHT = next(iter(TRADING["Order"].values()))
_COMBINED: dict[str, dict[str, Any]] = {
    "TradedOrder": {"filled": {**_BOUGHT, "trade_count": 1, "trades": [next(iter(TRADING["Trade"].values()))]}},
}
_PAPER: dict[str, dict[str, Any]] = {
    "PaperOrder": {"open": {**_BOUGHT, "order_id": ORDER, "message": "The order is filled."}},
    "PaperPosition": {"bought": {**POSITION, "id": "BTC-USDT"}},
    "Wallet": {"bought": {**BALANCE, "available": "8898.35", "locked": "500.75"}},
}
EXAMPLES: dict[str, dict[str, Any]] = {
    **ACCOUNTS,
    **ADMINISTRATION,
    **TRADING,
    **_COMBINED,
    **_PAPER,
    **STRATEGIES,
    **BACKTESTS,
    **TOURNAMENTS,
    **RANKINGS,
    **BOT,
    **MARKET,
    **NOTIFICATIONS,
    **CONFIG,
}
"""By the name of a schema; the first one of an answer's is shown, all of a request's are."""
