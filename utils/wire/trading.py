"""Orders, trades and portfolios, as both sides of the bridge speak of them; the fields are the API's fields."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal, get_args

from msgspec.structs import replace

from utils.money import rounded
from utils.wire.base import Message

Side = Literal["buy", "sell"]
OrderType = Literal[
    "market",
    "limit",
    "stop",
    "stop_limit",
    "take_profit",
    "take_profit_limit",
    "trailing_stop",
    "trailing_stop_limit",
]
TimeInForce = Literal["gtc", "ioc", "fok", "day"]
OrderStatus = Literal[
    "pending_new",
    "accepted",
    "partially_filled",
    "pending_cancel",
    "filled",
    "canceled",
    "expired",
    "rejected",
    "replaced",
    "unknown",
]
Mode = Literal["paper", "live"]
AccountType = Literal["spot", "futures"]

SIDES: tuple[Side, ...] = get_args(Side)
ORDER_TYPES: tuple[OrderType, ...] = get_args(OrderType)
TIMES_IN_FORCE: tuple[TimeInForce, ...] = get_args(TimeInForce)
MARKET_ON_TRIGGER: frozenset[OrderType] = frozenset({"stop", "take_profit", "trailing_stop"})
LIMIT_ON_TRIGGER: frozenset[OrderType] = frozenset({"stop_limit", "take_profit_limit", "trailing_stop_limit"})
CONDITIONAL = MARKET_ON_TRIGGER | LIMIT_ON_TRIGGER
"""Orders that wait for a trigger, and lock no funds before it."""
TRAILING: frozenset[OrderType] = frozenset({"trailing_stop", "trailing_stop_limit"})
PRICED: frozenset[OrderType] = LIMIT_ON_TRIGGER | {"limit"}
"""Orders with a `price`."""
STOPPED = CONDITIONAL - TRAILING
"""Orders with a `stop_price`."""
GROUPABLE: frozenset[OrderType] = frozenset({"limit", "take_profit", "take_profit_limit"})
"""Orders that can be the first of a one-cancels-the-other pair."""
IMMEDIATE: frozenset[TimeInForce] = frozenset({"ioc", "fok"})
"""Times in force of orders that never rest."""
MAX_TRAILING_PERCENT = 50

MOVES: dict[OrderStatus, frozenset[OrderStatus]] = {
    "pending_new": frozenset({"accepted", "partially_filled", "filled", "rejected", "unknown"}),
    "accepted": frozenset(
        {"pending_new", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced"}
    ),
    "partially_filled": frozenset({"partially_filled", "filled", "pending_cancel", "canceled", "expired", "replaced"}),
    "pending_cancel": frozenset({"canceled", "expired", "partially_filled", "filled"}),
    "unknown": frozenset(
        {"accepted", "partially_filled", "filled", "pending_cancel", "canceled", "expired", "rejected", "replaced"}
    ),
    "filled": frozenset(),
    "canceled": frozenset(),
    "expired": frozenset(),
    "rejected": frozenset(),
    "replaced": frozenset(),
}
"""Which status may follow which; the engine stores no other move."""
OPEN_STATUSES: tuple[OrderStatus, ...] = tuple(status for status, following in MOVES.items() if following)
FINAL_STATUSES: tuple[OrderStatus, ...] = tuple(status for status, following in MOVES.items() if not following)
UNCERTAIN_STATUSES: tuple[OrderStatus, ...] = ("pending_new", "pending_cancel", "unknown")
"""An exchange has been, or is being, asked, and has not answered for certain."""


def may_move(before: OrderStatus, after: OrderStatus) -> bool:
    """Tell whether an order that was last stored (and told) as `before` may be stored as `after`.

    A new order that ends at once was accepted in passing; an edit and a trigger leave an open order's status alone.
    A live order that was held here becomes an intent (`pending_new`) when it is triggered.
    """
    if after in MOVES[before] or (before == after and before in OPEN_STATUSES):
        return True
    return before == "pending_new" and after in MOVES["accepted"]


class Fee(Message, frozen=True, kw_only=True):
    """A fee of `cost` units of `currency`."""

    currency: str
    cost: Decimal


class ExitLeg(Message, frozen=True, kw_only=True):
    """One exit of a bracket. Take-profit: `price` is a limit, `stop_price` a trigger, both a limit after a trigger.

    Stop-loss: `stop_price`, with `price` a stop-limit.
    """

    price: Decimal | None = None
    stop_price: Decimal | None = None


class Order(Message, frozen=True, kw_only=True):
    """An order as its owner sees it; `average` is the mean fill price, `cost` the quote amount filled.

    `trailing_level` is the best price a trailing order has seen, `group_id` joins the orders of an OCO pair.
    `take_profit` and `stop_loss` are the exits that an entry places when it fills; theirs is its id as `parent_id`.
    A live order has `sent_at` before anything is sent (one that is held here has none), `exchange_order_id` once the
    exchange has told it, and `replaced_by` when an edit made a new one of it.
    """

    id: str
    client_order_id: str
    account: str
    mode: Mode
    exchange: str
    symbol: str
    side: Side
    type: OrderType
    status: OrderStatus
    amount: Decimal
    filled: Decimal
    remaining: Decimal
    price: Decimal | None
    stop_price: Decimal | None
    trailing_percent: Decimal | None
    average: Decimal | None
    cost: Decimal
    fee: Fee | None
    time_in_force: TimeInForce
    reduce_only: bool
    group_id: str | None
    triggered_at: datetime | None
    reject_code: str | None
    created_at: datetime
    updated_at: datetime
    trailing_level: Decimal | None = None
    parent_id: str | None = None
    take_profit: ExitLeg | None = None
    stop_loss: ExitLeg | None = None
    sent_at: datetime | None = None
    exchange_order_id: str | None = None
    replaced_by: str | None = None

    @property
    def exits(self) -> int:
        """Return how many orders its fill will place."""
        return (self.take_profit is not None) + (self.stop_loss is not None)


class Trade(Message, frozen=True, kw_only=True):
    """One fill of an order; `realized_pnl` is in the account's reference currency, after fees.

    `exchange_trade_id` is the exchange's own id of a live fill.
    """

    id: str
    order_id: str
    account: str
    mode: Mode
    exchange: str
    symbol: str
    side: Side
    price: Decimal
    amount: Decimal
    cost: Decimal
    fee: Fee | None
    realized_pnl: Decimal | None
    created_at: datetime
    exchange_trade_id: str | None = None


class Holding(Message, frozen=True, kw_only=True):
    """What an account has of one currency: `total = free + locked`; `value` in the reference currency."""

    free: Decimal
    locked: Decimal
    total: Decimal
    value: Decimal | None


class Balance(Message, frozen=True, kw_only=True):
    """Everything an account holds, valued at mark prices."""

    account: str
    mode: Mode
    currencies: dict[str, Holding]
    reference_currency: str
    total_value: Decimal


class Profit(Message, frozen=True, kw_only=True):
    """Gain over what was deposited: `amount` in the reference currency, `percent` of the deposits."""

    amount: Decimal
    percent: Decimal


class Position(Message, frozen=True, kw_only=True):
    """A holding other than the reference currency (spot) or a position in a perpetual: entry, mark, unrealised gain.

    Only a position in a perpetual has the rest: `margin` is locked for it, `realized_pnl` is what it gained since it
    was opened, after fees, `funding` what it got (or paid) since then.
    """

    account: str
    symbol: str
    side: Literal["long", "short"]
    amount: Decimal
    entry_price: Decimal | None
    mark_price: Decimal | None
    unrealized_pnl: Decimal | None
    leverage: Decimal | None = None
    margin: Decimal | None = None
    liquidation_price: Decimal | None = None
    realized_pnl: Decimal | None = None
    funding: Decimal | None = None

    def told(self) -> Position:
        """Return the position as its owner is told of it: what is derived is rounded, what is booked is not."""
        entry, gain = self.entry_price, self.unrealized_pnl
        return replace(
            self,
            entry_price=None if entry is None else rounded(entry),
            unrealized_pnl=None if gain is None else rounded(gain),
        )


class Leverage(Message, frozen=True, kw_only=True):
    """The leverage chosen for a market, and what follows from it for an open position."""

    account: str
    symbol: str
    leverage: Decimal
    max_leverage: Decimal
    margin: Decimal
    liquidation_price: Decimal | None


class Portfolio(Message, frozen=True, kw_only=True):
    """The overview of one account: the fields of its balance, and what goes with them."""

    account: str
    mode: Mode
    currencies: dict[str, Holding]
    reference_currency: str
    total_value: Decimal
    open_orders: int
    positions: list[Position]
    profit: Profit
    as_of: datetime


class Check(Message, frozen=True, kw_only=True):
    """One rule an order was held against; `code` and `message` say why when `ok` is false."""

    name: str
    ok: bool
    code: str | None
    message: str | None


class Preview(Message, frozen=True, kw_only=True):
    """What placing an order would do now: expected price, cost, fee and the free balances after."""

    symbol: str
    side: Side
    type: OrderType
    amount: Decimal | None
    price: Decimal | None
    cost: Decimal | None
    fee: Fee | None
    balance_after: dict[str, Decimal]
    checks: list[Check]
    ok: bool
