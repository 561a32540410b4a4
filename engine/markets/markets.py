"""The markets of the exchanges that this installation follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from engine.markets.market import Market
from utils import wire
from utils.errors import EngineUnavailable, NotFound


class Markets:
    """Hand out markets by the name of their exchange, and answer what is asked of them.

    Everything that names an exchange raises `NotFound` (`unknown_exchange`) for one that is not connected.
    """

    def __init__(self, markets: list[Market]) -> None:
        self._by_name = {market.exchange: market for market in markets}

    def __iter__(self) -> Iterator[Market]:
        return iter(tuple(self._by_name.values()))

    def __contains__(self, exchange: object) -> bool:
        return exchange in self._by_name

    def add(self, market: Market) -> None:
        """Follow a market."""
        self._by_name[market.exchange] = market

    def remove(self, exchange: str) -> None:
        """Forget the market of an exchange."""
        del self._by_name[exchange]

    def get(self, exchange: str) -> Market:
        """Return the market of an exchange. :raises NotFound: `unknown_exchange`."""
        try:
            return self._by_name[exchange]
        except KeyError:
            raise NotFound(f"The exchange {exchange} is not connected.", code="unknown_exchange") from None

    async def instruments(self, query: wire.GetInstruments) -> wire.Listing:
        """Return the markets of an exchange, or of all that were ever reached; as old as the oldest part.

        :raises EngineUnavailable: the one exchange was never reached.
        """
        if query.exchange is not None:
            return self.get(query.exchange).listing()
        parts: list[wire.Listing] = []
        for market in self:
            with suppress(EngineUnavailable):
                parts.append(market.listing())
        return wire.Listing(
            instruments=[instrument for part in parts for instrument in part.instruments],
            as_of=min(part.as_of for part in parts),
            stale=any(part.stale for part in parts),
        )

    async def tickers(self, query: wire.GetTickers) -> list[wire.Ticker]:
        """Return tickers."""
        return self.get(query.exchange).tickers(query.symbols)

    async def candles(self, query: wire.GetCandles) -> wire.CandleSeries:
        """Return candles."""
        return await self.get(query.exchange).candles(query)

    async def order_book(self, query: wire.GetOrderBook) -> wire.OrderBook:
        """Return the best offers."""
        return await self.get(query.exchange).order_book(query)

    async def trades(self, query: wire.GetMarketTrades) -> wire.MarketTrades:
        """Return the latest trades."""
        return await self.get(query.exchange).trades(query)

    async def option_chain(self, query: wire.GetOptionChain) -> wire.OptionChain:
        """Return the options on a market."""
        return await self.get(query.exchange).option_chain(query)
