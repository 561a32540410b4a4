"""The fake's books: what each account has, what of it is locked, its orders and trades."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

from tests.fake_engine.market import EXCHANGE, INSTRUMENTS, Market
from utils.money import HUNDRED, ONE, ZERO
from utils.wire import (
    OPEN_STATUSES,
    Fee,
    Holding,
    Instrument,
    Order,
    OrderStatus,
    OrderTicket,
    Portfolio,
    Position,
    Profit,
    Trade,
)

REFERENCE = "USDT"
DEPOSIT = Decimal(10_000)


@dataclass(kw_only=True)
class FakeOrder:
    """An order; `best` is the best price a trailing order has seen since it was placed."""

    id: str
    account: str
    ticket: OrderTicket
    amount: Decimal
    best: Decimal
    created_at: datetime
    updated_at: datetime
    client_order_id: str
    status: OrderStatus = "accepted"
    average: Decimal | None = None
    fee: Fee | None = None
    group_id: str | None = None
    triggered_at: datetime | None = None
    reject_code: str | None = None
    parent_id: str | None = None

    @property
    def is_open(self) -> bool:
        """Tell whether it may still fill."""
        return self.status in OPEN_STATUSES

    @property
    def is_resting(self) -> bool:
        """Tell whether it lies in the book as a limit order and so locks funds."""
        waits = self.ticket.type.endswith("_limit") and self.triggered_at is not None
        return self.is_open and (self.ticket.type == "limit" or waits)

    def shown(self) -> Order:
        """Return the order as its owner sees it."""
        ticket = self.ticket
        filled = self.amount if self.status == "filled" else ZERO
        return Order(
            id=self.id,
            client_order_id=self.client_order_id,
            account=self.account,
            mode="paper",
            exchange=EXCHANGE,
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            status=self.status,
            amount=self.amount,
            filled=filled,
            remaining=self.amount - filled,
            price=ticket.price,
            stop_price=ticket.stop_price,
            trailing_percent=ticket.trailing_percent,
            average=self.average,
            cost=filled * (self.average or ZERO),
            fee=self.fee,
            time_in_force=ticket.time_in_force,
            reduce_only=ticket.reduce_only,
            group_id=self.group_id,
            triggered_at=self.triggered_at,
            reject_code=self.reject_code,
            created_at=self.created_at,
            updated_at=self.updated_at,
            parent_id=self.parent_id,
            take_profit=ticket.take_profit,
            stop_loss=ticket.stop_loss,
        )


@dataclass
class FakeAccount:
    """A paper portfolio. Entry prices are averages of fill prices; fees count when a gain is realised."""

    id: str
    totals: dict[str, Decimal] = field(default_factory=lambda: {REFERENCE: DEPOSIT})
    entries: dict[str, Decimal] = field(default_factory=dict)
    orders: dict[str, FakeOrder] = field(default_factory=dict)
    trades: list[Trade] = field(default_factory=list)
    starting_balance: Decimal = DEPOSIT
    deposited: Decimal = DEPOSIT
    reset_at: datetime | None = None
    is_archived: bool = False

    def open_orders(self) -> list[FakeOrder]:
        """Return the open orders, oldest first."""
        return [order for order in self.orders.values() if order.is_open]

    def total(self, currency: str) -> Decimal:
        """Return everything of `currency`."""
        return self.totals.get(currency, ZERO)

    def locked(self, currency: str, released: FakeOrder | None = None) -> Decimal:
        """Return what resting orders hold of `currency`; a pair holds it once.

        :param released: count as if this order and its pair held nothing.
        """
        held: dict[str, Decimal] = {}
        for order in self.orders.values():
            if not order.is_resting or (released is not None and _group(order) == _group(released)):
                continue
            wanted, need = needed(order.ticket, order.amount, INSTRUMENTS[order.ticket.symbol], ZERO)
            if wanted == currency:
                held[_group(order)] = max(held.get(_group(order), ZERO), need)
        return sum(held.values(), ZERO)

    def free(self, currency: str, released: FakeOrder | None = None) -> Decimal:
        """Return what of `currency` no order holds."""
        return self.total(currency) - self.locked(currency, released)

    def book(self, trade: Trade, instrument: Instrument, rate: Decimal) -> Decimal | None:
        """Move the money of `trade`; return the realised gain of a sale.

        :param rate: what one unit of the quote currency is worth in the reference currency.
        """
        fee = trade.fee.cost if trade.fee else ZERO
        base, quote = instrument.base, instrument.quote
        had, entry = self.total(base), self.entries.get(base)
        if trade.side == "buy":
            self.totals[quote] = self.total(quote) - trade.cost - fee
            self.totals[base] = had + trade.amount
            self.entries[base] = ((entry or ZERO) * had + trade.cost * rate) / (had + trade.amount)
            return None
        self.totals[base] = had - trade.amount
        self.totals[quote] = self.total(quote) + trade.cost - fee
        return None if entry is None else (trade.price * rate - entry) * trade.amount - fee * rate

    def portfolio(self, market: Market, now: datetime) -> Portfolio:
        """Value everything at the marks."""
        currencies: dict[str, Holding] = {}
        positions: list[Position] = []
        for currency, total in self.totals.items():
            price = market.value(currency, REFERENCE)
            value = None if price is None else total * price
            locked = self.locked(currency)
            currencies[currency] = Holding(free=total - locked, locked=locked, total=total, value=value)
            if currency != REFERENCE and total > 0:
                positions.append(self._position(currency, total, price))
        worth = sum((holding.value or ZERO for holding in currencies.values()), ZERO)
        gain = worth - self.deposited
        return Portfolio(
            account=self.id,
            mode="paper",
            currencies=currencies,
            reference_currency=REFERENCE,
            total_value=worth,
            open_orders=len(self.open_orders()),
            positions=positions,
            profit=Profit(amount=gain, percent=gain / self.deposited * HUNDRED),
            as_of=now,
        )

    def _position(self, currency: str, total: Decimal, mark: Decimal | None) -> Position:
        entry = self.entries.get(currency)
        return Position(
            account=self.id,
            symbol=f"{currency}/{REFERENCE}",
            side="long",
            amount=total,
            entry_price=entry,
            mark_price=mark,
            unrealized_pnl=None if entry is None or mark is None else (mark - entry) * total,
        )


def needed(ticket: OrderTicket, amount: Decimal, instrument: Instrument, mark: Decimal) -> tuple[str, Decimal]:
    """Return the currency an order takes and how much of it: quote with the taker fee, or base."""
    if ticket.side == "sell":
        return instrument.base, amount
    price = ticket.price if ticket.price is not None else ticket.stop_price
    return instrument.quote, amount * (mark if price is None else price) * (ONE + instrument.taker_fee)


def _group(order: FakeOrder) -> str:
    return order.group_id or order.id
