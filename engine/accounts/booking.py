"""Book what OctoBot executed: trade, ledger and balances, equal to OctoBot's portfolio to the last digit."""

from __future__ import annotations

from collections.abc import Awaitable
from decimal import Decimal

from engine.accounts.octobot import OctoBotAccount
from engine.accounts.valuation import Valuation
from engine.journal.unit import Unit
from engine.markets.market import Market
from engine.orders import orders
from engine.orders.orders import Fill
from utils import clock, wire
from utils.money import ZERO
from utils.wire import Fee, Instrument

REMEMBERED_TRADES = 500
"""Trades of an account that stay in memory; SQL has all of them."""


class Booking:
    """Keep the books of one account."""

    def __init__(self, octobot: OctoBotAccount, market: Market, valuation: Valuation) -> None:
        self._octobot = octobot
        self._market = market
        self._valuation = valuation
        self.trades: dict[str, wire.Trade] = {}

    async def opening(self, currency: str, amount: Decimal, unit: Unit) -> None:
        """Book the starting balance as a deposit; done once in the life of an account, and after each reset."""
        await self.deposit(currency, amount, amount, unit)
        unit.settle(deposited=amount)
        unit.sample(amount, amount)

    async def deposit(self, currency: str, amount: Decimal, value: Decimal, unit: Unit) -> None:
        """Book a deposit that is worth `value` in the reference currency: that is what it cost, too."""
        before = self._octobot.total(currency)
        await self._octobot.deposit(currency, amount)
        self._valuation.get(currency, amount, before, value)
        unit.book(currency, amount, "deposit", value=value)
        unit.balance(currency, self._octobot.total(currency), self._valuation.entry_prices.get(currency))
        self.tell([currency], unit)

    async def transfer(self, currency: str, amount: Decimal, value: Decimal | None, unit: Unit) -> None:
        """Book what comes from, or (below zero) goes to, another account; worth `value`, which it costs there."""
        before = self._octobot.total(currency)
        await self._octobot.deposit(currency, amount)
        if amount > 0:
            self._valuation.get(currency, amount, before, value)
        elif amount == -before:
            self._valuation.entry_prices[currency] = None
        unit.book(currency, amount, "transfer", value=None if value is None else value.copy_sign(amount))
        unit.balance(currency, self._octobot.total(currency), self._valuation.entry_prices.get(currency))
        self.tell([currency], unit)

    async def clear(self, unit: Unit) -> None:
        """Book everything that is held away, so that nothing is left of what was."""
        held = [currency for currency in self._octobot.currencies() if self._octobot.total(currency)]
        for currency in held:
            amount = self._octobot.total(currency)
            await self._octobot.deposit(currency, -amount)
            unit.book(currency, -amount, "reset")
            self._valuation.entry_prices[currency] = None
            unit.balance(currency, ZERO, None)
        self.tell(held, unit)

    async def fill(self, order: wire.Order, execution: Awaitable[Fill], unit: Unit) -> wire.Order:
        """Let OctoBot execute, book what it did, and return the filled order.

        :raises RuntimeError: when OctoBot's portfolio differs from what would be booked.
        """
        market = self._market.instrument(order.symbol)
        before = {currency: self._octobot.total(currency) for currency in (market.base, market.quote)}
        fill = await execution
        cost = fill.price * fill.amount
        worth = self._valuation.value(market.quote, cost)
        sign = 1 if order.side == "buy" else -1
        moves = {market.base: sign * fill.amount, market.quote: -sign * cost}
        self._verify(before, moves, fill.fee)
        gain = self._valuation.fill(market, order.side, fill, before)
        trade = orders.trade(order, fill, gain, clock.now())
        filled = orders.filled(order, trade)
        unit.order(filled)
        unit.trade(trade)
        remember(self.trades, trade)
        for currency, amount in moves.items():
            unit.book(currency, amount, "trade", trade, None if worth is None else worth.copy_sign(amount))
        unit.book(fill.fee.currency, -fill.fee.cost, "fee", trade, self._fee_value(market, fill))
        for currency in moves:
            unit.balance(currency, self._octobot.total(currency), self._valuation.entry_prices.get(currency))
        self.tell(list(moves), unit)
        return filled

    def tell(self, currencies: list[str], unit: Unit) -> None:
        """Tell the owner what the account has of `currencies` now."""
        unit.balance_event(
            {
                currency: {
                    "free": self._octobot.free(currency),
                    "locked": self._octobot.total(currency) - self._octobot.free(currency),
                    "total": self._octobot.total(currency),
                }
                for currency in currencies
            }
        )

    def _fee_value(self, market: Instrument, fill: Fill) -> Decimal | None:
        """Return what a fee is worth, below zero; one in the base currency counts at the price of its fill."""
        if fill.fee.currency == market.base:
            return self._valuation.value(market.quote, -fill.fee.cost * fill.price)
        return self._valuation.value(fill.fee.currency, -fill.fee.cost)

    def _verify(self, before: dict[str, Decimal], moves: dict[str, Decimal], fee: Fee) -> None:
        for currency, amount in moves.items():
            expected = before[currency] + amount - (fee.cost if fee.currency == currency else ZERO)
            if self._octobot.total(currency) != expected:
                raise RuntimeError(f"OctoBot has {self._octobot.total(currency)} {currency}, booked are {expected}")


def remember(trades: dict[str, wire.Trade], trade: wire.Trade) -> None:
    """Add `trade` to the latest ones of an account."""
    trades[trade.id] = trade
    if len(trades) > REMEMBERED_TRADES:
        del trades[next(iter(trades))]
