"""Batches: several orders in one request, each with an outcome of its own."""

from __future__ import annotations

import hashlib

from engine.desk.desk import Desk
from engine.journal.journal import Journal
from engine.journal.keys import Claim
from engine.journal.unit import Line, Unit
from utils import wire
from utils.errors import Fault, TradingError

SEPARATOR = "\x1f"
"""No key that a user can send holds it."""


class Batches:
    """Place orders one after the other.

    With a key, what identifies the batch is stored before its first order, and every order has a key of its own: a
    batch that was cut off is gone through again, and what was placed or refused then is answered, not repeated.
    """

    def __init__(self, desk: Desk, journal: Journal) -> None:
        self._desk = desk
        self._journal = journal

    async def place(self, command: wire.PlaceOrders) -> list[wire.Placement]:
        """Place a batch. :raises Refused: `idempotency_key_reused`."""

        async def first(claim: Claim | None) -> list[wire.Placement]:
            if claim is not None:
                unit = Unit(Line("", command.actor.user_id))
                unit.key(claim, answer=[])
                await self._journal.submit(unit)
            return await self._place_all(command)

        return await self._desk.keys.once(command, first, lambda: self._place_all(command))

    async def _place_all(self, command: wire.PlaceOrders) -> list[wire.Placement]:
        return [await self._place(command, number, item) for number, item in enumerate(command.orders)]

    async def _place(self, command: wire.PlaceOrders, number: int, item: wire.BatchItem) -> wire.Placement:
        if item.ticket is None:
            return wire.Placement(fault=item.fault)
        key = None if command.idempotency_key is None else _key(command.idempotency_key, number)
        single = wire.PlaceOrder(actor=command.actor, account=item.account, ticket=item.ticket, idempotency_key=key)
        try:
            return wire.Placement(order=await self._desk.place(single))
        except TradingError as error:
            return wire.Placement(fault=Fault.of(error))


def _key(key: str, number: int) -> str:
    """Return the key of one order of a batch; the batch's own may be as long as a key can be."""
    return f"{hashlib.sha256(key.encode()).hexdigest()}{SEPARATOR}{number}"
