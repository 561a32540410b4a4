"""The core of a loopback exchange: accounts, their wallets, orders and trades, exact to the last digit.

Prices move only when a test says so. Takers trade at the price (plus or minus half the spread) as long as there is
liquidity; a resting order fills at its own price as soon as the market's price reaches it. A client's order id is
unique among the account's open orders: once that order is closed, both real exchanges take another one under its id.

What a test may call, from any thread:

- `set_price(symbol, price)`: resting orders that the price reaches fill, at their price, as makers;
- `set_liquidity(symbol, amount)`: takers together get this much more (base); None: as much as they like;
- `fill(order_id, amount)`: fill a part of a resting order;
- `deposit(account, currency, amount)` and `withdraw(…)`: move money from outside;
- `cancel(account, order_id)`: as a client at another screen would;
- `orders(account)`, `trades(account)`, `balances(account)`: the truth, everything that was ever accepted;
- `lag`: seconds after which clients see an order, a trade or a balance (`seen_…` are their views).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from tests.exchanges.market import Market, Quotes, places
from tests.exchanges.orders import Order, Rejected, Status, Ticket, Trade
from tests.exchanges.records import Records, locked
from tests.exchanges.wallet import Holdings, Wallet


class Book(Records):
    """All markets and accounts of one exchange."""

    def __init__(
        self,
        markets: list[Market],
        now: Callable[[], int],
        *,
        fees: Literal["received", "quote"],
    ) -> None:
        """Open the exchange; `now` is its clock in ms.

        :param fees: the currency a fee is taken in: the one received, or always the quote currency
        """
        super().__init__()
        self.now = now
        self.quotes = {market.symbol: Quotes(market, now()) for market in markets}
        self._fees = fees
        self._wallets: dict[str, Wallet] = {}
        self._open: dict[int, Order] = {}
        self._order_ids, self._trade_ids = itertools.count(1001), itertools.count(1)

    # What clients do.

    @locked
    def place(self, account: str, ticket: Ticket) -> Order:
        """Accept an order and match it.

        :raises Rejected: duplicate, funds, would_match or too_many; then nothing has changed
        """
        self._check(account, ticket)
        quotes = self.quotes[ticket.market.symbol]
        touch = quotes.ask if ticket.side == "buy" else quotes.bid
        amount = ticket.amount
        if amount is None:
            assert ticket.quote_amount is not None
            each = touch * (1 + ticket.market.taker) if self._fees == "quote" and ticket.side == "buy" else touch
            amount = ticket.market.floor(ticket.quote_amount / each)
        meets = self._meets(ticket)
        moment = self.now()
        order = Order(next(self._order_ids), account, ticket, amount, moment, moment)
        order = replace(order, reserved=self._reservation(ticket, amount, touch))
        wallet = self._wallet(account)
        if wallet.free(order.spends) < order.reserved:
            raise Rejected("funds")
        wallet.move(order.spends, free=-order.reserved, locked=order.reserved)
        self._store(order)
        return self._take(order, touch) if meets else self._rest(order)

    @locked
    def cancel(self, account: str, order_id: int) -> Order:
        """Cancel an open order.

        :raises Rejected: unknown, when it is not the account's or not open any more
        """
        order = self._open.get(order_id)
        if order is None or order.account != account:
            raise Rejected("unknown")
        return self._close(order, "cancelled")

    @locked
    def replace(self, account: str, order_id: int, ticket: Ticket) -> Order:
        """Cancel an open order and place another one in its stead, or leave it as it is.

        :raises Rejected: as `place` and `cancel` do; then nothing has changed
        """
        old = self._open.get(order_id)
        if old is None or old.account != account:
            raise Rejected("unknown")
        self._check(account, ticket, replaced=order_id)
        quotes = self.quotes[ticket.market.symbol]
        needed = self._reservation(ticket, ticket.amount or Decimal(0), quotes.ask)
        if self._wallet(account).free(old.spends) + old.reserved < needed:
            raise Rejected("funds")
        self._close(old, "cancelled")
        return self.place(account, ticket)

    # What tests do.

    @locked
    def set_price(self, symbol: str, price: Decimal | str, spread: Decimal | str = "0") -> None:
        """Move the market and fill, as makers, the resting orders that the price reached."""
        quotes = self.quotes[symbol]
        quotes.set(Decimal(price), self.now())
        quotes.spread = Decimal(spread)
        for order in list(self._open.values()):
            limit = order.ticket.price
            if order.market.symbol == symbol and limit is not None:
                reached = quotes.ask <= limit if order.side == "buy" else quotes.bid >= limit
                if reached:
                    self._fill(order, order.left, limit, maker=True)

    @locked
    def set_liquidity(self, symbol: str, amount: Decimal | str | None) -> None:
        """Let takers together have this much (base) from now on; None: no limit."""
        self.quotes[symbol].liquidity = None if amount is None else Decimal(amount)

    @locked
    def fill(self, order_id: int, amount: Decimal | str) -> Order:
        """Fill `amount` (base) of a resting order at its price."""
        order = self._open[order_id]
        if not 0 < Decimal(amount) <= order.left:
            raise ValueError(f"{order.left} is left of order {order_id}")
        assert order.ticket.price is not None
        return self._fill(order, Decimal(amount), order.ticket.price, maker=True)

    @locked
    def deposit(self, account: str, currency: str, amount: Decimal | str) -> None:
        """Add money from outside; opens the account when it is new."""
        self._wallet(account).move(currency, free=Decimal(amount))
        self._wallet(account).note(time.monotonic())

    def withdraw(self, account: str, currency: str, amount: Decimal | str) -> None:
        """Take money out that is free."""
        self.deposit(account, currency, -Decimal(amount))

    @locked
    def balances(self, account: str) -> Holdings:
        """Return what the account truly holds."""
        return self._wallet(account).at(time.monotonic())

    # What clients see, `lag` seconds late.

    @locked
    def seen_balances(self, account: str) -> Holdings:
        """Return what the account believes to hold."""
        return self._wallet(account).at(time.monotonic() - self.lag)

    # How it works.

    def _wallet(self, account: str) -> Wallet:
        return self._wallets.setdefault(account, Wallet())

    def _check(self, account: str, ticket: Ticket, replaced: int | None = None) -> None:
        resting = [o for o in self._open.values() if (o.account, o.market) == (account, ticket.market)]
        known = self.find(account, ticket.client_id)
        if known is not None and known.id in self._open and known.id != replaced:
            raise Rejected("duplicate")
        if len(resting) >= ticket.market.max_open_orders + (replaced is not None):
            raise Rejected("too_many")
        if ticket.post_only and self._meets(ticket):
            raise Rejected("would_match")

    def _meets(self, ticket: Ticket) -> bool:
        """Return whether it finds its match in the market at once."""
        quotes = self.quotes[ticket.market.symbol]
        if ticket.price is None:
            return True
        return ticket.price >= quotes.ask if ticket.side == "buy" else ticket.price <= quotes.bid

    def _reservation(self, ticket: Ticket, amount: Decimal, touch: Decimal) -> Decimal:
        if ticket.side == "sell":
            return amount
        cost = amount * (ticket.price or touch)
        return cost * (1 + ticket.market.taker) if self._fees == "quote" else cost

    def _take(self, order: Order, touch: Decimal) -> Order:
        """Trade with what the market offers; then rest or expire."""
        quotes = self.quotes[order.market.symbol]
        offered = order.amount if quotes.liquidity is None else min(order.amount, quotes.liquidity)
        if order.ticket.time_in_force == "fok" and offered < order.amount:
            return self._close(order, "expired")
        if quotes.liquidity is not None:
            quotes.liquidity -= offered
        if offered:
            order = self._fill(order, offered, touch, maker=False)
        return self._rest(order)

    def _rest(self, order: Order) -> Order:
        rests = order.ticket.kind == "limit" and order.ticket.time_in_force == "gtc"
        return order if rests or not order.left else self._close(order, "expired")

    def _fill(self, order: Order, amount: Decimal, price: Decimal, *, maker: bool) -> Order:
        market, buys = order.market, order.side == "buy"
        cost, rate = amount * price, market.maker if maker else market.taker
        received, gain = (market.base, amount) if buys else (market.quote, cost)
        fee_currency = received if self._fees == "received" else market.quote
        fee = places((gain if fee_currency == received else cost) * rate)
        spent = amount if not buys else cost if fee_currency == received else cost + fee
        reserved = self._reservation(order.ticket, order.left - amount, price)
        wallet = self._wallet(order.account)
        wallet.move(order.spends, locked=reserved - order.reserved, free=order.reserved - reserved - spent)
        wallet.move(received, free=gain - fee if fee_currency == received else gain)
        trade = Trade(
            id=next(self._trade_ids),
            order_id=order.id,
            client_id=order.client_id,
            account=order.account,
            symbol=market.symbol,
            side=order.side,
            price=price,
            amount=amount,
            fee=fee,
            fee_currency=fee_currency,
            maker=maker,
            time=self.now(),
        )
        self._note_trade(trade)
        status: Status = "filled" if order.left == amount else "open"
        filled = replace(order, filled=order.filled + amount, cost=order.cost + cost, reserved=reserved, status=status)
        return self._store(filled)

    def _close(self, order: Order, status: Status) -> Order:
        self._wallet(order.account).move(order.spends, locked=-order.reserved, free=order.reserved)
        return self._store(replace(order, status=status, reserved=Decimal(0)))

    def _store(self, order: Order) -> Order:
        order = replace(order, updated=self.now())
        self._wallet(order.account).note(self._note_order(order))
        if order.status == "open":
            self._open[order.id] = order
        else:
            self._open.pop(order.id, None)
        return order
