"""Values of holdings and gains of trades: at average cost, in the account's reference currency."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal

from engine.markets.market import Market
from engine.orders.orders import Fill
from utils.errors import EngineUnavailable
from utils.money import ONE, ZERO
from utils.wire import Instrument, Side

DIGITS = Decimal("1e-18")
"""Averages do not end; they are kept to this."""


class Valuation:
    """Follow the average cost of every currency an account holds (fees included in the cost).

    Average cost method: a purchase averages its cost into the holding, a sale realises proceeds minus average cost.
    A trade between two currencies neither of which is the reference realises the gain of the one given away.
    """

    def __init__(self, reference: str, market: Market, entry_prices: dict[str, Decimal | None]) -> None:
        self.reference = reference
        self.entry_prices = entry_prices
        self._market = market

    def price(self, currency: str) -> Decimal | None:
        """Return the mark price of one unit of `currency` in the reference currency; None when no market tells."""
        if currency == self.reference:
            return ONE
        for symbol, inverse in ((f"{currency}/{self.reference}", False), (f"{self.reference}/{currency}", True)):
            if symbol in self._market.instruments:
                try:
                    mark = self._market.quote(symbol).price
                except EngineUnavailable:
                    return None
                return ONE / mark if inverse else mark
        return None

    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return what `amount` of `currency` is worth in the reference currency."""
        price = self.price(currency)
        return None if price is None else amount * price

    def get(self, currency: str, amount: Decimal, before: Decimal, worth: Decimal | None) -> None:
        """Average what comes in by another way than a trade into the holding.

        :param before: the total before; `worth` is what it cost, in the reference currency.
        """
        self._get(currency, amount, before, worth)

    def fill(self, market: Instrument, side: Side, fill: Fill, before: dict[str, Decimal]) -> Decimal | None:
        """Follow a fill and return what it realised; None when it realised nothing or the cost is not known.

        :param before: totals of base and quote currency before the fill.
        """
        cost = fill.price * fill.amount
        base_fee = fill.fee.cost if fill.fee.currency == market.base else ZERO
        quote_fee = fill.fee.cost if fill.fee.currency == market.quote else ZERO
        if side == "buy":
            got, gave = (market.base, fill.amount - base_fee), (market.quote, cost + quote_fee)
        else:
            got, gave = (market.quote, cost - quote_fee), (market.base, fill.amount + base_fee)
        # both sides are worth what the quote side is worth
        worth = self.value(market.quote, gave[1] if side == "buy" else got[1])
        proceeds = cost_basis = worth
        if worth is not None and fill.fee.currency not in {market.base, market.quote}:
            # once: it makes a purchase dearer, or what is realised smaller
            paid = self.value(fill.fee.currency, fill.fee.cost) or ZERO
            proceeds, cost_basis = (worth, worth + paid) if gave[0] == self.reference else (worth - paid, worth)
        realized = self._give(*gave, before[gave[0]], proceeds)
        self._get(*got, before[got[0]], cost_basis)
        return realized

    def _give(self, currency: str, amount: Decimal, before: Decimal, worth: Decimal | None) -> Decimal | None:
        if currency == self.reference:
            return None
        entry = self.entry_prices.get(currency)
        if before == amount:
            self.entry_prices[currency] = None
        return None if entry is None or worth is None else (worth - amount * entry).quantize(DIGITS)

    def _get(self, currency: str, amount: Decimal, before: Decimal, worth: Decimal | None) -> None:
        if currency == self.reference or amount <= 0:
            return
        entry = self.entry_prices.get(currency) if before else ZERO
        if entry is None or worth is None:
            self.entry_prices[currency] = None
        else:
            average = (before * entry + worth) / (before + amount)
            self.entry_prices[currency] = average.quantize(DIGITS, ROUND_DOWN)
