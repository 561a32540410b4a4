"""What a strategy sees when it decides, and what it may decide.

A strategy is a function of what it sees. It is asked again and again, also after a restart in the middle of what it
wanted, and answers each time with what is still to do: its orders have names (`level` and `generation`) that say what
they are for, and no name is used twice.
"""

from __future__ import annotations

import hashlib
from decimal import Decimal

import msgspec

from utils.ids import new_id
from utils.money import ZERO, round_down
from utils.wire import FINAL_STATUSES, Alert, Candle, Instrument, Mode, Order, OrderType, Side

NAME_LENGTH = 48
"""Of a client order id."""
ALERTS = "alert"
"""The level of orders that alerts ask for."""


class Own(msgspec.Struct, frozen=True):
    """An order of the strategy, by what it is for."""

    level: str
    generation: str
    order: Order

    @property
    def is_open(self) -> bool:
        """Tell whether it may still fill."""
        return self.order.status not in FINAL_STATUSES


class View(msgspec.Struct, frozen=True, kw_only=True):
    """The present of one strategy: `run` counts its starts, `memory` is what it asked to be kept of this run.

    `candles` are closed ones, by symbol, ascending, as many as the class asks for. `own` has all open orders, and of
    each level the newest one. `alert` is what it was just told. A `live` account may hold what it
    has not bought.
    """

    run: int
    memory: dict[str, str]
    markets: dict[str, Instrument]
    prices: dict[str, Decimal]
    candles: dict[str, list[Candle]]
    free: dict[str, Decimal]
    totals: dict[str, Decimal]
    own: list[Own]
    alert: Alert | None = None
    mode: Mode = "paper"

    @property
    def symbol(self) -> str:
        """Return the first symbol, the only one of a class that trades no baskets."""
        return next(iter(self.markets))

    @property
    def market(self) -> Instrument:
        """Return the market of `symbol`."""
        return self.markets[self.symbol]

    @property
    def price(self) -> Decimal:
        """Return the last price of `symbol`."""
        return self.prices[self.symbol]

    @property
    def closes(self) -> list[Decimal]:
        """Return the closes of `symbol`, oldest first."""
        return [candle.close for candle in self.candles[self.symbol]]

    @property
    def candle(self) -> str:
        """Return what names the last closed candle of `symbol`: its opening, in seconds since 1970."""
        candles = self.candles[self.symbol]
        return str(candles[-1].timestamp // 1000) if candles else "0"

    def latest(self, level: str) -> Own | None:
        """Return the newest order of a level."""
        return next((own for own in reversed(self.own) if own.level == level), None)

    def sellable(self, symbol: str | None = None) -> Decimal:
        """Return what is free of the base currency, as an amount that can be ordered; 0 when it is too little."""
        market = self.markets[symbol or self.symbol]
        amount = round_down(self.free.get(market.base, ZERO), market.amount_step)
        price = self.prices[market.symbol]
        return amount if amount >= market.min_amount and amount * price >= market.min_cost else ZERO

    def budget(self, percent: Decimal) -> Decimal:
        """Return so many percent of what is free in the quote currency of `symbol`."""
        return self.free.get(self.market.quote, ZERO) * percent / 100


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Place an order, unless the strategy has ever placed one of this level and generation.

    One that is refused is told in the log, and the strategy goes on; one that is `vital` ends it.
    """

    level: str
    generation: str
    side: Side
    symbol: str
    type: OrderType = "market"
    amount: Decimal | None = None
    quote_amount: Decimal | None = None
    price: Decimal | None = None
    vital: bool = False


class Cancel(msgspec.Struct, frozen=True):
    """Cancel an open order."""

    order_id: str


class Remember(msgspec.Struct, frozen=True):
    """Keep this for the rest of the run, also over a restart; stored before what comes after it is done."""

    memory: dict[str, str]


class Say(msgspec.Struct, frozen=True):
    """Write a line to the strategy's log."""

    message: str
    level: str = "info"


Step = Place | Cancel | Remember | Say


def order_name(strategy: str, level: str, generation: str, *, life: str = "") -> str:
    """Return the client order id of an order: `strategy:level:generation`, the first cut where it is too long.

    :param life: stands behind the strategy's name, where others of that name may have traded on the same account.
    """
    rest = f"{life and '.'}{life}:{level}:{generation}"
    if len(rest) >= NAME_LENGTH:
        raise ValueError(f"the name of an order is too long: {level}:{generation}")
    return f"{strategy[: NAME_LENGTH - len(rest)]}{rest}"


def own_order(order: Order) -> Own | None:
    """Return what an order of a strategy's account is for; None for one that somebody else placed there."""
    match order.client_order_id.rsplit(":", 2):
        case [_, level, generation]:
            return Own(level, generation, order)
    return None


def alert_generation(alert: Alert) -> str:
    """Return what names an alert's order: always the same for the same id, never the same without one."""
    given = alert.id if alert.id is not None else new_id()
    return hashlib.sha256(given.encode()).hexdigest()[:16]  # a client order id is short
