"""Book what happened at the exchange: our fills one by one, and what others did to the balance."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.booking import Booking, remember
from engine.accounts.valuation import Valuation
from engine.journal.unit import Unit
from engine.live.octobot import LiveOctoBot
from engine.live.outcomes import ExchangeFill
from engine.markets.market import Market
from engine.orders import orders
from engine.orders.orders import Fill
from utils import clock, wire
from utils.ids import new_id
from utils.money import ZERO, rounded
from utils.wire import Fee


class LiveBooking(Booking):
    """Keep the books of a live account; its totals are the sums of its ledger."""

    def __init__(self, octobot: LiveOctoBot, market: Market, valuation: Valuation, totals: dict[str, Decimal]) -> None:
        super().__init__(octobot, market, valuation)
        octobot.trades = self.trades
        self.totals = totals
        self._untold: dict[str, None] = {}
        """Currencies that have moved since the owner was last told; a fee may be in any."""

    def total(self, currency: str) -> Decimal:
        """Return the sum of the ledger of `currency`."""
        return self.totals.get(currency, ZERO)

    def book(self, order: wire.Order, fill: ExchangeFill, unit: Unit) -> wire.Order:
        """Book one fill and return the order with it; its status is for the caller to say."""
        market = self._market.instrument(order.symbol)
        fee = fill.fee or Fee(currency=market.quote, cost=ZERO)
        sign = 1 if order.side == "buy" else -1
        moves = {market.base: sign * fill.amount, market.quote: -sign * fill.cost}
        before = {currency: self.total(currency) for currency in moves}
        made = Fill(new_id(), fill.price, fill.amount, fee)
        worth = self._valuation.value(market.quote, fill.cost)
        gain = self._valuation.fill(market, order.side, made, before)
        trade = orders.trade(order, made, gain, clock.now())
        trade = replace(trade, cost=fill.cost, fee=fill.fee, exchange_trade_id=fill.id)
        order = with_fill(order, fill, trade.created_at)
        unit.order(replace(order, status=order.status if order.status == "pending_cancel" else "partially_filled"))
        unit.trade(trade)
        remember(self.trades, trade)
        for currency, amount in moves.items():
            value = None if worth is None else worth.copy_sign(amount)
            self._move(currency, amount, "trade", unit, trade=trade, worth=value)
        self._move(fee.currency, -fee.cost, "fee", unit, trade=trade, worth=self._fee_value(market, made))
        for currency in {*moves, fee.currency}:
            unit.balance(currency, self.total(currency), self._valuation.entry_prices.get(currency))
        return order

    def receive(self, currency: str, amount: Decimal, kind: str, unit: Unit) -> Decimal | None:
        """Book `amount` (negative: what went away) that came without an order of ours; return its worth."""
        worth = self._valuation.value(currency, amount)
        if amount > 0:
            self._valuation.get(currency, amount, self.total(currency), worth)
        elif self.total(currency) + amount == 0:
            self._valuation.entry_prices[currency] = None
        self._move(currency, amount, kind, unit, worth=worth)
        unit.balance(currency, self.total(currency), self._valuation.entry_prices.get(currency))
        return worth

    def tell(self, currencies: list[str], unit: Unit) -> None:
        """Tell the owner what the account has of `currencies` now, and of all others that have moved."""
        super().tell(list(dict.fromkeys([*currencies, *self._untold])), unit)
        self._untold.clear()

    def _move(
        self,
        currency: str,
        amount: Decimal,
        kind: str,
        unit: Unit,
        *,
        trade: wire.Trade | None = None,
        worth: Decimal | None = None,
    ) -> None:
        unit.book(currency, amount, kind, trade, worth)
        self.totals[currency] = self.total(currency) + amount
        self._untold[currency] = None


def with_fill(order: wire.Order, fill: ExchangeFill, at: datetime) -> wire.Order:
    """Return `order` with one more fill; its status is for the caller to say."""
    filled, cost = order.filled + fill.amount, order.cost + fill.cost
    return replace(
        order,
        filled=filled,
        remaining=max(order.amount - filled, ZERO),
        average=rounded(cost / filled),
        cost=cost,
        fee=_summed(order.fee, fill.fee, order.symbol.split("/")[0]),
        updated_at=at,
    )


def _summed(so_far: Fee | None, fee: Fee | None, base: str) -> Fee | None:
    """Return what an order paid in one currency: in `base` if in that at all, else in its first one.

    The exits of a bracket sell what a fee in `base` has left. Fees in others are on the trades alone.
    """
    if so_far is None or fee is None:
        return so_far or fee
    if fee.currency == so_far.currency:
        return Fee(currency=fee.currency, cost=so_far.cost + fee.cost)
    return fee if fee.currency == base else so_far
