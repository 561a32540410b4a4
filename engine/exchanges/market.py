"""The market of a real exchange: polled, patient when the exchange is not, and honest about how old its prices are."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime

from msgspec.structs import replace

from engine.demo.source import Funding, Quote
from engine.exchanges import paper
from engine.exchanges.perpetuals import MOST_FUNDINGS
from engine.exchanges.source import ExchangeSource
from engine.futures.position import funding_moments
from engine.market import Market
from utils.errors import EngineUnavailable, ExchangeUnavailable
from utils.money import ZERO
from utils.wire import Candle, FeedStatus, GetCandles, Instrument, Ticker

_log = logging.getLogger(__name__)
LONGEST_WAIT_SECONDS = 60.0
MISSED_POLLS = 5
"""Prices that missed as many polls are stale, but not before `STALE_SECONDS`."""
STALE_SECONDS = 10.0
FUNDING_SHOWN_SECONDS = 60.0
"""How long after a funding was due the exchange may take to tell its rate."""


class ExchangeMarket(Market):
    """Poll a source; what it could not be asked for stays as it was, and is called stale after a while."""

    def __init__(self, source: ExchangeSource, poll_seconds: float, clock: Callable[[], float] = time.time) -> None:
        super().__init__(source, poll_seconds, clock)
        self.octobot_name = paper.register(source)
        self._polled = source
        self._failures = 0
        self._stale_after = max(MISSED_POLLS * poll_seconds, STALE_SECONDS)

    @property
    def is_stale(self) -> bool:
        """Tell whether the prices are too old to trade at."""
        return self._ticked_at is None or self._clock() - self._ticked_at > self._stale_after

    def instrument(self, symbol: str) -> Instrument:
        """Return a market's rules. :raises NotFound: unknown symbol. :raises EngineUnavailable: never connected."""
        self._check_known()
        return super().instrument(symbol)

    def listing(self) -> list[Instrument]:
        """Return all markets. :raises EngineUnavailable: never connected."""
        self._check_known()
        return super().listing()

    def fresh_quote(self, symbol: str) -> Quote:
        """Return the last quote. :raises EngineUnavailable: `no_market_price` or `stale_market_price`."""
        quote = self.quote(symbol)
        self._polled.ticker(symbol, self._clock())
        if self.is_stale:
            detail = f"The prices of {self.exchange} are too old to trade at; it cannot be reached."
            raise EngineUnavailable(detail, code="stale_market_price", retry_after=5)
        return quote

    def tickers(self, symbols: list[str] | None) -> list[Ticker]:
        """Return tickers of `symbols`, or of all markets that have prices. :raises EngineUnavailable: no price."""
        self._check_known()
        chosen = self.quotes if symbols is None else [self.instrument(symbol).symbol for symbol in symbols]
        known = set(self.quotes)
        tickers = [self._polled.ticker(symbol, 0) for symbol in chosen if symbols is not None or symbol in known]
        return [replace(ticker, stale=self.is_stale) for ticker in tickers]

    def candles(self, query: GetCandles) -> list[Candle]:
        """Return candles, which the exchange is asked for; blocks. :raises NotFound: unknown symbol."""
        self.instrument(query.symbol)
        return self._polled.candles(
            query.symbol,
            query.timeframe,
            limit=query.limit,
            since=query.since,
            until=query.until,
            at=self._clock(),
        )

    async def fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        """Return the fundings of a perpetual, as the exchange tells them; see `Market.fundings`.

        :raises ExchangeUnavailable: it does not answer.
        """
        due = funding_moments(self.instrument(symbol), after, until)
        if not due:
            return []
        told = await asyncio.to_thread(self._polled.fundings, symbol, after, until)
        if (told and told[-1].at >= due[-1]) or len(told) >= MOST_FUNDINGS:
            return told
        if (self._clock() - due[-1].timestamp()) < FUNDING_SHOWN_SECONDS:
            detail = f"{self.exchange} does not tell yet what funding of {symbol} comes to."
            raise EngineUnavailable(detail, code="funding_not_known", retry_after=2)
        # its intervals changed meanwhile: nothing was due then
        return [*told, Funding(at=due[-1], rate=ZERO, mark=self.quote(symbol).mark)]

    def status(self) -> FeedStatus:
        """Return how fresh the feed is; not connected while its prices are stale."""
        return replace(super().status(), connected=not self.is_stale)

    async def run(self) -> None:
        """Poll until cancelled; after failures wait longer each time, as long as the exchange asks at least."""
        while True:
            delay = self._tick_seconds
            started = time.monotonic()
            try:
                await self.tick()
            except ExchangeUnavailable as error:
                delay = self._after_failure(error)
            await asyncio.sleep(max(delay - (time.monotonic() - started), 0))

    async def tick(self) -> None:
        """Poll, and tell the listeners what changed. :raises ExchangeUnavailable: no answer."""
        now = await self._polled.poll()
        if self._failures:
            _log.info("%s answers again", self.exchange)
        self._failures = 0
        self.instruments = {each.symbol: each for each in self._polled.instruments()}
        await self._tell([self._polled.quote(symbol, now) for symbol in self._polled.priced], now)

    async def close(self) -> None:
        """Close the connections."""
        await self._polled.close()

    def _after_failure(self, error: ExchangeUnavailable) -> float:
        self._failures += 1
        if self._failures == 1:
            _log.warning("the prices of %s stand still: %s", self.exchange, error.detail)
        backoff = float(min(self._tick_seconds * 2 ** min(self._failures, 10), LONGEST_WAIT_SECONDS))
        # what the exchange asked for is no less, or it asks for more
        asked = float(error.retry_after or 0) if error.code == "exchange_rate_limited" else 0.0
        return asked + backoff * random.uniform(0.5, 1.0)  # noqa: S311 - to spread requests, not to hide them

    def _check_known(self) -> None:
        if not self.instruments:
            detail = f"{self.exchange} has not been reached yet."
            raise EngineUnavailable(detail, code="exchange_not_connected", retry_after=5)
