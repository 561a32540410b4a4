"""What a strategy's trading mode may do: its orders go to the desk, and what it says and remembers is stored."""

from __future__ import annotations

import asyncio
from typing import Any

from msgspec.structs import replace

from engine.desk.desk import Desk
from engine.strategies.book import OrderBook
from engine.strategies.looking import check_certain
from engine.strategies.mode import ticket_of
from engine.strategies.records import StrategyRecord
from engine.strategies.store import Store
from engine.strategies.thinking import StrategyFault
from engine.strategies.view import Cancel, Place, Remember, Say
from utils import wire
from utils.errors import Conflict, NotFound, Refused, TradingError
from utils.wire import Order

ENDING = frozenset({"kill_switch", "account_archived", "credential_other_account"})
"""Refusals of an order after which every other one would be refused, too."""


class DeskHand:
    """Be the gate and the hand of one strategy's trading mode."""

    def __init__(self, record: StrategyRecord, *, desk: Desk, store: Store) -> None:
        self.record = record
        self.book = OrderBook(())
        """The orders that the strategy knows of."""
        self.placed: list[Order] = []
        """Those that have come of the present alert."""
        self.is_alerted = False
        """Whether somebody waits to hear what comes of an alert."""
        self._desk = desk
        self._store = store
        self._actor = wire.Actor(user_id=record.user_id)
        self._said: str | None = None
        self._refusals: set[tuple[str, ...]] = set()
        """What was refused since an order was placed: told once, though the numbers in it change with each price."""

    # ------------------------------------------------------------------------------------------------ the gate

    async def create(self, order: Any) -> None:
        """Place an order that the trading mode has created.

        :raises EngineUnavailable: `order_pending`: what comes next is decided when its outcome is known.
        """
        command = wire.PlaceOrder(actor=self._actor, account=self.record.account_id, ticket=ticket_of(order))
        # OctoBot may cancel its consumers at any time; a change of an account must not be left half done
        placed = await asyncio.shield(asyncio.ensure_future(self._desk.place(command)))
        self.placed.append(placed)
        self._refusals.clear()
        if not self.is_alerted:
            check_certain([placed])

    async def cancel(self, order: Any) -> None:
        """Cancel an order of the account; one that has ended meanwhile is fine."""
        await self.withdraw(Cancel(order.order_id))

    # ------------------------------------------------------------------------------------------------ the hand

    def name(self, step: Place) -> str:
        """Return the client order id of a step: the one it has been placed under, or else its own in this life."""
        placed = self.book.find(step.level, step.generation)
        return placed.order.client_order_id if placed else self.record.order_name(step.level, step.generation)

    async def refused(self, step: Place, error: TradingError) -> None:
        """Take note that an order was refused. :raises TradingError: the strategy cannot go on so."""
        if error.code == "duplicate_client_order_id":
            return  # done before, perhaps in another life
        if not isinstance(error, Refused | Conflict | NotFound) or error.code in ENDING:
            raise error
        detail = f"{step.side} {step.symbol} ({step.level}) was refused: {error.detail}"
        if step.vital:
            raise StrategyFault(detail, code=error.code)
        if self.is_alerted:
            raise error  # whoever sent the alert hears it
        refusal = (step.level, step.side, step.symbol, error.code)
        if refusal not in self._refusals:
            self._refusals.add(refusal)
            await self.say(Say(detail, "warning"))

    async def withdraw(self, step: Cancel) -> None:
        """Cancel an open order; what comes next waits until it has ended: it needs what that one locks.

        :raises EngineUnavailable: `order_pending` when its exchange has not told yet; to be asked again.
        """
        command = wire.CancelOrder(actor=self._actor, account=self.record.account_id, order_id=step.order_id)
        try:
            order = await asyncio.shield(asyncio.ensure_future(self._desk.cancel(command)))
        except (Conflict, NotFound) as error:
            if error.code in ENDING:
                raise
        else:
            check_certain([order])

    async def remember(self, step: Remember) -> None:
        """Store what the strategy asks to be kept."""
        await self._store.remember(replace(self.record, memory=step.memory))
        # not earlier: it must ask again for what could not be stored
        self.record = replace(self.record, memory=step.memory)

    async def say(self, step: Say) -> None:
        """Add to the strategy's log, but for what it has just said."""
        if step.message != self._said:
            self._said = step.message
            await self._store.log(self.record, step.level, step.message)
