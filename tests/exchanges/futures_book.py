"""The core of a loopback exchange's perpetuals: one-way positions with isolated margin, exact to the last digit.

What a test may call, from any thread, beside what `book` has (`deposit`, `set_price`, `fill`, `cancel`, `lag` …):

- `fund(symbol, rate)`: a funding is due now, and paid by every position;
- `set_mark(symbol, price)`: the mark price stands apart from the last one (None: follows it); positions that it
  liquidates are closed at it;
- `trade(account, symbol, side, amount)`: as the owner does in the exchange's app;
- `positions(account)`, `incomes(account)`: the truth.

Incomes are what moved the wallet, with ids of their own: `REALIZED_PNL` and `COMMISSION` of each trade, `FUNDING_FEE`,
`TRANSFER`, and `INSURANCE_CLEAR` of a liquidation.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

from tests.exchanges.book import Book
from tests.exchanges.market import Market, places
from tests.exchanges.orders import Order, Rejected, Side, Status, Ticket, Trade
from tests.exchanges.perpetual import CURRENCY, ZERO, Income, MarginType, Perpetual, Position
from tests.exchanges.records import locked


class FuturesBook(Book):
    """All perpetuals and futures accounts of one exchange."""

    def __init__(self, markets: list[Perpetual], now: Callable[[], int]) -> None:
        super().__init__(list(markets), now, fees="quote")
        self.rates = {market.symbol: Decimal("0.0001") for market in markets}
        self.fundings: list[tuple[str, Decimal, Decimal, int]] = []
        """Symbol, rate, mark and time (ms)."""
        self.leverages: dict[tuple[str, str], int] = {}
        self.margin_types: dict[tuple[str, str], MarginType] = {}
        self.hedged: set[str] = set()
        self.gains: dict[int, Decimal] = {}
        """What each trade realised, by its id."""
        self._marks: dict[str, Decimal] = {}
        self._positions: dict[tuple[str, str], list[tuple[float, Position]]] = {}
        self._incomes: list[tuple[float, Income]] = []
        self._income_ids = itertools.count(9_000_001)
        self._reduce_only: set[int] = set()

    # ------------------------------------------------------------------------------------------- what tests do

    def mark(self, symbol: str) -> Decimal:
        """Return the mark price."""
        return self._marks.get(symbol, self.quotes[symbol].price)

    @locked
    def set_price(self, symbol: str, price: Decimal | str, spread: Decimal | str = "0") -> None:
        """Move the market as `Book` does, and liquidate whom the mark reached."""
        super().set_price(symbol, price, spread)
        self._liquidate(symbol)

    @locked
    def set_mark(self, symbol: str, price: Decimal | str | None) -> None:
        """Let the mark price stand apart; None: it follows the last price."""
        if price is None:
            self._marks.pop(symbol, None)
        else:
            self._marks[symbol] = Decimal(price)
        self._liquidate(symbol)

    @locked
    def fund(self, symbol: str, rate: Decimal | str) -> None:
        """Let a funding be due now."""
        rate, mark, moment = Decimal(rate), self.mark(symbol), self.now()
        self.fundings.append((symbol, rate, mark, moment))
        for (account, held), _ in list(self._positions.items()):
            position = self.position(account, held)
            if held == symbol and position.amount:
                self._earn(account, "FUNDING_FEE", symbol, places(-position.amount * mark * rate), None)

    @locked
    def trade(self, account: str, symbol: str, side: Side, amount: Decimal | str) -> Order:
        """Buy or sell at the market, as at another screen."""
        market = self.quotes[symbol].market
        return self.place(account, Ticket(market, side, "market", f"app-{next(self._income_ids)}", Decimal(amount)))

    @locked
    def deposit(self, account: str, currency: str, amount: Decimal | str) -> None:
        """Transfer money in from the spot wallet."""
        assert currency == CURRENCY
        self._earn(account, "TRANSFER", "", Decimal(amount), None)

    @locked
    def position(self, account: str, symbol: str) -> Position:
        """Return a position as it truly is."""
        versions = self._positions.get((account, symbol))
        return versions[-1][1] if versions else Position(symbol)

    @locked
    def positions(self, account: str) -> list[Position]:
        """Return the open positions."""
        held = [self.position(account, symbol) for symbol in self.quotes]
        return [position for position in held if position.amount]

    @locked
    def incomes(self, account: str) -> list[Income]:
        """Return everything that moved the wallet."""
        return [income for _, income in self._incomes if income.account == account]

    # ------------------------------------------------------------------------ what clients see, `lag` seconds late

    @locked
    def seen_positions(self, account: str) -> list[Position]:
        """Return the positions that the account believes to have, closed ones among them."""
        moment = time.monotonic() - self.lag
        found = []
        for symbol in self.quotes:
            versions = self._positions.get((account, symbol), [])
            found.append(next((each for at, each in reversed(versions) if at <= moment), Position(symbol)))
        return found

    @locked
    def seen_incomes(self, account: str) -> list[Income]:
        """Return the incomes that the account sees, oldest first."""
        moment = time.monotonic() - self.lag
        return [income for at, income in self._incomes if at <= moment and income.account == account]

    # --------------------------------------------------------------------------------------------- what clients do

    def leverage(self, account: str, symbol: str) -> int:
        """Return the leverage; 20 unless it was chosen, as at Binance."""
        return self.leverages.get((account, symbol), 20)

    def margin_type(self, account: str, symbol: str) -> MarginType:
        """Return the margin mode; cross unless it was chosen, as at Binance."""
        return self.margin_types.get((account, symbol), "CROSSED")

    @locked
    def set_leverage(self, account: str, symbol: str, leverage: int) -> None:
        """Choose the leverage; a position's margin follows. `Rejected("funds")` when the wallet does not hold it."""
        position = self.position(account, symbol)
        margin = places(abs(position.amount) * position.entry / leverage)
        if margin - position.margin > self.free(account):
            raise Rejected("funds")
        self.leverages[account, symbol] = leverage
        if position.amount:
            self._hold(account, replace(position, margin=margin))

    def has_open_orders(self, account: str, symbol: str) -> bool:
        """Tell whether an order of the account rests in a market."""
        return any((order.account, order.market.symbol) == (account, symbol) for order in self._open.values())

    def is_reduce_only(self, order_id: int) -> bool:
        """Tell whether an order may only reduce."""
        return order_id in self._reduce_only

    def wallet(self, account: str) -> Decimal:
        """Return the wallet's balance."""
        return self._wallet(account).free(CURRENCY)

    def free(self, account: str) -> Decimal:
        """Return what of the wallet no position and no order takes."""
        orders = sum((order.reserved for order in self._open.values() if order.account == account), ZERO)
        return self.wallet(account) - sum((each.margin for each in self.positions(account)), ZERO) - orders

    @locked
    def place(self, account: str, ticket: Ticket, *, reduce_only: bool = False) -> Order:
        """Accept an order and match it.

        :raises Rejected: duplicate, funds, unknown (there is nothing to reduce) or too_many; then nothing has changed
        """
        self._check(account, ticket)
        position, amount = self.position(account, ticket.market.symbol), ticket.amount
        assert amount is not None
        if reduce_only:
            if position.amount * (1 if ticket.side == "buy" else -1) >= 0:
                raise Rejected("unknown")
            amount = min(amount, abs(position.amount))
        quotes = self.quotes[ticket.market.symbol]
        touch = quotes.ask if ticket.side == "buy" else quotes.bid
        meets, moment = self._meets(ticket), self.now()
        order = Order(next(self._order_ids), account, ticket, amount, moment, moment)
        needed = ZERO if reduce_only else self._margin(order, amount, ticket.price or touch)
        if needed and self.free(account) + self._relief(order, position) < needed:
            raise Rejected("funds")
        if reduce_only:
            self._reduce_only.add(order.id)
        self._store(replace(order, reserved=ZERO if meets else needed))
        order = self.order(order.id)
        return self._take(order, touch) if meets else self._rest(order)

    @locked
    def replace(self, account: str, order_id: int, ticket: Ticket) -> Order:
        """Refuse: Binance's futures have no such request that ccxt makes."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------ how it works

    def _margin(self, order: Order, amount: Decimal, price: Decimal) -> Decimal:
        cost = amount * price
        return places(cost / self.leverage(order.account, order.market.symbol)) + cost * order.market.taker

    def _relief(self, order: Order, position: Position) -> Decimal:
        """Return the margin that an order against a position sets free, and needs for the same amount anew."""
        against = position.amount * (1 if order.side == "buy" else -1) < 0
        return 2 * position.margin if against else ZERO

    def _fill(self, order: Order, amount: Decimal, price: Decimal, *, maker: bool) -> Order:
        market, account, cost = order.market, order.account, amount * price
        if self.is_reduce_only(order.id):
            held = self.position(account, market.symbol).amount
            amount = min(amount, abs(held)) if held * (1 if order.side == "buy" else -1) < 0 else ZERO
            if not amount:
                return self._close(order, "expired")
            cost = amount * price
        fee = places(cost * (market.maker if maker else market.taker))
        trade = Trade(
            id=next(self._trade_ids),
            order_id=order.id,
            client_id=order.client_id,
            account=account,
            symbol=market.symbol,
            side=order.side,
            price=price,
            amount=amount,
            fee=fee,
            fee_currency=CURRENCY,
            maker=maker,
            time=self.now(),
        )
        self._note_trade(trade)
        gain = self._move(account, market, amount if order.side == "buy" else -amount, price)
        self.gains[trade.id] = gain
        if gain:
            self._earn(account, "REALIZED_PNL", market.symbol, gain, trade.id)
        self._earn(account, "COMMISSION", market.symbol, -fee, trade.id)
        left = order.left - amount
        reserved = places(order.reserved * left / order.left) if order.left else ZERO
        status: Status = "filled" if not left else "open"
        filled = replace(order, filled=order.filled + amount, cost=order.cost + cost, reserved=reserved, status=status)
        return self._store(filled)

    def _close(self, order: Order, status: Status) -> Order:
        return self._store(replace(order, status=status, reserved=ZERO))

    def _move(self, account: str, market: Market, signed: Decimal, price: Decimal) -> Decimal:
        """Change a position by a fill, and return what that realised."""
        before = self.position(account, market.symbol)
        after = before.amount + signed
        leverage = self.leverage(account, market.symbol)
        gain = ZERO
        if before.amount * signed >= 0:
            entry = (before.amount * before.entry + signed * price) / after
            margin = before.margin + places(abs(signed) * price / leverage)
        else:
            closed = min(abs(signed), abs(before.amount))
            gain = places(closed * (price - before.entry) * (1 if before.amount > 0 else -1))
            if after * before.amount > 0:
                entry, margin = before.entry, places(before.margin * after / before.amount)
            else:
                entry, margin = price, places(abs(after) * price / leverage)
        if not after:
            entry = margin = ZERO
        self._hold(account, Position(market.symbol, after, round(entry, 8), margin))
        return gain

    def _hold(self, account: str, position: Position) -> None:
        versions = self._positions.setdefault((account, position.symbol), [])
        versions.append((time.monotonic(), replace(position, updated=self.now())))

    def _earn(self, account: str, kind: str, symbol: str, amount: Decimal, trade_id: int | None) -> None:
        income = Income(next(self._income_ids), account, kind, symbol, amount, trade_id, self.now())
        self._incomes.append((time.monotonic(), income))
        self._wallet(account).move(CURRENCY, free=amount)
        self._wallet(account).note(time.monotonic())

    def _liquidate(self, symbol: str) -> None:
        mark, market = self.mark(symbol), self.quotes[symbol].market
        for account in {account for account, held in self._positions if held == symbol}:
            position = self.position(account, symbol)
            if not position.amount or not position.liquidation:
                continue
            if mark > position.liquidation if position.amount > 0 else mark < position.liquidation:
                continue
            for order in [o for o in self._open.values() if (o.account, o.market.symbol) == (account, symbol)]:
                self._close(order, "cancelled")
            side: Side = "sell" if position.amount > 0 else "buy"
            client_id = f"autoclose-{next(self._income_ids)}"
            ticket = Ticket(market, side, "market", client_id, abs(position.amount))
            moment = self.now()
            order = Order(next(self._order_ids), account, ticket, abs(position.amount), moment, moment)
            self._reduce_only.add(order.id)
            self._store(order)
            self._fill(order, order.amount, position.liquidation, maker=False)
