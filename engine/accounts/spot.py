"""A spot account: buying takes the quote currency, selling the base currency."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from engine.accounts import portfolio
from engine.accounts.account import Account
from engine.accounts.booking import Booking
from engine.accounts.octobot import OctoBotAccount
from engine.accounts.valuation import Valuation
from engine.journal.records import AccountRecord
from engine.journal.unit import Unit
from engine.markets.market import Market
from engine.orders import drafts, orders
from engine.orders.drafts import Draft
from utils import wire
from utils.errors import NotFound, Refused
from utils.ids import new_id
from utils.money import ZERO, plain, round_down
from utils.wire import CONDITIONAL, Instrument, Leverage, OrderTicket, Portfolio, Preview


class SpotAccount(Account):
    """Hold currencies; a resting limit locks what it needs."""

    def __init__(self, record: AccountRecord, market: Market, octobot: OctoBotAccount) -> None:
        super().__init__(record, market, octobot)
        self.valuation = Valuation(record.reference_currency, market, dict(record.entry_prices))
        self._booking = Booking(octobot, market, self.valuation)

    @classmethod
    async def _open_octobot(cls, record: AccountRecord, market: Market) -> OctoBotAccount:
        return await OctoBotAccount.open(
            market.octobot_name, _spot(market), record.reference_currency, record.totals, record.id
        )

    def is_behind(self, now: datetime) -> bool:  # noqa: ARG002
        """Tell that time does nothing to holdings."""
        return False

    async def catch_up(self, now: datetime, unit: Unit) -> None:
        """Do nothing: see `is_behind`."""

    @property
    def trades(self) -> dict[str, wire.Trade]:
        """Return the latest trades since the account came into memory, oldest first."""
        return self._booking.trades

    async def book_opening(self, unit: Unit) -> None:
        """Book the starting balance; done once in the life of an account."""
        await self._booking.opening(self.record.reference_currency, self.record.starting_balance, unit)

    def closing(self, symbol: str) -> OrderTicket:
        """Return the ticket that sells what is free of a holding. :raises NotFound: when there is nothing."""
        instrument = self._market.instrument(symbol)
        amount = round_down(self.octobot.free(instrument.base), instrument.amount_step)
        if not amount:
            raise NotFound(f"There is nothing to sell on {symbol}.", code="position_not_found")
        return OrderTicket(symbol=symbol, side="sell", type="market", amount=amount)

    def held(self) -> list[str]:
        """Return the markets in which what is held can be sold for the reference currency."""
        reference = self.record.reference_currency
        held = [name for name in self.octobot.currencies() if name != reference and self.octobot.total(name)]
        return [f"{name}/{reference}" for name in held]

    async def close_out(self, symbol: str, mark: Decimal, unit: Unit) -> None:
        """Sell all that is held of a market at `mark`, the last digit included; no rule stands in its way."""
        market, name = self._market.instrument(symbol), f"{wire.CLOSING}{new_id()}"
        amount = self.octobot.total(market.base)
        ticket = OrderTicket(symbol=symbol, side="sell", type="market", amount=amount, client_order_id=name)
        order = orders.new_order(drafts.draft(ticket, market, mark), self.record.id, self.record.mode)
        await self._execute(order, mark, unit)

    async def set_leverage(self, symbol: str, leverage: Decimal, unit: Unit) -> Leverage:  # noqa: ARG002
        """Refuse: a spot account owns what it trades."""
        raise Refused("A spot account has no leverage.", code="not_a_futures_account")

    @property
    def holds_positions(self) -> bool:
        """Tell that holdings are at rest."""
        return False

    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return what `amount` of `currency` is worth in the reference currency; None when no market tells."""
        return self.valuation.value(currency, amount)

    async def pay_in(self, currency: str, amount: Decimal, value: Decimal, unit: Unit) -> None:
        """Book a deposit that is worth `value`."""
        await self._booking.deposit(currency, amount, value, unit)

    async def transfer(self, currency: str, amount: Decimal, value: Decimal | None, unit: Unit) -> None:
        """Book what comes from another account of the owner, or goes there when `amount` is below zero.

        :param value: what it is worth, above zero both ways; None when no market tells.
        """
        await self._booking.transfer(currency, amount, value, unit)

    async def clear(self, unit: Unit) -> None:
        """Book everything away; there are no open orders any more."""
        await self._booking.clear(unit)

    def overview(self) -> Portfolio:
        """Value the account now."""
        return portfolio.overview(self.record, self.octobot, self.valuation, len(self.orders))

    def preview(self, ticket: OrderTicket) -> Preview:
        """Tell what placing `ticket` would do. :raises NotFound: unknown symbol."""
        return portfolio.preview(self.draft(ticket), self._funds())

    def _admit(self, instrument: Instrument) -> None:
        if instrument.type != "spot":
            raise drafts.refuse("not_a_spot_market", "symbol", "A spot account trades spot markets alone.")

    def _funds(self, *, without: wire.Order | None = None) -> SpotFunds:
        released = None if without is None else self._lock_of(without)
        return SpotFunds(self.octobot, released)

    def _affords(self, order: wire.Order, price: Decimal) -> bool:
        currency, needed = orders.needs(order, price, self._instrument(order))
        return needed <= self.octobot.free(currency)

    async def _execute(self, order: wire.Order, price: Decimal, unit: Unit) -> wire.Order:
        return await self._booking.fill(order, self.octobot.execute(order, price), unit)

    async def _settle(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        return await self._booking.fill(order, self.octobot.fill(order.id, price, taker=taker), unit)

    def _tell(self, order: wire.Order, unit: Unit) -> None:
        self._booking.tell([self._lock_of(order)[0]], unit)

    def _lock_of(self, order: wire.Order) -> tuple[str, Decimal]:
        """Return the currency an open order takes from, and what of it is locked now."""
        currency, needed = orders.needs(order, order.price or ZERO, self._instrument(order))
        return currency, needed if orders.rests_as_limit(order) else ZERO

    def _instrument(self, order: wire.Order) -> Instrument:
        return self._market.instrument(order.symbol)


def _spot(market: Market) -> list[str]:
    return [symbol for symbol, instrument in market.instruments.items() if instrument.type == "spot"]


class SpotFunds:
    """What a spot account can pay, as if the lock `released` were not there."""

    def __init__(self, octobot: OctoBotAccount, released: tuple[str, Decimal] | None = None) -> None:
        self._octobot = octobot
        self._released = released

    def free(self, currency: str) -> Decimal:
        """Return what of `currency` is not locked."""
        free = self._octobot.free(currency)
        return free + self._released[1] if self._released is not None and self._released[0] == currency else free

    def reduce_only(self, order: Draft) -> Refused | None:
        """Refuse a purchase that may only reduce."""
        if order.ticket.reduce_only and order.ticket.side == "buy":
            return drafts.refuse(
                "reduce_only_spot", "reduce_only", "On a spot market only a sale can reduce a position."
            )
        return None

    def covers(self, order: Draft) -> Refused | None:
        """Refuse what the account cannot pay."""
        currency, needed = order.needs()
        # What waits for a trigger locks nothing, but must be affordable at all.
        conditional = order.ticket.type in CONDITIONAL
        has = self._octobot.total(currency) if conditional else self.free(currency)
        if needed > has:
            field = "quote_amount" if order.ticket.quote_amount is not None else "amount"
            return drafts.refuse(
                "insufficient_funds", field, f"The order needs {plain(needed)} {currency}; {plain(has)} are free."
            )
        return None
