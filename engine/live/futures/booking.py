"""Book what moves a wallet at an exchange: our fills by their trade ids, everything else by the ids of incomes."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.booking import remember
from engine.accounts.valuation import Valuation
from engine.journal.unit import Unit
from engine.live.booking import with_fill
from engine.live.futures.octobot import LiveFuturesOctoBot
from engine.live.futures.told import Income
from engine.live.outcomes import ExchangeFill
from engine.orders import orders
from engine.orders.orders import Fill
from utils import clock, wire
from utils.ids import new_id
from utils.money import ZERO
from utils.wire import Fee

KINDS = {
    "REALIZED_PNL": "pnl",
    "COMMISSION": "fee",
    "COMMISSION_REBATE": "fee",
    "API_REBATE": "fee",
    "FUNDING_FEE": "funding",
    "INSURANCE_CLEAR": "insurance",
    "LIQUIDATION_FEE": "liquidation",
}
"""What the ledger calls an income; all others are movements from outside."""


class FuturesBooking:
    """Keep the books of a live futures account; its totals are the sums of its ledger."""

    def __init__(self, octobot: LiveFuturesOctoBot, valuation: Valuation, totals: dict[str, Decimal]) -> None:
        self._octobot = octobot
        self._valuation = valuation
        self.trades: dict[str, wire.Trade] = {}
        octobot.trades = self.trades
        self.totals = totals

    def total(self, currency: str) -> Decimal:
        """Return the sum of the ledger of `currency`."""
        return self.totals.get(currency, ZERO)

    def fill(self, order: wire.Order, fill: ExchangeFill, gain: Decimal, currency: str, unit: Unit) -> wire.Order:
        """Book one fill that realised `gain` of `currency`, and return the order with it; its status stays."""
        fee = fill.fee or Fee(currency=currency, cost=ZERO)
        realized = gain - fee.cost if fee.currency == currency else gain
        made = Fill(new_id(), fill.price, fill.amount, fee)
        trade = orders.trade(order, made, realized if gain else None, clock.now())
        trade = replace(trade, cost=fill.cost, fee=fill.fee, exchange_trade_id=fill.id)
        order = with_fill(order, fill, trade.created_at)
        unit.order(replace(order, status=order.status if order.status == "pending_cancel" else "partially_filled"))
        unit.trade(trade)
        remember(self.trades, trade)
        self._move(currency, gain, "pnl", unit, trade=trade)
        self._move(fee.currency, -fee.cost, "fee", unit, trade=trade)
        return order

    def income(self, income: Income, unit: Unit) -> Decimal:
        """Book what the exchange tells of the wallet, and return what of it came from outside, in worth."""
        kind = KINDS.get(income.kind, "external")
        worth = self._move(income.currency, income.amount, kind, unit, exchange_entry_id=income.id)
        return (worth or ZERO) if kind == "external" else ZERO

    def receive(self, currency: str, amount: Decimal, kind: str, unit: Unit) -> Decimal:
        """Book `amount` (negative: what went away) that nothing else explains; return its worth."""
        return self._move(currency, amount, kind, unit) or ZERO

    def tell(self, unit: Unit) -> None:
        """Tell the owner what the account has now."""
        held = {
            currency: {
                "free": self._octobot.free(currency),
                "locked": self._octobot.total(currency) - self._octobot.free(currency),
                "total": self._octobot.total(currency),
            }
            for currency in self.totals
        }
        unit.balance_event(held)

    def _move(
        self,
        currency: str,
        amount: Decimal,
        kind: str,
        unit: Unit,
        *,
        trade: wire.Trade | None = None,
        exchange_entry_id: str | None = None,
    ) -> Decimal | None:
        worth = self._valuation.value(currency, amount)
        unit.book(currency, amount, kind, trade, worth, exchange_entry_id=exchange_entry_id)
        self.totals[currency] = self.total(currency) + amount
        unit.balance(currency, self.total(currency), None)
        return worth
