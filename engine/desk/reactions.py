"""What prices and time do to open orders: the changes go through accounts into the journal, as commands do."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime
from decimal import Decimal

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.journal.unit import Unit
from engine.live.desk import LiveDesk
from engine.live.follower import Change
from engine.orders.triggers import Touch
from utils import wire
from utils.errors import Conflict, EngineFault, NotFound, Refused

_log = logging.getLogger(__name__)
OWN_FAULTS = (EngineFault, Refused, Conflict, NotFound)
"""Failures that say nothing of other orders; storage or a market that is away would keep all of them."""


class Reactions:
    """Let accounts act on what was touched, what is over, and what has moved."""

    def __init__(self, accounts: Accounts, change: Change, live: LiveDesk) -> None:
        self._accounts = accounts
        self._change = change
        self._live = live

    async def act(self, account_id: str, touches: dict[str, Touch]) -> None:
        """Let the orders that ticks touched fill or trigger, in one unit; when one of them fails, each in its own.

        :raises TradingError: one failed. The others have acted, unless it was not its own fault.
        """
        try:
            await self._act(account_id, touches)
        except OWN_FAULTS:
            if len(touches) < 2:
                raise
            await self._act_apart(account_id, touches)

    async def _act_apart(self, account_id: str, touches: dict[str, Touch]) -> None:
        failed = None
        for order_id, touch in touches.items():
            try:
                await self._act(account_id, {order_id: touch})
            except OWN_FAULTS as error:
                _log.error("order %s failed: %s", order_id, error.detail)
                failed = error
        if failed is not None:
            raise failed

    async def _act(self, account_id: str, touches: dict[str, Touch]) -> None:
        async def change(account: Account, unit: Unit) -> None:
            for order_id, touch in touches.items():
                await account.act(order_id, touch, unit)
                await asyncio.sleep(0)

        account = await self._accounts.get(account_id)
        await self._live.identify(account)
        await self._change(account, change)

    async def expire(self, order: wire.Order, moment: datetime) -> None:
        """Expire a day order whose day is over."""

        async def change(account: Account, unit: Unit) -> None:
            await account.expire(order.id, moment, unit)

        await self._change(await self._accounts.get(order.account), change)

    async def store_levels(self, account_id: str, levels: dict[str, Decimal]) -> None:
        """Store the levels that trailing orders have reached."""

        async def change(account: Account, unit: Unit) -> None:
            for order_id, level in levels.items():
                order = account.trail(order_id, level)
                if order is not None:
                    unit.order(order, tell=False)

        await self._change(await self._accounts.get(account_id), change)
