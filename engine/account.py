"""One account in memory: the gate through which all its orders pass, and the reckoning of what they do.

Every public coroutine is called with the account's lock held, changes memory, and fills a `Unit` that the caller
commits. OctoBot executes (see `engine.octobot_account`); what it did is read back from it and booked, and a booking
that disagrees with OctoBot's portfolio by a single digit stops the account.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from decimal import Decimal

from msgspec.structs import replace

from engine import rules
from engine.market import Market
from engine.octobot_account import Fill, OctoBotAccount
from engine.records import AccountRecord
from engine.rules import CONDITIONAL, LIMIT_ON_TRIGGER, TRAILING, Draft
from engine.triggers import trigger
from engine.unit import Line, Unit
from engine.valuation import Valuation
from utils import clock, wire
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.ids import new_id
from utils.money import ZERO
from utils.wire import FINAL_STATUSES, Fee, OrderStatus, OrderTicket

IMMEDIATE = frozenset({"ioc", "fok"})
"""Times in force of orders that fill at once or not at all; a simulated fill is never partial."""


class Account:
    """Hold one account's open orders and portfolio."""

    def __init__(self, record: AccountRecord, market: Market, octobot: OctoBotAccount) -> None:
        self.record = record
        self.lock = asyncio.Lock()
        self.line = Line(record.id, record.user_id)
        self.orders: dict[str, wire.Order] = {}
        self.reserved_client_ids: set[str] = set()
        self.octobot = octobot
        self.valuation = Valuation(record.reference_currency, market, dict(record.entry_prices))
        self._market = market

    @classmethod
    async def open(cls, record: AccountRecord, market: Market) -> Account:
        """Build the account in OctoBot with the totals and open orders that SQL has."""
        octobot = await OctoBotAccount.open(
            record.exchange, list(market.instruments), record.reference_currency, record.totals, record.id
        )
        account = cls(record, market, octobot)
        for order in record.orders:
            await octobot.rest(order, market.quote(order.symbol).price)
            account.orders[order.id] = order
        return account

    def unit(self) -> Unit:
        """Start a unit of work."""
        return Unit(self.line)

    async def book_opening(self, unit: Unit) -> None:
        """Book the starting balance as a deposit; to be done once in the life of an account."""
        currency, amount = self.record.reference_currency, self.record.starting_balance
        await self.octobot.deposit(currency, amount)
        unit.book(currency, amount, "deposit")
        unit.balance(currency, self.octobot.total(currency), None)
        unit.balance_event(self._balances([currency]))

    # ------------------------------------------------------------------------------------------- commands

    def draft(self, ticket: OrderTicket) -> Draft:
        """Work out what `ticket` comes to at the mark price. :raises NotFound: unknown symbol."""
        return rules.draft(ticket, self._market.instrument(ticket.symbol), self._market.quote(ticket.symbol).price)

    async def place(self, ticket: OrderTicket, unit: Unit) -> wire.Order:
        """Place an order. :raises Refused: a rule forbids it. :raises NotFound: unknown symbol."""
        draft = self.draft(ticket)
        rules.check(draft, self.octobot)
        order = self._new_order(draft)
        if ticket.oco is not None:
            order = replace(order, group_id=new_id())
        if ticket.type == "market" or (ticket.type == "limit" and draft.is_marketable):
            return await self._execute(order, draft.mark, unit)
        if ticket.type == "limit" and ticket.time_in_force in IMMEDIATE:
            expired = replace(order, status="expired")
            unit.order(expired)
            return expired
        await self._rest(order, draft.mark, unit)
        if ticket.oco is not None and order.group_id is not None:
            await self._rest(self._oco_stop(draft, order.group_id), draft.mark, unit)
        unit.balance_event(self._balances([draft.instrument.base, draft.instrument.quote]))
        return order

    async def edit(self, command: wire.EditOrder, unit: Unit) -> wire.Order:
        """Change an open order; what becomes marketable fills at the mark price.

        :raises NotFound: unknown id. :raises Refused: a field does not belong to the type, or a rule forbids it.
        """
        order = self.open_order(command.order_id)
        _refuse_foreign_fields(order, command)
        changed = replace(
            order,
            amount=command.amount if command.amount is not None else order.amount,
            price=command.price if command.price is not None else order.price,
            stop_price=command.stop_price if command.stop_price is not None else order.stop_price,
            trailing_percent=command.trailing_percent
            if command.trailing_percent is not None
            else order.trailing_percent,
            updated_at=clock.now(),
        )
        changed = replace(changed, remaining=changed.amount - changed.filled)
        draft = self.draft(_ticket(changed))
        rules.check(draft, _Released(self.octobot, self._lock_of(order)))
        self.orders[order.id] = changed
        held_price = changed.price if _rests_as_limit(changed) else changed.stop_price
        await self.octobot.edit(order.id, amount=changed.amount, price=held_price or draft.mark)
        if _rests_as_limit(changed) and draft.is_marketable:
            return await self._fill(changed, draft.mark, unit, taker=True)
        unit.order(changed)
        unit.balance_event(self._balances([draft.instrument.base, draft.instrument.quote]))
        return changed

    async def cancel(self, order_id: str, unit: Unit, *, status: OrderStatus = "canceled") -> wire.Order:
        """Cancel an open order and the others of its group. :raises NotFound: unknown id."""
        order = await self._close(self.open_order(order_id), status, unit)
        for sibling in self._siblings(order):
            await self._close(sibling, "canceled", unit)
        return order

    def open_order(self, order_id: str) -> wire.Order:
        """Return an open order. :raises NotFound: when none has this id (the caller may know a closed one)."""
        try:
            return self.orders[order_id]
        except KeyError:
            raise NotFound("There is no such order.", code="order_not_found") from None

    # ------------------------------------------------------------------------------------------- triggers

    async def act(self, order_id: str, mark: Decimal, unit: Unit) -> None:
        """Do what `mark` makes of an open order: fill it, or let a triggered stop rest. Otherwise do nothing."""
        order = self.orders.get(order_id)
        if order is None:
            return
        price, above = trigger(order)
        if (mark < price) if above else (mark > price):
            return
        if _rests_as_limit(order):
            await self._fill(order, price, unit, taker=False)
            return
        order = replace(order, triggered_at=clock.now(), updated_at=clock.now())
        self.orders[order.id] = order
        for sibling in self._siblings(order):
            await self._close(sibling, "canceled", unit)
        await self._trigger(order, mark, unit)

    async def expire(self, order_id: str, moment: datetime, unit: Unit) -> None:
        """Expire a day order whose day is over at `moment`."""
        order = self.orders.get(order_id)
        if order is not None and is_expired(order, moment):
            await self.cancel(order_id, unit, status="expired")

    def trail(self, order_id: str, level: Decimal) -> wire.Order | None:
        """Move a trailing order's level, in memory; the caller stores it from time to time."""
        order = self.orders.get(order_id)
        if order is None or order.triggered_at is not None:
            return None
        self.orders[order_id] = replace(order, trailing_level=level)
        return self.orders[order_id]

    async def _trigger(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        limit = order.price if order.type in LIMIT_ON_TRIGGER else None
        marketable = limit is None or rules.is_marketable(order.side, limit, mark)
        price = mark if marketable or limit is None else limit
        currency, needed = self._needs(order, price)
        if needed > self.octobot.free(currency):
            await self._close(order, "canceled", unit, reject_code="insufficient_funds")
        elif marketable:
            await self._fill(order, mark, unit, taker=True)
        elif order.time_in_force in IMMEDIATE:
            await self._close(order, "expired", unit)
        else:
            await self.octobot.cancel(order.id)
            await self.octobot.rest(order, mark)
            unit.order(order)
            unit.balance_event(self._balances([currency]))

    # ------------------------------------------------------------------------------------------ execution

    def _new_order(self, draft: Draft) -> wire.Order:
        ticket, moment = draft.ticket, clock.now()
        order_id = new_id()
        return wire.Order(
            id=order_id,
            client_order_id=ticket.client_order_id or order_id,
            account=self.record.id,
            mode=self.record.mode,
            exchange=self.record.exchange,
            symbol=ticket.symbol,
            side=ticket.side,
            type=ticket.type,
            status="accepted",
            amount=draft.amount,
            filled=ZERO,
            remaining=draft.amount,
            price=ticket.price if ticket.type in rules.PRICED else None,
            stop_price=ticket.stop_price if ticket.type in rules.STOPPED else None,
            trailing_percent=ticket.trailing_percent if ticket.type in TRAILING else None,
            trailing_level=draft.mark if ticket.type in TRAILING else None,
            average=None,
            cost=ZERO,
            fee=None,
            time_in_force=ticket.time_in_force,
            reduce_only=ticket.reduce_only,
            group_id=None,
            triggered_at=None,
            reject_code=None,
            created_at=moment,
            updated_at=moment,
        )

    def _oco_stop(self, draft: Draft, group_id: str) -> wire.Order:
        leg = draft.ticket.oco
        if leg is None:
            raise ValueError("the ticket has no second leg")
        ticket = replace(
            draft.ticket,
            type="stop" if leg.price is None else "stop_limit",
            amount=draft.amount,
            quote_amount=None,
            price=leg.price,
            stop_price=leg.stop_price,
            client_order_id=None,
            oco=None,
        )
        return replace(self._new_order(replace(draft, ticket=ticket)), group_id=group_id)

    async def _execute(self, order: wire.Order, mark: Decimal, unit: Unit) -> wire.Order:
        before = self._totals(order)
        return self._book(order, await self.octobot.execute(order, mark), before, unit)

    async def _rest(self, order: wire.Order, mark: Decimal, unit: Unit) -> None:
        await self.octobot.rest(order, mark)
        self.orders[order.id] = order
        unit.order(order)

    async def _fill(self, order: wire.Order, price: Decimal, unit: Unit, *, taker: bool) -> wire.Order:
        for sibling in self._siblings(order):
            await self._close(sibling, "canceled", unit)
        before = self._totals(order)
        fill = await self.octobot.fill(order.id, price, taker=taker)
        del self.orders[order.id]
        return self._book(order, fill, before, unit)

    async def _close(
        self, order: wire.Order, status: OrderStatus, unit: Unit, *, reject_code: str | None = None
    ) -> wire.Order:
        await self.octobot.cancel(order.id)
        del self.orders[order.id]
        closed = replace(order, status=status, reject_code=reject_code, updated_at=clock.now())
        unit.order(closed)
        instrument = self._market.instrument(order.symbol)
        unit.balance_event(self._balances([instrument.base, instrument.quote]))
        return closed

    def _book(self, order: wire.Order, fill: Fill, before: dict[str, Decimal], unit: Unit) -> wire.Order:
        """Book a fill: order, trade, ledger and balances, to the last digit of OctoBot's portfolio."""
        market = self._market.instrument(order.symbol)
        cost = fill.price * fill.amount
        sign = 1 if order.side == "buy" else -1
        moves = {market.base: sign * fill.amount, market.quote: -sign * cost}
        self._verify(before, moves, fill.fee)
        trade = wire.Trade(
            id=fill.trade_id,
            order_id=order.id,
            account=order.account,
            mode=order.mode,
            exchange=order.exchange,
            symbol=order.symbol,
            side=order.side,
            price=fill.price,
            amount=fill.amount,
            cost=cost,
            fee=fill.fee,
            realized_pnl=self.valuation.fill(market, order.side, fill, before),
            created_at=clock.now(),
        )
        filled = replace(
            order,
            status="filled",
            filled=order.filled + fill.amount,
            remaining=ZERO,
            average=fill.price,
            cost=order.cost + cost,
            fee=fill.fee,
            updated_at=trade.created_at,
        )
        unit.order(filled)
        unit.trade(trade)
        for currency, amount in moves.items():
            unit.book(currency, amount, "trade", trade)
        unit.book(fill.fee.currency, -fill.fee.cost, "fee", trade)
        for currency in moves:
            unit.balance(currency, self.octobot.total(currency), self.valuation.entry_prices.get(currency))
        unit.balance_event(self._balances(list(moves)))
        return filled

    # ------------------------------------------------------------------------------------------- reckoning

    def _totals(self, order: wire.Order) -> dict[str, Decimal]:
        market = self._market.instrument(order.symbol)
        return {currency: self.octobot.total(currency) for currency in (market.base, market.quote)}

    def _verify(self, before: dict[str, Decimal], moves: dict[str, Decimal], fee: Fee) -> None:
        """Compare what is booked with what OctoBot did. :raises RuntimeError: when they differ."""
        for currency, amount in moves.items():
            expected = before[currency] + amount - (fee.cost if fee.currency == currency else ZERO)
            if self.octobot.total(currency) != expected:
                raise RuntimeError(f"OctoBot has {self.octobot.total(currency)} {currency}, booked are {expected}")

    def _siblings(self, order: wire.Order) -> list[wire.Order]:
        if order.group_id is None:
            return []
        return [other for other in self.orders.values() if other.group_id == order.group_id and other.id != order.id]

    def _needs(self, order: wire.Order, price: Decimal) -> tuple[str, Decimal]:
        market = self._market.instrument(order.symbol)
        if order.side == "buy":
            return market.quote, order.amount * price * (1 + market.taker_fee)
        return market.base, order.amount

    def _lock_of(self, order: wire.Order) -> tuple[str, Decimal]:
        currency, needed = self._needs(order, order.price or ZERO)
        return currency, needed if _rests_as_limit(order) else ZERO

    def _balances(self, currencies: list[str]) -> dict[str, dict[str, Decimal]]:
        return {
            currency: {
                "free": self.octobot.free(currency),
                "locked": self.octobot.total(currency) - self.octobot.free(currency),
                "total": self.octobot.total(currency),
            }
            for currency in currencies
        }


class _Released:
    """The account's funds as they would be without the lock of one order."""

    def __init__(self, octobot: OctoBotAccount, lock: tuple[str, Decimal]) -> None:
        self._octobot = octobot
        self._currency, self._amount = lock

    def free(self, currency: str) -> Decimal:
        released = self._amount if currency == self._currency else ZERO
        return self._octobot.free(currency) + released

    def total(self, currency: str) -> Decimal:
        return self._octobot.total(currency)


def is_expired(order: wire.Order, moment: datetime) -> bool:
    """Tell whether a day order's day (UTC) is over."""
    midnight = order.created_at.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=1)
    return order.time_in_force == "day" and order.status not in FINAL_STATUSES and moment >= midnight


def not_open(order: wire.Order) -> Conflict:
    """Return the error for a command on an order that is final."""
    return Conflict(f"The order is {order.status}.", code="order_not_open")


def _rests_as_limit(order: wire.Order) -> bool:
    return order.type not in CONDITIONAL or order.triggered_at is not None


def _ticket(order: wire.Order) -> OrderTicket:
    """Return the ticket that would place `order` as it stands; a triggered one is a limit by now."""
    return OrderTicket(
        symbol=order.symbol,
        side=order.side,
        type="limit" if _rests_as_limit(order) else order.type,
        amount=order.amount,
        price=order.price,
        stop_price=order.stop_price,
        trailing_percent=order.trailing_percent,
        time_in_force=order.time_in_force,
        reduce_only=order.reduce_only,
    )


def _refuse_foreign_fields(order: wire.Order, command: wire.EditOrder) -> None:
    for field in ("price", "stop_price", "trailing_percent"):
        if getattr(command, field) is not None and getattr(order, field) is None:
            detail = f"A {order.type} order has no {field}."
            error = FieldError(field=field, code="not_editable", message=detail)
            raise Refused(detail, code="not_editable", errors=(error,))
