"""Orders, trades and portfolios, as both sides of the bridge speak of them; the fields are the API's fields."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

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

OPEN_STATUSES: tuple[OrderStatus, ...] = ("pending_new", "accepted", "partially_filled", "pending_cancel", "unknown")
FINAL_STATUSES: tuple[OrderStatus, ...] = ("filled", "canceled", "expired", "rejected", "replaced")


class Fee(Message, frozen=True, kw_only=True):
    """A fee of `cost` units of `currency`."""

    currency: str
    cost: Decimal


class Order(Message, frozen=True, kw_only=True):
    """An order as its owner sees it; `average` is the mean fill price, `cost` the quote amount filled.

    `trailing_level` is the best price a trailing order has seen, `group_id` joins the orders of an OCO pair.
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


class Trade(Message, frozen=True, kw_only=True):
    """One fill of an order; `realized_pnl` is in the account's reference currency, after fees."""

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
