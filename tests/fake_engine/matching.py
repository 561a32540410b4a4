"""When the fake's orders trigger, fill, rest and end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

import msgspec

from tests.fake_engine.books import FakeAccount, FakeOrder, needed
from tests.fake_engine.brackets import open_exits
from tests.fake_engine.market import EXCHANGE, INSTRUMENTS, Market
from utils.ids import new_id
from utils.money import HUNDRED, ONE
from utils.wire import IMMEDIATE, Fee, OrderStatus, OrderTicket, Trade


class Matching:
    """Hold open orders against the mark of their market."""

    def __init__(self, market: Market, clock: Callable[[], datetime]) -> None:
        self._market = market
        self._clock = clock

    def place(self, account: FakeAccount, order: FakeOrder) -> None:
        """Do what a fresh order does at once: market and marketable orders fill, ioc and fok never rest."""
        mark = self._market.mark(order.ticket.symbol)
        if is_marketable(order.ticket, mark):
            self._fill(account, order, mark, INSTRUMENTS[order.ticket.symbol].taker_fee)
        elif order.ticket.type == "limit" and order.ticket.time_in_force in IMMEDIATE:
            self.close(account, order, "expired")

    def tick(self, account: FakeAccount, order: FakeOrder) -> None:
        """Hold `order` against the present mark."""
        if not order.is_open:
            return  # its pair ended in the same tick
        mark = self._market.mark(order.ticket.symbol)
        order.best = max(order.best, mark) if order.ticket.side == "sell" else min(order.best, mark)
        if order.is_resting:
            price = order.ticket.price
            if price is not None and _reaches(order.ticket, mark):
                self._fill(account, order, price, INSTRUMENTS[order.ticket.symbol].maker_fee)
        elif _is_triggered(order, mark):
            self._trigger(account, order, mark)

    def tick_edited(self, account: FakeAccount, order: FakeOrder) -> None:
        """Hold an edited order against the mark: a limit that became marketable takes, at the mark."""
        mark = self._market.mark(order.ticket.symbol)
        if order.is_resting and _reaches(order.ticket, mark):
            self._fill(account, order, mark, INSTRUMENTS[order.ticket.symbol].taker_fee)
        elif not order.is_resting and _is_triggered(order, mark):
            self._trigger(account, order, mark)

    def close(
        self, account: FakeAccount, order: FakeOrder, status: OrderStatus, reject_code: str | None = None
    ) -> None:
        """End `order` and with it the other of its pair."""
        order.status, order.reject_code, order.updated_at = status, reject_code, self._clock()
        self._cancel_other(account, order)

    def group(self, account: FakeAccount, order: FakeOrder) -> list[FakeOrder]:
        """Return `order` and the other of its pair."""
        return [
            other
            for other in account.orders.values()
            if other is order or (order.group_id is not None and other.group_id == order.group_id)
        ]

    def _cancel_other(self, account: FakeAccount, order: FakeOrder) -> None:
        for other in self.group(account, order):
            if other is not order and other.is_open:
                other.status, other.updated_at = "canceled", self._clock()

    def _trigger(self, account: FakeAccount, order: FakeOrder, mark: Decimal) -> None:
        order.triggered_at = order.updated_at = self._clock()
        self._cancel_other(account, order)
        market = INSTRUMENTS[order.ticket.symbol]
        if not order.ticket.type.endswith("_limit") or _reaches(order.ticket, mark):
            self._fill(account, order, mark, market.taker_fee)
        elif order.ticket.time_in_force in IMMEDIATE:
            self.close(account, order, "expired")
        else:
            currency, need = needed(order.ticket, order.amount, market, mark)
            if account.free(currency, released=order) < need:
                self.close(account, order, "canceled", "insufficient_funds")

    def _fill(self, account: FakeAccount, order: FakeOrder, price: Decimal, rate: Decimal) -> None:
        market = INSTRUMENTS[order.ticket.symbol]
        cost = order.amount * price
        fee = Fee(currency=market.quote, cost=cost * rate)
        sells = order.ticket.side == "sell"
        currency, need = (market.base, order.amount) if sells else (market.quote, cost + fee.cost)
        if account.free(currency, released=order) < need:
            self.close(account, order, "canceled", "insufficient_funds")
            return
        order.average, order.fee = price, fee
        self.close(account, order, "filled")
        trade = Trade(
            id=new_id(),
            order_id=order.id,
            account=account.id,
            mode="paper",
            exchange=EXCHANGE,
            symbol=order.ticket.symbol,
            side=order.ticket.side,
            price=price,
            amount=order.amount,
            cost=cost,
            fee=fee,
            realized_pnl=None,
            created_at=order.updated_at,
        )
        worth = self._market.value(market.quote, "USDT") or ONE
        gain = account.book(trade, market, worth)
        account.trades.append(msgspec.structs.replace(trade, realized_pnl=gain))
        self._open_exits(account, order)

    def _open_exits(self, account: FakeAccount, entry: FakeOrder) -> None:
        mark = self._market.mark(entry.ticket.symbol)
        opened = open_exits(entry, mark, self._clock())
        for order in opened:
            currency, need = needed(order.ticket, order.amount, INSTRUMENTS[order.ticket.symbol], mark)
            if order.ticket.type == "limit" and account.free(currency) < need:
                order.status, order.reject_code = "rejected", "insufficient_funds"
                for each in opened:
                    each.group_id = None
            account.orders[order.id] = order
        for order in opened:
            if order.is_open and is_marketable(order.ticket, mark):
                self._fill(account, order, mark, INSTRUMENTS[order.ticket.symbol].taker_fee)


def is_marketable(ticket: OrderTicket, mark: Decimal) -> bool:
    """Tell whether a fresh order fills at once."""
    return ticket.type == "market" or (ticket.type == "limit" and _reaches(ticket, mark))


def _reaches(ticket: OrderTicket, mark: Decimal) -> bool:
    if ticket.price is None:
        return False
    return mark <= ticket.price if ticket.side == "buy" else mark >= ticket.price


def _is_triggered(order: FakeOrder, mark: Decimal) -> bool:
    ticket = order.ticket
    sells = ticket.side == "sell"
    if ticket.trailing_percent is not None and ticket.type.startswith("trailing"):
        away = ticket.trailing_percent / HUNDRED
        return mark <= order.best * (ONE - away) if sells else mark >= order.best * (ONE + away)
    if ticket.stop_price is None or order.triggered_at is not None:
        return False
    falls = sells == ticket.type.startswith("stop")
    return mark <= ticket.stop_price if falls else mark >= ticket.stop_price
