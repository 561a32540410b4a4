"""The index of trigger prices: which orders and positions does a price touch? A tick visits only their accounts."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from sortedcontainers import SortedList

from engine.orders import kinds
from engine.orders.rules import trailing_trigger
from utils.wire import CONDITIONAL, TRAILING, Order

GUARD = "!"
"""What the name of a guard, which sorts before every order's id, begins with."""


class Touch(NamedTuple):
    """A tick that touched an order: the mark price, and when it was seen."""

    mark: Decimal
    at: datetime


class Triggers:
    """Hold the trigger price of every open order and position, of accounts in memory or not; count the orders."""

    def __init__(self) -> None:
        self._books: dict[tuple[str, str], _Book] = {}
        self._places: dict[str, tuple[str, str]] = {}
        self._guards = 0
        self._elsewhere: dict[str, str] = {}
        """Live orders that wait for no price here, and their accounts: the exchange has them, or will have."""

    def __len__(self) -> int:
        return len(self._places) - self._guards + len(self._elsewhere)

    def add(self, order: Order) -> None:
        """Watch `order`, replacing what was known of it but for a better trailing level."""
        if order.mode == "live" and not kinds.waits(order):
            self.remove(order.id)
            self._elsewhere[order.id] = order.account
            return
        place = (order.exchange, order.symbol)
        book = self._books.setdefault(place, _Book())
        level = book.levels.get(order.id)
        self.remove(order.id)
        self._places[order.id] = place
        book.add(order, level)

    def guard(self, exchange: str, row: dict[str, Any]) -> None:
        """Watch the liquidation price of a position (a row of SQL), or stop watching when it has none."""
        name = f"{GUARD}{row['symbol']} {row['account_id']}"
        self.remove(name)
        if row["amount"] and row["liquidation_price"] is not None:
            self._guards += 1
            # apart from the orders: what they wait for is the last price, not the mark
            self._places[name] = place = (exchange, GUARD + row["symbol"])
            book = self._books.setdefault(place, _Book())
            book.watch(name, row["account_id"], row["liquidation_price"], above=row["amount"] < 0)

    def remove(self, order_id: str) -> None:
        """Stop watching an order; unknown ids are fine."""
        self._elsewhere.pop(order_id, None)
        place = self._places.pop(order_id, None)
        if place is not None:
            self._guards -= order_id.startswith(GUARD)
            self._books[place].remove(order_id)

    def by_account(self) -> dict[str, list[str]]:
        """Return the ids of all open orders, by account."""
        found: dict[str, list[str]] = {}
        for (_, symbol), book in self._books.items():
            if not symbol.startswith(GUARD):
                for order_id, account_id in book.accounts.items():
                    found.setdefault(account_id, []).append(order_id)
        for order_id, account_id in self._elsewhere.items():
            found.setdefault(account_id, []).append(order_id)
        return found

    def live_accounts(self) -> set[str]:
        """Return the accounts that have open orders at a real exchange."""
        return set(self._elsewhere.values())

    def forget(self, account_id: str) -> None:
        """Stop watching every order of an account."""
        for order_id in [order for order, account in self._elsewhere.items() if account == account_id]:
            self.remove(order_id)
        for book in self._books.values():
            for order_id in [order for order, account in book.accounts.items() if account == account_id]:
                self.remove(order_id)

    def touched(self, exchange: str, symbol: str, price: Decimal) -> dict[str, list[str]]:
        """Return the orders that `price` triggers, by account, in the order of their ids. They stay watched."""
        book = self._books.get((exchange, symbol))
        return book.touched(price) if book else {}

    def lost(self, exchange: str, symbol: str, mark: Decimal) -> dict[str, list[str]]:
        """Return the positions whose liquidation price `mark` reaches, by account. They stay watched."""
        return self.touched(exchange, GUARD + symbol, mark)

    def trail(self, exchange: str, symbol: str, price: Decimal) -> list[tuple[str, str, Decimal]]:
        """Move the levels of trailing orders to `price` where it is better; return (account, order, level) of each."""
        book = self._books.get((exchange, symbol))
        return book.trail(price) if book else []


class _Book:
    """The triggers of one symbol: `below` fire when the price falls to them, `above` when it rises to them."""

    def __init__(self) -> None:
        self.below: SortedList[tuple[Decimal, str]] = SortedList()
        self.above: SortedList[tuple[Decimal, str]] = SortedList()
        self.accounts: dict[str, str] = {}
        self.entries: dict[str, tuple[bool, tuple[Decimal, str]]] = {}
        self.trailing: dict[str, Order] = {}
        self.levels: dict[str, Decimal] = {}

    def add(self, order: Order, known_level: Decimal | None) -> None:
        if order.type in TRAILING and order.triggered_at is None:
            if order.trailing_level is None:
                raise ValueError(f"trailing order {order.id} has no level")
            best = max if order.side == "sell" else min
            self.trailing[order.id] = order
            self.levels[order.id] = best(order.trailing_level, known_level or order.trailing_level)
        self._enter(order)

    def watch(self, name: str, account: str, price: Decimal, *, above: bool) -> None:
        self.accounts[name] = account
        self.entries[name] = (above, (price, name))
        (self.above if above else self.below).add((price, name))

    def _enter(self, order: Order) -> None:
        price, above = trigger(order, self.levels.get(order.id))
        self.watch(order.id, order.account, price, above=above)

    def _leave(self, order_id: str) -> None:
        above, entry = self.entries.pop(order_id)
        (self.above if above else self.below).remove(entry)

    def remove(self, order_id: str) -> None:
        self._leave(order_id)
        del self.accounts[order_id]
        self.trailing.pop(order_id, None)
        self.levels.pop(order_id, None)

    def touched(self, price: Decimal) -> dict[str, list[str]]:
        hits = [order_id for _, order_id in self.below.irange(minimum=(price, ""))]
        # ids sort below "~", so this bound includes every trigger at exactly `price`
        hits += [order_id for _, order_id in self.above.irange(maximum=(price, "~"))]
        by_account: dict[str, list[str]] = {}
        for order_id in sorted(hits):
            by_account.setdefault(self.accounts[order_id], []).append(order_id)
        return by_account

    def trail(self, price: Decimal) -> list[tuple[str, str, Decimal]]:
        moved = []
        for order_id, order in self.trailing.items():
            level = self.levels[order_id]
            if price > level if order.side == "sell" else price < level:
                self._leave(order_id)
                self.levels[order_id] = price
                self._enter(order)
                moved.append((order.account, order_id, price))
        return moved


def trigger(order: Order, level: Decimal | None = None) -> tuple[Decimal, bool]:
    """Return the price at which `order` acts, and whether the market must be at or above it (else at or below).

    :param level: best price a trailing order has seen; `order.trailing_level` when None.
    """
    if order.type not in CONDITIONAL or order.triggered_at is not None:
        if order.price is None:
            raise ValueError(f"order {order.id} rests without a price")
        return order.price, order.side == "sell"
    if order.type in TRAILING:
        best = level if level is not None else order.trailing_level
        if best is None or order.trailing_percent is None:
            raise ValueError(f"trailing order {order.id} has no level")
        return trailing_trigger(order.side, best, order.trailing_percent), order.side == "buy"
    if order.stop_price is None:
        raise ValueError(f"order {order.id} has no stop price")
    return order.stop_price, (order.side == "buy") == order.type.startswith("stop")
