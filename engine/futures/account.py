"""A futures account: orders open, reduce and reverse positions; time funds and liquidates them.

Where money is concerned only the wallet moves: by what is realised, fees, funding, and what the insurance bears of a
liquidation. Margins are locked, not booked. See docs/adr/0013.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.futures import overview
from engine.futures.funds import FuturesFunds
from engine.futures.position import Position
from engine.futures.positions import HeldPositions
from engine.journal.unit import Unit
from engine.markets.source import Funding
from engine.orders import drafts, orders
from engine.orders.triggers import GUARD, Touch
from utils import clock, wire
from utils.ids import new_id
from utils.money import ZERO
from utils.wire import Leverage, OrderTicket, Portfolio, Preview


class FuturesAccount(HeldPositions):
    """Hold positions in linear perpetuals, with isolated margin."""

    async def pay_in(self, currency: str, amount: Decimal, value: Decimal, unit: Unit) -> None:  # noqa: ARG002
        """Book a deposit; the wallet has one currency."""
        await self._booking.deposit(amount, unit)

    async def clear(self, unit: Unit) -> None:
        """Book everything away, positions included; there are no open orders any more."""
        for position in self._open_positions():
            bare = Position(symbol=position.symbol, leverage=position.leverage, updated_at=clock.now())
            await self.octobot.restore(bare)
            self._keep(bare, unit)
        await self._booking.move(-self._wallet, "reset", unit)
        self._booking.tell(unit)

    async def book_opening(self, unit: Unit) -> None:
        """Book the starting balance; done once in the life of an account."""
        await self._booking.opening(self.record.starting_balance, unit)

    def overview(self) -> Portfolio:
        """Value the account now: the wallet and what the positions would gain."""
        currency = self.record.reference_currency
        holding = overview.holding(self.octobot.free(currency), self._wallet)
        return overview.overview(self.record, {currency: holding}, self._valued(), len(self.orders))

    def preview(self, ticket: OrderTicket) -> Preview:
        """Tell what placing `ticket` would do. :raises NotFound: unknown symbol."""
        return overview.preview(self.draft(ticket), self._funds(), self.record.reference_currency)

    # ------------------------------------------------------------------------------------------- commands

    def closing(self, symbol: str) -> OrderTicket:
        """Return the ticket that closes the position in `symbol`. :raises NotFound: when there is none."""
        return overview.closing(self._position(symbol))

    async def set_leverage(self, symbol: str, leverage: Decimal, unit: Unit) -> Leverage:
        """Choose the leverage of a market; an open position's margin is recomputed.

        :raises NotFound: unknown symbol. :raises Refused: it is beyond what the market allows or the wallet holds.
        """
        position, market = self._position(symbol), self._markets[symbol]
        changed = position.leveraged(leverage, clock.now())
        overview.check_entry(self.record, leverage)
        overview.check_leverage(changed, market, self._market.quote(symbol).mark)
        others = {**self.positions, symbol: changed}
        funds = FuturesFunds(self._wallet, others, self.orders.values(), self._markets)
        refusal = funds.position(symbol, changed.entry_price or self._market.quote(symbol).price)
        if refusal is not None:
            raise refusal
        await self.octobot.set_leverage(symbol, leverage)
        self._keep(changed, unit)
        self._booking.tell(unit)
        return overview.leverage(changed, market, self.record.id)

    # ----------------------------------------------------------------------------------------------- time

    def is_behind(self, now: datetime) -> bool:
        """Tell whether funding is due or a position has reached its liquidation price."""
        now = self.gate.seat.until(now)
        return any(
            each.is_due(self._markets[each.symbol], now) or self._is_lost(each) for each in self._open_positions()
        )

    async def catch_up(self, now: datetime, unit: Unit) -> None:
        """Book the funding that is due, and liquidate what the mark has reached."""
        now = self.gate.seat.until(now)
        # all of it is known before anything is changed
        due = {
            position.symbol: await self._market.fundings(position.symbol, position.funded_at, now)
            for position in self._open_positions()
            if position.funded_at is not None
        }
        for position in self._open_positions():
            for funding in due.get(position.symbol, []):
                await self._fund(position.symbol, funding, unit)
            if self._is_lost(self.positions[position.symbol]):
                await self._liquidate(position.symbol, self._market.quote(position.symbol).mark, unit)

    async def act(self, order_id: str, touch: Touch, unit: Unit) -> None:
        """Do what `touch` makes of an open order, or of the position whose liquidation price it reached."""
        if not order_id.startswith(GUARD):
            await super().act(order_id, touch, unit)
            return
        position = self.positions[order_id.removeprefix(GUARD).split(" ")[0]]
        held_earlier = position.updated_at is not None and position.updated_at > touch.at
        if held_earlier or self.gate.seat.is_over:
            return
        if position.is_lost(self._markets[position.symbol], touch.mark):
            await self._liquidate(position.symbol, touch.mark, unit)

    async def _fund(self, symbol: str, funding: Funding, unit: Unit) -> None:
        """Book one funding: from what is free, then from the position's margin; the insurance bears the rest."""
        position = self.positions[symbol]
        free = self._funds().free()
        payment = max(-position.amount * funding.mark * funding.rate, -(free + position.margin))
        from_margin = max(-payment - free, ZERO)
        await self._booking.move(payment, "funding", unit)
        self._keep(position.funded(payment, from_margin, funding.at), unit)
        self._booking.tell(unit)

    async def _liquidate(self, symbol: str, mark: Decimal, unit: Unit) -> None:
        """Cancel the market's orders and close the position at `mark`."""
        for other in [other for other in self.orders.values() if other.symbol == symbol]:
            if other.id in self.orders:
                await self._close(other, "canceled", unit, reject_code="liquidation")
        await self.close_out(symbol, mark, unit, "liquidation-")

    async def close_out(self, symbol: str, mark: Decimal, unit: Unit, name: str = wire.CLOSING) -> None:
        """Close the position at `mark`, in a market without orders; more than its margin cannot be lost.

        :param name: how the order is named, before its id.
        """
        position, market = self.positions[symbol], self._markets[symbol]
        ticket = replace(overview.closing(position), client_order_id=f"{name}{new_id()}")
        # at the mark that was seen, whatever has become of the market since: nothing refuses it half way
        order = orders.new_order(drafts.draft(ticket, market, mark), self.record.id, self.record.mode)
        loss = -position.gain(ticket.side, abs(position.amount), mark)
        loss += abs(position.amount) * mark * market.taker_fee
        if loss > position.margin:
            await self._booking.move(loss - position.margin, "insurance", unit)
        await self._execute(order, mark, unit)

    def _is_lost(self, position: Position) -> bool:
        if self.gate.seat.is_over:
            return False  # and no price is asked for: there may be none any more
        return position.is_lost(self._markets[position.symbol], self._market.quote(position.symbol).mark)

    # --------------------------------------------------------------------------------------------- internal

    def _valued(self) -> Iterator[wire.Position]:
        for position in self._open_positions():
            mark = self._market.quote(position.symbol).mark
            yield position.message(self.record.id, self._markets[position.symbol], mark)

    def _position(self, symbol: str) -> Position:
        """Return the position in `symbol`. :raises NotFound: unknown symbol. :raises Refused: not traded here."""
        self._admit(self._market.traded(symbol))
        return self.positions[symbol]
