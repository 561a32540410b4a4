"""Rules, margins and leverage of a live futures account, and what its owner sees."""

from __future__ import annotations

import math
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from msgspec.structs import replace

from engine.accounts.valuation import Valuation
from engine.futures import overview
from engine.futures.funds import FuturesFunds
from engine.futures.markets import check_tradable
from engine.journal.unit import Unit
from engine.live.account import LiveAccount
from engine.live.futures.booking import FuturesBooking
from engine.live.futures.octobot import LiveFuturesOctoBot
from engine.live.futures.position import HeldPosition
from engine.live.futures.told import Settings
from engine.live.futures.trader import FuturesTrader
from engine.orders import drafts, kinds
from utils import clock, wire
from utils.errors import EngineUnavailable
from utils.money import ONE, ZERO
from utils.wire import Holding, Instrument, Leverage, OrderTicket, Portfolio, Position, Preview


class PositionsAccount(LiveAccount):
    """Know what a live futures account has; what changes that is for `LiveFuturesAccount`."""

    octobot: LiveFuturesOctoBot
    valuation: Valuation
    positions: dict[str, HeldPosition]
    _markets: dict[str, Instrument]
    _booking: FuturesBooking

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._settings: dict[str, tuple[float, Settings]] = {}
        self._foreign = ZERO

    # ------------------------------------------------------------------------------------------ what it is

    @property
    def trader(self) -> FuturesTrader:
        """Return the gate to the exchange."""
        return self.octobot.trader

    @property
    def is_busy(self) -> bool:
        """Tell whether it must stay in memory: as on spot, or there are positions to follow."""
        return super().is_busy or self.holds_positions

    @property
    def wait(self) -> float:
        """Return the seconds until the next look."""
        return self.timing.hold if self.holds_positions and not super().is_busy else super().wait

    @property
    def holds_positions(self) -> bool:
        """Tell whether a position is open."""
        return any(position.amount for position in self.positions.values())

    @property
    def trades(self) -> dict[str, wire.Trade]:
        """Return the latest trades since the account came into memory, oldest first."""
        return self._booking.trades

    @property
    def totals(self) -> dict[str, Decimal]:
        """Return the sums of the ledger, by currency."""
        return self._booking.totals

    def symbols(self) -> list[str]:
        """Return the markets that are traded here."""
        return list(self._markets)

    def position(self, instrument: Instrument) -> Decimal:
        """Return the position in `instrument`, in base units, negative when short."""
        held = self.positions.get(instrument.symbol)
        return ZERO if held is None else held.amount

    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return what `amount` of `currency` is worth in the reference currency; None when no market tells."""
        return self.valuation.value(currency, amount)

    def is_behind(self, now: datetime) -> bool:  # noqa: ARG002
        """Tell that the exchange sees to what time does to positions."""
        return False

    async def catch_up(self, now: datetime, unit: Unit) -> None:
        """Do nothing: see `is_behind`."""

    def overview(self) -> Portfolio:
        """Value the account now: wallets, and what the positions would gain."""
        currencies = {
            currency: Holding(
                free=self.octobot.free(currency),
                locked=total - self.octobot.free(currency),
                total=total,
                value=self.valuation.value(currency, total),
            )
            for currency, total in self.totals.items()
        }
        valued = [self._message(position) for position in self.positions.values() if position.amount]
        return overview.overview(self.record, currencies, valued, len(self.orders))

    def preview(self, ticket: OrderTicket) -> Preview:
        """Tell what placing `ticket` would do. :raises NotFound: unknown symbol."""
        return overview.preview(self.draft(ticket), self._funds(), self.record.reference_currency)

    def closing(self, symbol: str) -> OrderTicket:
        """Return the ticket that closes the position in `symbol`. :raises NotFound: when there is none."""
        self._admit(self._market.traded(symbol))
        return overview.closing(self.positions[symbol])

    # ------------------------------------------------------------------------------------------- settings

    def trades_market(self, symbol: str) -> bool:
        """Tell whether the account trades a market."""
        return symbol in self._markets

    def check_leverage(self, symbol: str, leverage: Decimal) -> None:
        """Hold a leverage against what the exchange may be asked for. :raises Refused: it may not."""
        self.check_active()
        self._check_enabled()
        self.check_current()
        self._admit(self._market.traded(symbol))
        most = self._markets[symbol].max_leverage or ONE
        if leverage % 1 or not ONE <= leverage <= most:
            raise drafts.refuse("invalid_leverage", "leverage", f"The leverage is a whole number from 1 to {most}.")

    def settings(self, symbol: str, within: float) -> Settings | None:
        """Return how the exchange trades a market for this account, as it told in the last `within` seconds."""
        at, settings = self._settings.get(symbol, (float("-inf"), None))
        return settings if time.monotonic() - at <= within else None

    def learn(self, symbol: str, settings: Settings, unit: Unit) -> None:
        """Take over how the exchange trades a market for this account."""
        self._settings[symbol] = (time.monotonic(), settings)
        self._take_leverage(symbol, settings.leverage, unit)

    async def set_leverage(self, symbol: str, leverage: Decimal, unit: Unit) -> Leverage:
        """Take over the leverage that the exchange has taken; the desk asked it before."""
        known = self.settings(symbol, math.inf)
        if known is None:
            self._take_leverage(symbol, leverage, unit)
        else:
            self.learn(symbol, replace(known, leverage=leverage), unit)
        self.hurry()
        return overview.leverage(self.positions[symbol], self._markets[symbol], self.record.id)

    def _take_leverage(self, symbol: str, leverage: Decimal, unit: Unit) -> None:
        position = self.positions[symbol]
        if position.leverage != leverage:
            self._keep_position(replace(position, leverage=leverage, updated_at=clock.now()), unit)

    def _keep_position(self, position: HeldPosition, unit: Unit) -> None:
        self.positions[position.symbol] = position
        market = self._markets[position.symbol]
        unit.position(position.row(self.record.id, market, clock.now()), self._message(position))
        self._shrink(position, unit)
        self._update_portfolio()

    # -------------------------------------------------------------------------------------------- the hooks

    def _admit(self, instrument: Instrument) -> None:
        check_tradable(instrument, self._markets, self.record.reference_currency)

    def _funds(self, *, without: wire.Order | None = None) -> FuturesFunds:
        wallet = self.totals.get(self.record.reference_currency, ZERO) - self._foreign
        sent = [replace(order, amount=order.remaining) for order in self.orders.values() if not kinds.is_held(order)]
        return FuturesFunds(wallet, self.positions, sent, self._markets, without)

    def _affords(self, order: wire.Order, price: Decimal) -> bool:
        if order.reduce_only:
            return self.positions[order.symbol].reduces(order.side)
        return self._funds(without=order).free_after(order.symbol, order.side, order.remaining, price) >= 0

    def _tell(self, order: wire.Order, unit: Unit) -> None:  # noqa: ARG002
        self._booking.tell(unit)

    def _update_portfolio(self) -> None:
        """Give OctoBot's portfolio the wallets, and what margins and orders take of them."""
        for currency, total in self.totals.items():
            settles = currency == self.record.reference_currency
            self.octobot.put(currency, total, total - self._funds().free() if settles else ZERO)

    def _lock_foreign(self, free: dict[str, Decimal]) -> None:
        """Take for locked what the exchange says that is not free: orders from elsewhere, cross margin."""
        self._foreign = ZERO
        currency = self.record.reference_currency
        if currency in free:
            self._foreign = max(self._funds().free() - free[currency], ZERO)
        self._update_portfolio()

    def _shrink(self, position: HeldPosition, unit: Unit) -> None:
        """Cut the held orders that may only reduce to what is left of the position, or cancel them."""
        for order in [each for each in self.orders.values() if each.symbol == position.symbol and each.reduce_only]:
            if not kinds.is_held(order) or order.id not in self.orders:
                continue
            if not position.reduces(order.side):
                self._keep(replace(order, status="canceled", reject_code="reduce_only", updated_at=clock.now()), unit)
            elif order.amount > abs(position.amount):
                left = abs(position.amount)
                self._keep(replace(order, amount=left, remaining=left, updated_at=clock.now()), unit)

    def _message(self, position: HeldPosition) -> Position:
        try:
            mark = self._market.quote(position.symbol).mark
        except EngineUnavailable:
            mark = None
        return position.message(self.record.id, self._markets[position.symbol], mark)
