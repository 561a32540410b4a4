"""A live futures account: wallet and positions are the exchange's, booked as what moved them. See docs/adr/0021."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.accounts.valuation import Valuation
from engine.exchanges.venue import Venue
from engine.futures.markets import tradable
from engine.journal.records import INCOME_OVERLAP, AccountRecord, Records
from engine.journal.unit import Unit
from engine.live.difference import Held
from engine.live.futures.booking import FuturesBooking
from engine.live.futures.incomes import Incomes
from engine.live.futures.octobot import LiveFuturesOctoBot
from engine.live.futures.position import stored, unbounded
from engine.live.futures.standing import PositionsAccount
from engine.live.futures.told import Income, Seen, ToldPosition, fill_key
from engine.live.outcomes import ExchangeFill
from engine.live.trader import Unreachable
from engine.markets.market import Market
from utils import clock, wire
from utils.errors import Conflict, EngineUnavailable
from utils.money import ZERO
from utils.wire import Instrument

_log = logging.getLogger(__name__)


class LiveFuturesAccount(PositionsAccount):
    """Hold positions in linear perpetuals at an exchange, one way and with isolated margin."""

    records: Records

    def __init__(
        self, record: AccountRecord, market: Market, octobot: LiveFuturesOctoBot, venue: Venue, *, enabled: bool
    ) -> None:
        super().__init__(record, market, octobot, venue, enabled=enabled)
        self.valuation = Valuation(record.reference_currency, market, {})
        self._markets: dict[str, Instrument] = unbounded(tradable(market, record.reference_currency))
        self.positions = stored(record.positions, self._markets)
        self._booking = FuturesBooking(octobot, self.valuation, dict(record.totals))
        self._incomes = Incomes(self.timing.lag)
        self._agreed_at: datetime | None = None
        """When the wallets were last what the ledger adds up to: what came an hour before is booked."""
        self._differed = True
        """Whether they were not at the last look, while nothing of ours moved."""
        self._moved_at = float("-inf")
        self._update_portfolio()

    async def book_opening(self, unit: Unit) -> None:
        """Book the wallet when the account is first opened.

        :raises Conflict: `hedge_mode_not_supported`. :raises EngineUnavailable: the exchange does not say.
        """
        try:
            hedged = await self.trader.is_hedged()
            seen = await self.observe()
        except Unreachable as error:
            await self.octobot.close()
            detail = f"{self.record.exchange} does not tell the wallet of the account."
            raise EngineUnavailable(detail, code="exchange_unavailable", retry_after=5) from error
        if hedged:
            await self.octobot.close()
            detail = f"Switch {self.record.exchange} to one-way positions first; hedge mode is not supported."
            raise Conflict(detail, code="hedge_mode_not_supported")
        wallets = {self.record.reference_currency: ZERO, **seen.wallets}
        deposited = sum((self._booking.receive(*wallet, "deposit", unit) for wallet in wallets.items()), ZERO)
        for told in seen.positions.values():
            self._adopt_position(told.symbol, told, unit)
        unit.settle(deposited=deposited)
        unit.sample(deposited, deposited)
        self._update_portfolio()
        self._booking.tell(unit)

    # -------------------------------------------------------------------------------- what the exchange says

    async def observe(self) -> Seen:
        """Ask for wallets and positions, and where a wallet still differs for what moved it.

        One that differs for the first time may do so by a fill of ours that the same look brings.

        :raises Unreachable: no answer.
        """
        wallets, free = await self.trader.wallets()
        positions = await self.trader.positions()
        incomes: list[Income] = []
        booked: frozenset[str] = frozenset()
        if self._differed and self._differs(wallets):
            incomes, booked = await self._read_incomes()
        return Seen(wallets=wallets, free=free, positions=positions, incomes=incomes, booked=booked)

    def settle(self, seen: Seen, unit: Unit) -> bool:
        """Book what moved the wallets without an order of ours, and take over the positions."""
        moving, differs = self.is_moving(), self._differs(seen.wallets)
        self._differed = differs and not moving
        if not differs:
            self._agreed_at = clock.now()
        if moving:
            self._incomes.forget()
            self._differences.forget()
            self._update_portfolio()
            return not self.is_settling()
        due, waiting = self._incomes.due(seen, self._booked)
        came = ZERO
        for income in due:
            came += self._booking.income(income, unit)
            self._note_funding(income, unit)
        held: Held = {currency: (wallet, ZERO) for currency, wallet in seen.wallets.items()}
        explained = {
            currency: self.totals.get(currency, ZERO) + waiting.get(currency, ZERO)
            for currency in {*self.totals, *waiting}
        }
        moved = self._differences.settled(held, explained)
        for currency, amount in moved.items():
            came += self._booking.receive(currency, amount, "external", unit)
        adopted = self._adopt_positions(seen, unit)
        self._lock_foreign(seen.free)
        if due or moved or adopted:
            self._booking.tell(unit)
        if came or moved:
            self._count_in(came, unit)
        return not (waiting or self._differences.pending)

    async def _read_incomes(self) -> tuple[list[Income], frozenset[str]]:
        since = await asyncio.to_thread(self.records.incomes_since, self.record.id)
        if since is None:
            return [], frozenset()  # what came before the account was opened is in its deposit
        if self._agreed_at is not None:
            since = max(since, self._agreed_at - INCOME_OVERLAP)
        if self._incomes.oldest is not None:
            since = min(since, self._incomes.oldest)
        # in the exchange's time, as far as it is known
        ahead = int(self.trader.client.options.get("timeDifference") or 0)
        incomes = await self.trader.incomes(clock.to_ms(since) - ahead)
        ids = [income.id for income in incomes]
        trades = [income.trade_id for income in incomes if income.trade_id is not None]
        entries, fills = await asyncio.to_thread(self.records.booked, self.record.id, ids, trades)
        return incomes, frozenset({*entries, *(fill_key(*fill) for fill in fills)})

    def _differs(self, wallets: dict[str, Decimal]) -> bool:
        currencies = {*wallets, *self.totals}
        return any(wallets.get(each, ZERO) != self.totals.get(each, ZERO) for each in currencies)

    def _note_funding(self, income: Income, unit: Unit) -> None:
        position = self.positions.get(income.symbol or "")
        if income.kind == "FUNDING_FEE" and position is not None:
            self._keep_position(
                replace(
                    position, funding=position.funding + income.amount, funded_at=income.at, updated_at=clock.now()
                ),
                unit,
            )

    # ------------------------------------------------------------------------------------------ positions

    def _book_fill(self, order: wire.Order, fill: ExchangeFill, unit: Unit) -> wire.Order:
        position, currency = self.positions[order.symbol], self._markets[order.symbol].settle or ""
        gain = position.gain(order.side, fill.amount, fill.price) if fill.gain is None else fill.gain
        order = self._booking.fill(order, fill, gain, currency, unit)
        paid = fill.fee.cost if fill.fee is not None and fill.fee.currency == currency else ZERO
        self._moved_at = time.monotonic()
        self._incomes.forget()
        self._keep_position(position.after(order.side, fill.amount, fill.price, gain - paid, clock.now()), unit)
        return order

    def _adopt_positions(self, seen: Seen, unit: Unit) -> bool:
        """Take over what the exchange tells of positions, and return whether one is larger or smaller than thought.

        Shortly after a fill of ours it may tell what was before.
        """
        changed = False
        settled = time.monotonic() - self._moved_at >= self.timing.lag
        for symbol, position in self.positions.items():
            told = seen.positions.get(symbol)
            amount = ZERO if told is None else told.amount
            if amount == position.amount or settled:
                changed |= amount != position.amount
                self._adopt_position(symbol, told, unit)
        return changed

    def _adopt_position(self, symbol: str, told: ToldPosition | None, unit: Unit) -> None:
        position = self.positions.get(symbol)
        if position is None:
            return  # of a market that is not traded here
        adopted = position.as_told(told, clock.now())
        if adopted.amount != position.amount:
            _log.warning(
                "account %s holds %s %s at %s, not %s",
                *(self.record.id, adopted.amount, symbol, self.record.exchange, position.amount),
            )
        if adopted is not position:
            self._keep_position(adopted, unit)
