"""What a tick of a market sets off: trailing levels move, and accounts whose orders it touches act."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from decimal import Decimal
from typing import Any

from engine.accounts.accounts import Accounts
from engine.desk.desk import Desk
from engine.markets.market import Market
from engine.orders.triggers import Touch, Triggers
from utils import clock
from utils.errors import TradingError

_log = logging.getLogger(__name__)
LEVEL_SECONDS = 1.0
ACCOUNTS_AT_ONCE = 4
Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


class Ticks:
    """Visit the accounts that the ticks of one market touch; the others cost nothing."""

    def __init__(self, market: Market, triggers: Triggers, accounts: Accounts, desk: Desk, spawn: Spawn) -> None:
        self._market = market
        self._triggers = triggers
        self._accounts = accounts
        self._desk = desk
        self._spawn = spawn
        self._levels: dict[str, dict[str, Decimal]] = {}
        self._touches: dict[str, dict[str, Touch]] = {}
        self._acting: dict[str, asyncio.Task[None]] = {}

    async def settle(self) -> None:
        """Wait until the accounts that were touched have acted."""
        await asyncio.gather(*self._acting.values())

    async def touch(self, _quotes: object) -> None:
        """Find the orders that the market's present prices touch, and let their accounts act."""
        moment = clock.now()
        exchange = self._market.exchange
        for symbol, quote in self._market.quotes.items():
            price = quote.price
            for account_id, order_id, level in self._triggers.trail(exchange, symbol, price):
                self._levels.setdefault(account_id, {})[order_id] = level
                self._accounts.trail(account_id, order_id, level)
            # liquidations first: they cancel orders
            for found, at in (
                (self._triggers.lost(exchange, symbol, quote.mark), quote.mark),
                (self._triggers.touched(exchange, symbol, price), price),
            ):
                for account_id, names in found.items():
                    touches = self._touches.setdefault(account_id, {})
                    for name in names:
                        touches.setdefault(name, Touch(at, moment))
        for number, account_id in enumerate(self._touches.keys() - self._acting.keys()):
            self._acting[account_id] = self._spawn(self._act(account_id), f"act {account_id}")
            if number % ACCOUNTS_AT_ONCE == 0:
                await asyncio.sleep(0)  # a crash touches thousands; requests come in between

    async def store_levels(self) -> None:
        """Store the levels that trailing orders have reached, once a second until cancelled."""
        while True:
            await asyncio.sleep(LEVEL_SECONDS)
            await self.store_levels_once()

    async def store_levels_once(self) -> None:
        """Store the levels that trailing orders have reached since the last time."""
        levels, self._levels = self._levels, {}
        for account_id, by_order in levels.items():
            try:
                await self._desk.reactions.store_levels(account_id, by_order)
            except TradingError as error:
                _log.warning("trailing levels of account %s are not stored: %s", account_id, error.detail)
                self._levels[account_id] = {**by_order, **self._levels.get(account_id, {})}

    async def _act(self, account_id: str) -> None:
        """Act on what ticks touched, also while this was waiting for the account or the commit."""
        try:
            while touches := self._touches.pop(account_id, None):
                await self._desk.reactions.act(account_id, touches)
        except TradingError as error:
            # the orders stay in the index: the next tick finds those that it still touches
            self._touches.pop(account_id, None)
            _log.warning("orders of account %s could not fill yet: %s", account_id, error.detail)
        finally:
            del self._acting[account_id]
