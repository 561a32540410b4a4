"""A live spot account: its balances are the exchange's, booked as what moved them."""

from __future__ import annotations

from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.spot import SpotAccount
from engine.exchanges.venue import Venue
from engine.journal.records import AccountRecord
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from engine.live.booking import LiveBooking
from engine.live.difference import Held, locks
from engine.live.octobot import LiveOctoBot
from engine.live.outcomes import ExchangeFill
from engine.live.trader import Unreachable
from engine.markets.market import Market
from engine.orders import orders
from utils import wire
from utils.errors import EngineUnavailable
from utils.money import ZERO


class LiveSpotAccount(LiveAccount, SpotAccount):
    """Hold currencies at an exchange."""

    _booking: LiveBooking

    def __init__(
        self, record: AccountRecord, market: Market, octobot: LiveOctoBot, venue: Venue, *, enabled: bool
    ) -> None:
        super().__init__(record, market, octobot, venue, enabled=enabled)
        self._foreign: dict[str, Decimal] = {}
        self._seen_after = 0
        self._booking = LiveBooking(octobot, market, self.valuation, dict(record.totals))
        self._update_portfolio()

    def symbols(self) -> list[str]:
        """Return the markets that are traded here."""
        return [symbol for symbol, market in self._market.instruments.items() if market.type == "spot"]

    async def book_opening(self, unit: Unit) -> None:
        """Book what the exchange holds when the account is first opened.

        :raises EngineUnavailable: `exchange_unavailable` when it does not say.
        """
        try:
            held = await self.observe()
        except Unreachable as error:
            await self.octobot.close()
            detail = f"{self.record.exchange} does not tell the balance of the account."
            raise EngineUnavailable(detail, code="exchange_unavailable", retry_after=5) from error
        held.setdefault(self.record.reference_currency, (ZERO, ZERO))
        worth = [self._booking.receive(currency, total, "deposit", unit) for currency, (total, _) in held.items()]
        deposited = sum((value for value in worth if value is not None), ZERO)
        unit.settle(deposited=deposited)
        unit.sample(deposited, deposited)
        self._update_portfolio()
        self._booking.tell(list(held), unit)

    async def observe(self) -> Held:
        """Ask for the balances. :raises Unreachable: no answer."""
        self._seen_after = self.changes
        return await self.trader.balances()

    def settle(self, seen: Held, unit: Unit) -> bool:
        """Book what moved without an order of ours, and lock what others locked."""
        if self.changes == self._seen_after:  # else what an order of ours held a moment ago would count as others'
            known = [order for order in self.orders.values() if order.exchange_order_id is not None]
            own = locks(known, self._marks, self._market)
            self._foreign = {
                currency: max(locked - own.get(currency, ZERO), ZERO) for currency, (_, locked) in seen.items()
            }
        if self.is_moving():
            self._differences.forget()
            self._update_portfolio()
            return not self.is_settling()
        moved = self._differences.settled(seen, self._booking.totals)
        came = ZERO
        for currency, amount in moved.items():
            came += self._booking.receive(currency, amount, "external", unit) or ZERO
        self._update_portfolio()
        if moved:
            self._booking.tell(list(moved), unit)
            self._count_in(came, unit)
        return not self._differences.pending

    def _book_fill(self, order: wire.Order, fill: ExchangeFill, unit: Unit) -> wire.Order:
        return self._booking.book(order, fill, unit)

    def _tell(self, order: wire.Order, unit: Unit) -> None:
        self._booking.tell(order.symbol.split("/"), unit)

    def _lock_of(self, order: wire.Order) -> tuple[str, Decimal]:
        return super()._lock_of(replace(order, amount=order.remaining))

    def _affords(self, order: wire.Order, price: Decimal) -> bool:
        """Tell whether our books can pay `order`; what others have locked meanwhile is for the exchange to say."""
        currency, needed = orders.needs(order, price, self._instrument(order))
        own = locks(self.orders.values(), self._marks, self._market)
        return needed <= self.octobot.total(currency) - own.get(currency, ZERO)

    def _update_portfolio(self) -> None:
        """Give OctoBot's portfolio the totals and what is locked of them."""
        locked = locks(self.orders.values(), self._marks, self._market)
        for currency in {*self._booking.totals, *locked}:
            taken = locked.get(currency, ZERO) + self._foreign.get(currency, ZERO)
            self.octobot.put(currency, self._booking.total(currency), taken)
