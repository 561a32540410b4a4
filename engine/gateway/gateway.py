"""The connections to exchanges: those of the start, and those added and removed at run time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from config import DEMO
from engine.accounts.accounts import Accounts
from engine.exchanges.client import is_exchange
from engine.gateway.feeds import Feed
from engine.gateway.records import Connections
from engine.live.opening import LiveAccounts
from engine.markets.market import Market
from engine.markets.markets import Markets
from engine.markets.prices import PriceStream
from utils import wire
from utils.errors import Conflict, FieldError, Refused

_log = logging.getLogger(__name__)


class Gateway:
    """Follow exchanges, and begin and end to follow them when an admin says so."""

    def __init__(
        self,
        connections: Connections,
        markets: Markets,
        accounts: Accounts,
        live: LiveAccounts,
        feed: Callable[[Market, PriceStream], Feed],
        *,
        connected: Callable[[], Awaitable[None]],
    ) -> None:
        """Know what makes the feed of a market, and who is to hear that there is another one."""
        self._connections = connections
        self._markets = markets
        self._accounts = accounts
        self._live = live
        self._feed = feed
        self._connected = connected
        self._streams: dict[str, PriceStream] = {}
        """They outlive their feeds: who follows an exchange that comes back goes on following it."""
        self.feeds: dict[str, Feed] = {}
        self._is_ticking = True
        self._changing = asyncio.Lock()
        for market in markets:
            self._add(market)

    def start(self, *, ticking: bool) -> None:
        """Begin to follow; `ticking` False leaves the ticks to the caller."""
        self._is_ticking = ticking
        for feed in self.feeds.values():
            feed.start(ticking=ticking)

    async def settle(self) -> None:
        """Wait until those whom the last ticks touched have acted."""
        for feed in self.feeds.values():
            await feed.ticks.settle()

    async def stop(self) -> None:
        """Follow nothing any more."""
        for feed in self.feeds.values():
            await feed.stop()

    async def connect(self, command: wire.ConnectExchange) -> wire.FeedStatus:
        """Follow an exchange from now on, also after a restart; one that is followed already stays as it is.

        Its prices come when it answers: until then it is asked again and again, after waits that grow.

        :raises Refused: `unknown_exchange`. :raises StorageUnavailable: nothing was changed, or what runs there does
            not know of it; asked again, it will.
        """
        name = command.exchange
        async with self._changing:
            if name not in self._markets:
                if not is_exchange(name):
                    error = FieldError(field="exchange", code="unknown_exchange", message="There is no such exchange.")
                    raise Refused(f"There is no exchange {name}.", code="unknown_exchange", errors=(error,))
                await asyncio.to_thread(self._connections.remember, name, is_connected=True)
                market = self._connections.market(name)
                self._markets.add(market)
                self._add(market).start(ticking=self._is_ticking)
                _log.info("%s is connected", name)
            await self._connected()
            return self._markets.get(name).status()

    async def disconnect(self, command: wire.DisconnectExchange) -> wire.DisconnectedExchange:
        """Follow an exchange no more, nor after a restart; accounts there rest until it is connected again.

        :raises NotFound: `unknown_exchange`, it is not connected.
        :raises Conflict: `exchange_in_use` while orders or positions are open there or strategies run;
            `exchange_is_demo`, which always stays.
        :raises StorageUnavailable: nothing was changed.
        """
        name = command.exchange
        async with self._changing:
            market = self._markets.get(name)
            if name == DEMO:
                raise Conflict("New users trade on the demo exchange; it stays connected.", code="exchange_is_demo")
            await self._check_unused(name)
            self._markets.remove(name)  # from now on no account there is opened
            try:
                await self._close_accounts(name)
                await self._check_unused(name)  # what came while the accounts were being closed
                await asyncio.to_thread(self._connections.remember, name, is_connected=False)
            except BaseException:
                self._markets.add(market)
                raise
            await self.feeds.pop(name).stop()
            await self._live.leave(name)
            resting = await asyncio.to_thread(self._connections.count_accounts, name)
        _log.info("%s is disconnected; %d accounts rest", name, resting)
        return wire.DisconnectedExchange(exchange=name, resting_accounts=resting)

    async def prices(self, query: wire.Subscribe) -> AsyncGenerator[bytes | None]:
        """Yield prices as they come; an exchange that is not connected is quiet until it is.

        :raises NotFound: there is no such exchange, or it has no such market.
        """
        name = query.exchange
        if name in self._markets or not is_exchange(name):
            market = self._markets.get(name)
            for symbol in query.symbols or ():
                market.instrument(symbol)
        stream = self._streams.setdefault(name, PriceStream(name))
        subscription = stream.subscribe(query.symbols, query.since_id, query.heartbeat, history=query.history)
        async with aclosing(subscription) as events:
            async for event in events:
                yield None if event is None else wire.encode_event(event)

    def _add(self, market: Market) -> Feed:
        stream = self._streams.setdefault(market.exchange, PriceStream(market.exchange))
        feed = self.feeds[market.exchange] = self._feed(market, stream)
        return feed

    async def _close_accounts(self, name: str) -> None:
        if not await self._accounts.close_at(name):
            raise _in_use(name, "an account is trading there")

    async def _check_unused(self, name: str) -> None:
        uses = await asyncio.to_thread(self._connections.uses, name)
        if any(uses.values()):
            raise _in_use(name, ", ".join(f"{count} {what}" for what, count in uses.items() if count))


def _in_use(name: str, why: str) -> Conflict:
    return Conflict(f"{name} is in use: {why}. End that first.", code="exchange_in_use")
