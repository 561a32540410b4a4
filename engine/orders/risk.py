"""The gate that every order passes: kill switches, a tournament's rules, the owner's limits, the bound on open orders.

Values are in the account's reference currency, at mark prices. An order *reduces* when it sells what a spot account
holds, or is `reduce_only`: the daily loss, the position limit and the list of symbols never stand in its way.

The daily loss is the equity at the start of the UTC day plus what was deposited since, minus the equity now, so what
was realised and what was not count alike. The equity at the start is what the ledger held then, at the prices of that
moment.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Protocol

import msgspec

from engine.journal.records import AccountRecord, Records
from engine.journal.unit import Unit
from engine.markets.market import Market
from engine.orders import rules
from engine.orders.drafts import Draft
from engine.orders.kill_switches import KillSwitches
from engine.tournaments.contests import Contests, Seat
from models.records import limits_row
from utils import clock, wire
from utils.errors import FieldError, Refused
from utils.money import HUNDRED, ONE, ZERO, plain
from utils.wire import PRICED, STOPPED, Check, Instrument, KillSwitch, RiskLimits

MOST_EXITS = 2
"""An order leads to at most so many: its exits. Counting them for every new order would take longer than placing it."""

Verdicts = Iterator[tuple[str, Refused | None]]


class Holder(Protocol):
    """What the gate must know of an account."""

    record: AccountRecord
    orders: dict[str, wire.Order]

    def position(self, instrument: Instrument) -> Decimal:
        """Return what is held of `instrument`, in base units, negative when short."""

    def overview(self) -> wire.Portfolio:
        """Value the account now."""

    def value(self, currency: str, amount: Decimal) -> Decimal | None:
        """Return what `amount` of `currency` is worth."""


class Gates:
    """Make the gates of accounts."""

    def __init__(self, records: Records, switches: KillSwitches, contests: Contests, max_open_orders: int) -> None:
        self._records = records
        self._switches = switches
        self._contests = contests
        self._max_open_orders = max_open_orders

    async def enter(self, record: AccountRecord) -> AccountRecord:
        """Return the record of an account with what its tournament lets it do, if it has one."""
        return await self._contests.enter(record)

    def of(self, record: AccountRecord, market: Market) -> Gate:
        """Return the gate of an account."""
        seat = Seat(self._contests, record.entry)
        return Gate(record, market, self._records, self._switches, seat=seat, max_open_orders=self._max_open_orders)


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How an account stands when an order is held against its limits; `others` are its other open orders."""

    others: list[wire.Order]
    position_after: Decimal
    quote_value: Decimal | None
    loss: Decimal


class Gate:
    """The limits of one account. Its methods are called with the account's lock held."""

    def __init__(
        self,
        record: AccountRecord,
        market: Market,
        records: Records,
        switches: KillSwitches,
        *,
        seat: Seat,
        max_open_orders: int,
    ) -> None:
        self.limits = record.limits
        self.seat = seat
        self._record = record
        self._market = market
        self._records = records
        self._switches = switches
        self._max_open_orders = max_open_orders
        self._opening: tuple[datetime, Decimal] | None = None

    @property
    def switch(self) -> KillSwitch | None:
        """Return the kill switch that holds for the account, if one is engaged."""
        return self._switches.over(self._record.id, self._record.user_id)

    def set(self, limits: RiskLimits, unit: Unit) -> RiskLimits:
        """Replace the limits; they hold for the next order. :raises Refused: `unknown_symbol`."""
        self._market.check_symbols("allowed_symbols", limits.allowed_symbols or [])
        self.limits = msgspec.structs.replace(limits, updated_at=clock.now())
        unit.limits.append(limits_row(self.limits, self._record.id))
        return self.limits

    async def admit(self, draft: Draft, holder: Holder, edited: wire.Order | None = None) -> None:
        """Hold an order, or the `edited` one as it would be, against everything. :raises Refused: by the first rule."""
        for _, refusal in self._verdicts(draft, await self._standing(draft, holder, edited), edited):
            if refusal is not None:
                raise refusal

    async def checks(self, draft: Draft, holder: Holder) -> list[Check]:
        """Return every rule's result."""
        standing = await self._standing(draft, holder, None)
        return [rules.result(name, refusal) for name, refusal in self._verdicts(draft, standing, None)]

    async def objection(self, draft: Draft, holder: Holder, order: wire.Order) -> Refused | None:
        """Return what forbids a conditional order to act at its trigger; nothing does when it reduces."""
        if reduces(draft):
            return None
        standing = await self._standing(draft, holder, order)
        return next((refusal for _, refusal in self._verdicts(draft, standing, order) if refusal), None)

    # --------------------------------------------------------------------------------------------- the rules

    def _verdicts(self, draft: Draft, standing: Standing, edited: wire.Order | None) -> Verdicts:
        yield "kill_switch", self._stopped()
        yield "tournament_symbols", self.seat.symbol(draft)
        yield "allowed_symbols", self._symbol(draft)
        yield "max_order_value", self._order_value(draft, standing)
        yield "max_open_orders", None if edited is not None else self._open_orders(draft, standing)
        yield "max_position_value", self._position(draft, standing)
        yield "max_daily_loss", self._loss(draft, standing)
        yield "price_collar", self._collar(draft)

    def _stopped(self) -> Refused | None:
        switch = self.switch
        if switch is None:
            return None
        return Refused(f"A kill switch of the {switch.scope} is engaged; no order is taken.", code="kill_switch")

    def _symbol(self, draft: Draft) -> Refused | None:
        allowed = self.limits.allowed_symbols
        if allowed is None or draft.ticket.symbol in allowed or reduces(draft):
            return None
        return _refuse("risk_symbol_not_allowed", "symbol", "The account's risk limits do not allow this market.")

    def _order_value(self, draft: Draft, standing: Standing) -> Refused | None:
        limit = self.limits.max_order_value
        if limit is None:
            return None
        price = draft.price if draft.ticket.side == "buy" else max(draft.price, draft.mark)
        value = _times(draft.amount * price, standing.quote_value)
        return _above("risk_max_order_value", _amount(draft), "The order is worth", value, limit)

    def _open_orders(self, draft: Draft, standing: Standing) -> Refused | None:
        own = self.limits.max_open_orders
        limit = self._max_open_orders if own is None else min(own, self._max_open_orders)
        adds = places(draft)
        if not adds or MOST_EXITS * len(standing.others) + adds <= limit:
            return None
        has = sum(order.exits or 1 for order in standing.others)
        if has + adds <= limit:
            return None
        detail = f"The account may have {limit} open orders and has {has}."
        return Refused(detail, code="risk_max_open_orders")

    def _position(self, draft: Draft, standing: Standing) -> Refused | None:
        limit = self.limits.max_position_value
        if limit is None or reduces(draft):
            return None
        value = _times(abs(standing.position_after) * draft.mark, standing.quote_value)
        return _above("risk_max_position_value", _amount(draft), "The position would be worth", value, limit)

    def _loss(self, draft: Draft, standing: Standing) -> Refused | None:
        limit = self.limits.max_daily_loss
        if limit is None or standing.loss < limit or reduces(draft):
            return None
        detail = f"The account has lost {plain(round(standing.loss, 8))} today, and may lose {plain(limit)}."
        return Refused(detail, code="risk_max_daily_loss")

    def _collar(self, draft: Draft) -> Refused | None:
        percent, ticket = self.limits.price_collar, draft.ticket
        if percent is None or ticket.type not in PRICED or ticket.price is None:
            return None
        # what waits for a trigger will trade when the market is there
        base = ticket.stop_price if ticket.type in STOPPED and ticket.stop_price is not None else draft.mark
        if abs(ticket.price - base) * HUNDRED <= percent * base:
            return None
        return _refuse("risk_price_collar", "price", f"price is more than {plain(percent)} % away from {plain(base)}.")

    # ------------------------------------------------------------------------------------------ the standing

    async def _standing(self, draft: Draft, holder: Holder, edited: wire.Order | None) -> Standing:
        market, side = draft.instrument, draft.ticket.side
        others = list(holder.orders.values())
        if edited is not None:
            others = [order for order in others if not _same_group(order, edited)]
        waiting: dict[str, Decimal] = {}
        for order in others if self.limits.max_position_value is not None else ():
            if (order.symbol, order.side) == (market.symbol, side):  # a pair trades once
                pair = order.group_id or order.id
                waiting[pair] = max(order.remaining, waiting.get(pair, ZERO))
        sign = 1 if side == "buy" else -1
        return Standing(
            others=others,
            position_after=holder.position(market) + sign * (draft.amount + sum(waiting.values(), ZERO)),
            quote_value=holder.value(market.quote, ONE),
            loss=ZERO if self.limits.max_daily_loss is None else await self._lost(holder),
        )

    async def _lost(self, holder: Holder) -> Decimal:
        """Return what the account has lost since the UTC day began; negative when it has gained."""
        midnight = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        opening, deposited = await asyncio.to_thread(self._records.day, self._record.id, midnight)
        if self._opening is None or self._opening[0] != midnight:
            value = ZERO
            for currency, amount in opening.items():
                if amount:
                    value += amount * await self._price_at(currency, midnight, holder)
            self._opening = midnight, value
        came_in = sum((holder.value(currency, amount) or ZERO for currency, amount in deposited.items()), ZERO)
        return self._opening[1] + came_in - holder.overview().total_value

    async def _price_at(self, currency: str, moment: datetime, holder: Holder) -> Decimal:
        """Return what one unit was worth at `moment`; zero when no market tells, as in the equity now."""
        reference = self._record.reference_currency
        if currency == reference:
            return ONE
        for symbol, inverse in ((f"{currency}/{reference}", False), (f"{reference}/{currency}", True)):
            if symbol in self._market.instruments:
                query = wire.GetCandles(
                    exchange=self._market.exchange,
                    symbol=symbol,
                    timeframe="1m",
                    limit=1,
                    since=clock.to_ms(moment),
                )
                candles = (await self._market.candles(query)).candles
                if candles:
                    return ONE / candles[0].open if inverse else candles[0].open
        return holder.value(currency, ONE) or ZERO


def reduces(draft: Draft) -> bool:
    """Tell whether an order can only make a position smaller."""
    return draft.ticket.reduce_only or (draft.instrument.type == "spot" and draft.ticket.side == "sell")


def places(draft: Draft) -> int:
    """Return how many open orders `draft` leads to at most at one time."""
    ticket = draft.ticket
    exits = (ticket.take_profit is not None) + (ticket.stop_loss is not None)
    if draft.takes:
        return exits
    return max(1 + (ticket.oco is not None), exits)


def _same_group(order: wire.Order, other: wire.Order) -> bool:
    return order.id == other.id or (order.group_id is not None and order.group_id == other.group_id)


def _times(amount: Decimal, value: Decimal | None) -> Decimal | None:
    return None if value is None else amount * value


def _above(code: str, field: str, what: str, value: Decimal | None, limit: Decimal) -> Refused | None:
    if value is None:  # what cannot be valued cannot be limited
        return _refuse(code, field, f"{what} an unknown amount; the limit is {plain(limit)}.")
    if value <= limit:
        return None
    return _refuse(code, field, f"{what} {plain(round(value, 8))}; the limit is {plain(limit)}.")


def _amount(draft: Draft) -> str:
    return "amount" if draft.ticket.quote_amount is None else "quote_amount"


def _refuse(code: str, field: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
