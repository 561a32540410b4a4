"""What markets are made from: `PriceSource`, with candles and books `MarketSource`, and the nouns they speak of."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Protocol

import msgspec

from utils.wire import Candle, Instrument, MarketTrade, OptionChain, OrderBook, Ticker


class Quote(msgspec.Struct, frozen=True, kw_only=True):
    """The last price of a market and the best offers around it: `bid < price < ask`; `at` in Unix seconds.

    `mark_price` is what positions in a perpetual are valued and liquidated at, where that is not the last price.
    """

    symbol: str
    price: Decimal
    bid: Decimal
    ask: Decimal
    at: float
    mark_price: Decimal | None = None

    @property
    def mark(self) -> Decimal:
        """Return what positions are valued at."""
        return self.price if self.mark_price is None else self.mark_price


class Funding(msgspec.Struct, frozen=True, kw_only=True):
    """One funding of a perpetual: when it was due, the share of the value that longs paid, and the mark price then."""

    at: datetime
    rate: Decimal
    mark: Decimal


def funding_moments(instrument: Instrument, after: datetime, until: datetime) -> list[datetime]:
    """Return the funding times later than `after`, up to and including `until`: whole intervals since 1970."""
    seconds = instrument.funding_seconds
    if seconds is None:
        return []
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    step = timedelta(seconds=seconds)
    return [epoch + step * number for number in range((after - epoch) // step + 1, (until - epoch) // step + 1)]


class PriceSource(Protocol):
    """What a `Market` ticks with. Every price is a multiple of its instrument's `price_tick`.

    All methods that take a symbol raise `NotFound` (`unknown_symbol`) for one that is not listed.
    """

    @property
    def exchange(self) -> str:
        """Return the name of the exchange."""

    @property
    def symbols(self) -> tuple[str, ...]:
        """Return the listed symbols."""

    def instruments(self) -> list[Instrument]:
        """Return the listed markets and their rules."""

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price at `at`."""

    def market_time(self, at: float) -> float:
        """Return what the market's own clock, that of its candles, shows at `at`; a recording has one of its own."""

    def ticker(self, symbol: str, at: float) -> Ticker:
        """Return the 24 hours up to `at`: what the base candles of that time, the running one included, add up to."""

    def made_at(self, at: float) -> float:
        """Return when the price known at `at` was made: then, or earlier when a recording has run out."""

    def index_price(self, symbol: str, at: float) -> Decimal:
        """Return the price of what a perpetual follows. :raises NotFound: `not_a_perpetual`."""

    def funding_rate(self, symbol: str, at: float) -> Decimal:
        """Return what longs pay to shorts for the interval that ends at `at`, as a share of the position's value.

        :raises NotFound: `not_a_perpetual`.
        """


class MarketSource(PriceSource, Protocol):
    """Markets as a pure function of time: asking twice for the same `at` (Unix seconds) gives the same answer."""

    def candles(
        self,
        symbol: str,
        timeframe: str,
        *,
        limit: int,
        since: int | None = None,
        until: int | None = None,
        at: float,
    ) -> list[Candle]:
        """Return at most `limit` candles known at `at`, ascending and without gaps.

        The newest ones unless `since` is given, then the first ones from there; `since` and `until` are epoch
        milliseconds and both inclusive, compared with the opening time. The running candle is the last:
        `closed` is false and its close is the quote.

        Weeks begin on Monday and months on their first day, UTC (see `utils.timeframes`).

        :raises Refused: `unknown_timeframe`, or `timeframe_not_recorded` when a recording is too coarse for it.
        """

    def order_book(self, symbol: str, depth: int, at: float) -> OrderBook:
        """Return `depth` offers on each side of the quote."""

    def trades(self, symbol: str, limit: int, at: float) -> list[MarketTrade]:
        """Return the trades of the last `limit` seconds, oldest first: at most one a second, inside its candle."""

    def option_chain(self, symbol: str, at: float) -> OptionChain:
        """Return the options on a market. :raises NotFound: `no_options` when there are none."""
