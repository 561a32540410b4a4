"""Gains of trades, fees in any currency included: the engine's, the export's, and what an account really made."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import Mock

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.accounts.valuation import Valuation
from engine.demo.catalogue import MARKETS
from engine.journal.unit import Line, Unit
from engine.live.booking import LiveBooking
from engine.live.outcomes import ExchangeFill
from engine.markets.market import Market
from engine.orders import drafts, orders
from services.trading.cost_basis import CostBasis, Exchanged
from utils import clock, wire
from utils.money import ZERO
from utils.wire import Fee, OrderTicket, Side

PAIRS = ("BTC/USDT", "ETH/USDT", "ETH/BTC")
LAST_DIGIT = Decimal("1e-18")
"""A cost is kept to this before the export takes it from the proceeds, and not by the engine."""
CLOSE = Decimal("1e-12")
"""Averages are rounded at each purchase."""

amounts = st.integers(1, 400).map(lambda number: Decimal(number) / 100)
trades = st.tuples(
    st.sampled_from(PAIRS),
    st.sampled_from(["buy", "sell"]),
    amounts,
    st.integers(50, 200),
    st.sampled_from(["base", "quote", "BNB", None]),
)
moves = st.tuples(st.sampled_from(["BTC", "ETH"]), st.sampled_from([1, -1]), amounts)


class Prices:
    """A market that stands where it is put; nobody trades XYZ."""

    def __init__(self) -> None:
        self.instruments = {name: MARKETS[name].instrument for name in (*PAIRS, "BNB/USDT")}
        self.prices = {"BTC/USDT": Decimal(1000), "ETH/USDT": Decimal(50), "BNB/USDT": Decimal(300)}

    def instrument(self, symbol: str) -> wire.Instrument:
        return self.instruments[symbol]

    def quote(self, symbol: str) -> Any:
        return SimpleNamespace(price=self.prices[symbol])


class Books:
    """A live account's books, and the export's replay of them."""

    def __init__(self) -> None:
        self.prices = Prices()
        market = cast(Market, self.prices)
        self.valuation = Valuation("USDT", market, {})
        self.booking = LiveBooking(Mock(), market, self.valuation, {})
        self.average, self.fifo = CostBasis("USDT"), CostBasis("USDT")
        self.put_in = ZERO
        """What was paid in, less what was taken out, at what it cost."""
        self.gains: list[Decimal] = []
        self._numbers = iter(range(1_000_000))

    def total(self, currency: str) -> Decimal:
        return self.booking.total(currency)

    def move(self, currency: str, amount: Decimal, kind: str = "external") -> None:
        unit = Unit(Line("account", "user"))
        cost = self.valuation.entry_prices.get(currency)
        worth = self.booking.receive(currency, amount, kind, unit)
        assert worth is not None
        self.put_in += worth if amount > 0 or cost is None else amount * cost
        for row in unit.ledger:
            self.average.move(SimpleNamespace(**row))
            self.fifo.move(SimpleNamespace(**row))

    def trade(
        self, symbol: str, side: Side, amount: Decimal, price: Decimal, paid: Fee | None
    ) -> tuple[Any, Exchanged]:
        """Book a fill, and return the trade and what the export makes of it."""
        market, unit = self.prices.instrument(symbol), Unit(Line("account", "user"))
        ticket = OrderTicket(symbol=symbol, side=side, type="limit", amount=amount, price=price)
        order = orders.new_order(drafts.draft(ticket, market, price), "account", "live")
        unit.order(order)
        cost, before = amount * price, dict(self.booking.totals)
        fill = ExchangeFill(
            id=str(next(self._numbers)), price=price, amount=amount, cost=cost, fee=paid, at=clock.now()
        )
        self.booking.book(order, fill, unit)
        for currency in self.booking.totals:
            booked = sum((row["amount"] for row in unit.ledger if row["currency"] == currency), ZERO)
            assert self.total(currency) == before.get(currency, ZERO) + booked
        (trade,) = unit.trades
        entries = [SimpleNamespace(**row) for row in unit.ledger]
        told = SimpleNamespace(base=market.base, quote=market.quote, side=side, created_at=trade.created_at)
        found, lots = self.average.trade(told, entries, "average"), self.fifo.trade(told, entries, "fifo")
        assert found is not None
        assert lots is not None
        assert sum(part.amount for part in lots.disposals) == sum(part.amount for part in found.disposals)
        if trade.realized_pnl is not None:
            self.gains.append(trade.realized_pnl)
        return trade, found


@settings(max_examples=60)
@given(st.lists(trades | moves, min_size=1, max_size=12))
def test_gains_are_what_was_made_and_the_same_in_the_export(steps: list[Any]) -> None:
    books = Books()
    for currency, amount in (("USDT", 100_000), ("BTC", 3), ("BNB", 100)):
        books.move(currency, Decimal(amount), "deposit")
    for step in steps:
        if len(step) == 3:
            currency, sign, amount = step
            # some of it goes, or all that is left
            change = sign * (amount if sign > 0 else min(amount, books.total(currency)))
            if change:
                books.move(currency, change)
            continue
        symbol, side, amount, percent, kind = step
        base, quote = symbol.split("/")
        price = books.prices.prices.get(symbol, Decimal("0.05")) * percent / 100
        if quote == "USDT":
            books.prices.prices[symbol] = price
        paid = None
        if kind is not None:
            paid = Fee(currency={"base": base, "quote": quote}.get(kind, kind), cost=amount / 50)
        if (
            books.total(base if side == "sell" else quote)
            < (amount if side == "sell" else amount * price) + amount / 50
        ):
            continue
        trade, found = books.trade(symbol, side, amount, price, paid)
        gains = [part.gain for part in found.disposals]
        if found.disposals and gains != [None]:
            assert abs(trade.realized_pnl - gains[0]) <= LAST_DIGIT
        else:
            assert trade.realized_pnl is None
    for currency in ("ETH", "BTC"):
        if books.total(currency):
            price = books.prices.prices[f"{currency}/USDT"]
            books.trade(f"{currency}/USDT", "sell", books.total(currency), price, None)
            assert books.valuation.entry_prices[currency] is None
    now = books.total("USDT") + books.total("BNB") * 300
    assert abs(now - books.put_in - sum(books.gains, ZERO)) < CLOSE
