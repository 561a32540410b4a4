"""What the API asks of the engine about markets."""

from __future__ import annotations

from typing import Any

from utils.wire.base import Request
from utils.wire.market import CandleSeries, Listing, MarketTrades, OptionChain, OptionType, OrderBook, Ticker


class GetInstruments(Request, frozen=True, kw_only=True):
    """List the markets of an exchange (None: of all)."""

    exchange: str | None = None


class GetTickers(Request, frozen=True, kw_only=True):
    """Read tickers, of `symbols` or of every market."""

    exchange: str
    symbols: list[str] | None = None


class GetCandles(Request, frozen=True, kw_only=True):
    """Read at most `limit` candles, ascending; the newest ones unless `since` (epoch ms, inclusive) is given."""

    exchange: str
    symbol: str
    timeframe: str
    limit: int
    since: int | None = None
    until: int | None = None


class GetOrderBook(Request, frozen=True, kw_only=True):
    """Read the best `depth` offers on each side."""

    exchange: str
    symbol: str
    depth: int


class GetMarketTrades(Request, frozen=True, kw_only=True):
    """Read at most `limit` of the latest trades of a market, newest first."""

    exchange: str
    symbol: str
    limit: int


class GetOptionChain(Request, frozen=True, kw_only=True):
    """Read the options on a market, of one `kind` or one `expiry` (`YYYY-MM-DD`) when given."""

    exchange: str
    symbol: str
    kind: OptionType | None = None
    expiry: str | None = None


MarketRequest = GetInstruments | GetTickers | GetCandles | GetOrderBook | GetMarketTrades | GetOptionChain

MARKET_ANSWERS: dict[type[Request], Any] = {
    GetInstruments: Listing,
    GetTickers: list[Ticker],
    GetCandles: CandleSeries,
    GetOrderBook: OrderBook,
    GetMarketTrades: MarketTrades,
    GetOptionChain: OptionChain,
}
