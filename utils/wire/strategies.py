"""Strategies, as both sides of the bridge speak of them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, get_args

from utils.wire.base import Command, Message, Request
from utils.wire.trading import Mode, OrderType, Side

StrategyState = Literal["created", "initialized", "running", "stopped", "error", "removed"]
StrategyAction = Literal["init", "start", "stop", "remove", "restore", "delete"]

StrategyPurpose = Literal["paper", "live", "backtest"]

STRATEGY_STATES: tuple[StrategyState, ...] = get_args(StrategyState)
STRATEGY_ACTIONS: tuple[StrategyAction, ...] = get_args(StrategyAction)
STRATEGY_MOVES: dict[StrategyAction, dict[StrategyState, StrategyState | None]] = {
    "init": {"created": "initialized", "stopped": "initialized"},
    "start": {"initialized": "running", "stopped": "running", "error": "running"},
    "stop": {"initialized": "stopped", "running": "stopped", "error": "stopped"},
    "remove": {"created": "removed", "initialized": "removed", "stopped": "removed", "error": "removed"},
    "restore": {"removed": "created"},
    "delete": dict.fromkeys(("created", "initialized", "stopped", "error", "removed")),
}
"""To which state each action leads from where; None: to none, it is gone. What fails while it runs goes to `error`."""
FUNDED_STATES: frozenset[StrategyState] = frozenset({"initialized", "running", "error"})
"""In these a strategy's account holds what its parent gave it; in all others nothing."""


class Strategy(Message, frozen=True, kw_only=True):
    """A strategy as its owner sees it; `funding` is what its account gets from `parent`, in the reference currency.

    `portfolio_name` is what it trades: a symbol, or several, separated by commas. `error` is why it failed.
    """

    name: str
    strategy_class: str
    account: str
    parent: str
    mode: Mode
    exchange: str
    portfolio_name: str
    settings: dict[str, Any]
    funding: Decimal
    state: StrategyState
    error: str | None
    error_code: str | None
    created_at: datetime
    updated_at: datetime


class StrategyClass(Message, frozen=True, kw_only=True):
    """What a strategy can be: `settings` is a JSON Schema, `basket` tells whether it trades several symbols."""

    name: str
    origin: str
    title: str
    description: str
    basket: bool
    settings: dict[str, Any]
    defaults: dict[str, Any]


class StrategyDraft(Message, frozen=True, kw_only=True):
    """A strategy that was found valid: its class by its one name, its markets and all of its settings."""

    strategy_class: str
    portfolio_name: str
    settings: dict[str, Any]


class Alert(Message, frozen=True, kw_only=True):
    """What a signal strategy is told to do; one with an `id` that was seen before does nothing again.

    `close` sells all that is held. Without `amount` and `quote_amount` the strategy's settings say how much.
    """

    action: Literal["buy", "sell", "close"]
    id: str | None = None
    symbol: str | None = None
    type: OrderType = "market"
    amount: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None

    @property
    def side(self) -> Side:
        """Return the side of the order."""
        return "buy" if self.action == "buy" else "sell"


class GetStrategyClasses(Request, frozen=True, kw_only=True):
    """List what strategies can be."""


class CheckStrategy(Request, frozen=True, kw_only=True):
    """Hold a strategy that is to be added against its class and the markets of its exchange.

    Without `is_listed` the exchange need not have them: their candles come from elsewhere. `purpose` is where it is to
    trade: on an account on paper, on a live one, or on recorded candles.
    """

    exchange: str
    reference_currency: str
    strategy_class: str
    portfolio_name: str
    settings: dict[str, Any]
    is_listed: bool = True
    purpose: StrategyPurpose = "paper"


class MoveStrategy(Command, frozen=True, kw_only=True):
    """Bring a strategy into another state; `account` is its own."""

    action: StrategyAction


class EditStrategy(Command, frozen=True, kw_only=True):
    """Change settings of a strategy, a running one's at once, and what it is funded with next time."""

    settings: dict[str, Any]
    funding: Decimal | None = None


class SendAlert(Command, frozen=True, kw_only=True):
    """Tell a running signal strategy what to do."""

    alert: Alert
