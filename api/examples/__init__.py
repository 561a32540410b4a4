"""Examples in the document: requests that are accepted, and answers as they are."""

from __future__ import annotations

from typing import Any

from api.examples.accounts import ACCOUNTS
from api.examples.backtests import BACKTESTS
from api.examples.market import MARKET
from api.examples.story import ORDER
from api.examples.strategies import STRATEGIES
from api.examples.trading import TRADING

__all__ = ["EXAMPLES", "ORDER"]

EXAMPLES: dict[str, dict[str, Any]] = {**ACCOUNTS, **TRADING, **STRATEGIES, **BACKTESTS, **MARKET}
"""By the name of a schema; the first one of an answer's is shown, all of a request's are."""
