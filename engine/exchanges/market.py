"""The market of a real exchange: polled, patient when the exchange is not, and honest about how old its prices are."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal

from msgspec.structs import replace

from engine.exchanges import paper
from engine.exchanges.past import Past
from engine.exchanges.perpetuals import MOST_FUNDINGS
from engine.exchanges.pulse import Pulse
from engine.exchanges.reads import is_settled
from engine.exchanges.source import ExchangeSource
from engine.markets.market import Market, chosen, moment
from engine.markets.source import Funding, Quote, funding_moments
from utils import timeframes
from utils.errors import EngineUnavailable, ExchangeUnavailable
from utils.money import ZERO
from utils.wire import (
    CandleSeries,
    FeedError,
    FeedState,
    FeedStatus,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    Instrument,
    Listing,
    MarketTrades,
    OptionChain,
    OrderBook,
    Ticker,
)

_log = logging.getLogger(__name__)
LONGEST_WAIT_SECONDS = 60.0
MISSED_POLLS = 5
"""Prices that missed as many polls are stale, but not before `STALE_SECONDS`."""
STALE_SECONDS = 10.0
FUNDING_SHOWN_SECONDS = 60.0
"""How long after a funding was due the exchange may take to tell its rate."""
MUTE_SECONDS = 60.0
FAILURES_BEFORE_RECONNECT = 3


class ExchangeMarket(Market):
    """Poll a source; what it could not be asked for stays as it was, and is called stale after a while.

    Prices are stale too while the exchange is mute: it answers, but shows no sign of life (see `Pulse`). A mute
    exchange and one that keeps failing are connected to anew, after waits that grow.
    """

    def __init__(
        self,
        source: ExchangeSource,
        poll_seconds: float,
        clock: Callable[[], float] = time.time,
        mute_seconds: float = MUTE_SECONDS,
    ) -> None:
        super().__init__(source, poll_seconds, clock)
        self.octobot_name = paper.register(source)
        self._polled = source
        self._failures = 0
        self._stale_after = max(MISSED_POLLS * poll_seconds, STALE_SECONDS)
        self._past = Past()
        self._pulse = Pulse(max(mute_seconds, self._stale_after))
        self._renewals = 0
        """How often in a row the connection was made anew without any good."""
        self._renew_at = 0.0
        self._reconnects = 0
        self._last_error: FeedError | None = None

    @property
    def is_stale(self) -> bool:
        """Tell whether the prices are too old to trade at: not read, or read without a sign of life."""
        return self._is_late or self._pulse.is_mute(self._clock())

    @property
    def _is_late(self) -> bool:
        return self._ticked_at is None or self._clock() - self._ticked_at > self._stale_after

    @property
    def state(self) -> FeedState:
        """Return how the feed is."""
        if self._is_late:
            return "connecting" if self._ticked_at is None and self._failures == 0 else "disconnected"
        return "mute" if self.is_stale else "connected"

    def instrument(self, symbol: str) -> Instrument:
        """Return a market's rules. :raises NotFound: unknown symbol. :raises EngineUnavailable: never connected."""
        self._check_known()
        return super().instrument(symbol)

    def listing(self) -> Listing:
        """Return all markets; stale while they cannot be read anew. :raises EngineUnavailable: never connected."""
        self._check_known()
        found = list(self.instruments.values())
        return Listing(instruments=found, as_of=moment(self._polled.listed_at), stale=self._is_late)

    def fresh_quote(self, symbol: str) -> Quote:
        """Return the last quote. :raises EngineUnavailable: `no_market_price` or `stale_market_price`."""
        quote = self.quote(symbol)
        self._polled.ticker(symbol, self._clock())
        if self._is_stale(symbol):
            why = "it cannot be reached" if self._is_late else "it answers, but they do not move"
            detail = f"The prices of {self.exchange} are too old to trade at; {why}."
            raise EngineUnavailable(detail, code="stale_market_price", retry_after=5)
        return quote

    def mark_at(self, symbol: str, at: datetime) -> Decimal:
        """Return what the last poll at or before a moment told. :raises EngineUnavailable: unknown, or stale then."""
        moment = at.timestamp()
        mark = self._past.mark(symbol, moment, self.quote(symbol).mark, self._stale_after)
        if mark is None or self._pulse.is_mute(moment) or self._pulse.is_dead(symbol, moment):
            detail = f"{self.exchange} had no price of {symbol} that was good to trade at."
            raise EngineUnavailable(detail, code="stale_market_price", retry_after=5)
        return mark

    def _is_stale(self, symbol: str) -> bool:
        return self.is_stale or self._pulse.is_dead(symbol, self._clock())

    def tickers(self, symbols: list[str] | None) -> list[Ticker]:
        """Return tickers of `symbols`, or of all markets that have prices. :raises EngineUnavailable: no price."""
        self._check_known()
        chosen = self.quotes if symbols is None else [self.instrument(symbol).symbol for symbol in symbols]
        known = set(self.quotes)
        tickers = [self._polled.ticker(symbol, 0) for symbol in chosen if symbols is not None or symbol in known]
        return [self._dated(ticker) for ticker in tickers]

    def _dated(self, ticker: Ticker) -> Ticker:
        """Return a ticker as it is told: one that is stale is as old as the market's last sign of life."""
        if not self._is_stale(ticker.symbol):
            return ticker
        alive_at = self._pulse.alive_at(ticker.symbol)
        as_of = ticker.as_of if alive_at is None else moment(alive_at)
        return replace(ticker, stale=True, as_of=min(as_of, ticker.as_of))

    async def candles(self, query: GetCandles) -> CandleSeries:
        """Return candles; `more` may be true once too often, when the exchange's first one was the last that came."""
        self.instrument(query.symbol)
        answer = await self._polled.ask(self._polled.reads.candles(query))
        found, now = answer.value, int(answer.at * 1000)
        older = len(found) == query.limit
        end = now if query.until is None else min(query.until, now)
        newer = bool(found) and timeframes.shifted(query.timeframe, found[-1].timestamp, 1) <= end
        settled = bool(found) and is_settled(query, answer.at)
        return CandleSeries(
            candles=found,
            more=older if query.since is None else newer,
            settled=settled,
            as_of=moment(answer.at),
            stale=answer.stale or (not settled and self._is_stale(query.symbol)),
        )

    async def order_book(self, query: GetOrderBook) -> OrderBook:
        """Return the best offers."""
        self.instrument(query.symbol)
        answer = await self._polled.ask(self._polled.reads.order_book(query.symbol))
        bids, asks = answer.value
        return OrderBook(
            symbol=query.symbol,
            exchange=self.exchange,
            bids=tuple(bids[: query.depth]),
            asks=tuple(asks[: query.depth]),
            as_of=moment(answer.at),
            stale=answer.stale or self._is_stale(query.symbol),
        )

    async def trades(self, query: GetMarketTrades) -> MarketTrades:
        """Return the latest trades."""
        self.instrument(query.symbol)
        answer = await self._polled.ask(self._polled.reads.trades(query.symbol))
        stale = answer.stale or self._is_stale(query.symbol)
        return MarketTrades(trades=answer.value[: query.limit], as_of=moment(answer.at), stale=stale)

    async def option_chain(self, query: GetOptionChain) -> OptionChain:
        """Return the options on the base currency of a market."""
        instrument = self.instrument(query.symbol)
        answer = await self._polled.ask(self._polled.reads.option_chain(instrument.base))
        chain = OptionChain(
            symbol=query.symbol,
            exchange=self.exchange,
            expiries=answer.value,
            as_of=moment(answer.at),
            stale=answer.stale or self.is_stale,
        )
        return chosen(chain, query)

    async def fundings(self, symbol: str, after: datetime, until: datetime) -> list[Funding]:
        """Return the fundings of a perpetual, as the exchange tells them; see `Market.fundings`.

        :raises ExchangeUnavailable: it does not answer.
        """
        due = funding_moments(self.instrument(symbol), after, until)
        if not due:
            return []
        told = await self._polled.fundings(symbol, after, until)
        if (told and told[-1].at >= due[-1]) or len(told) >= MOST_FUNDINGS:
            return told
        if (self._clock() - due[-1].timestamp()) < FUNDING_SHOWN_SECONDS:
            detail = f"{self.exchange} does not tell yet what funding of {symbol} comes to."
            raise EngineUnavailable(detail, code="funding_not_known", retry_after=2)
        # its intervals changed meanwhile: nothing was due then
        return [*told, Funding(at=due[-1], rate=ZERO, mark=self.quote(symbol).mark)]

    def status(self) -> FeedStatus:
        """Return how fresh the feed is; not connected while its prices are stale."""
        now = self._clock()
        return replace(
            super().status(),
            connected=not self.is_stale,
            state=self.state,
            price_age=self._pulse.price_age(now),
            symbol_ages=self._pulse.ages(now),
            mute_symbols=list(self.instruments) if self.state == "mute" else self._pulse.dead(self.instruments, now),
            latency=self._polled.latency,
            reconnects=self._reconnects,
            last_error=self._last_error,
            rate_budget=self._polled.rate_budget(),
        )

    async def run(self) -> None:
        """Poll until cancelled; after failures wait longer each time, as long as the exchange asks at least."""
        while True:
            delay = self._tick_seconds
            started = time.monotonic()
            try:
                await self.tick()
                self._listen_for_life()
            except ExchangeUnavailable as error:
                delay = self._after_failure(error)
            await asyncio.sleep(max(delay - (time.monotonic() - started), 0))

    async def tick(self) -> None:
        """Poll, and tell the listeners what changed. :raises ExchangeUnavailable: no answer."""
        now = await self._polled.poll()
        if self._failures:
            _log.info("%s answers again", self.exchange)
        self._failures = 0
        self._pulse.note(self._polled.signs, now)
        self.instruments = {each.symbol: each for each in self._polled.instruments()}
        quotes = [self._polled.quote(symbol, now) for symbol in self._polled.priced]
        self._past.note(quotes, self.quotes, now)
        await self._tell(quotes, now)

    async def close(self) -> None:
        """Close the connections."""
        await self._polled.close()

    def _after_failure(self, error: ExchangeUnavailable) -> float:
        self._failures += 1
        self._note(error.code, error.detail)
        if self._failures == 1:
            _log.warning("the prices of %s stand still: %s", self.exchange, error.detail)
        if self._failures % FAILURES_BEFORE_RECONNECT == 0:
            self._renew()
        # what the exchange asked for is no less, or it asks for more
        asked = float(error.retry_after or 0) if error.code == "exchange_rate_limited" else 0.0
        return asked + self._backoff(self._failures)

    def _listen_for_life(self) -> None:
        """Connect anew while the exchange is mute, after waits that grow."""
        if not self._pulse.is_mute(self._clock()):
            if self._renewals:
                _log.info("the prices of %s move again", self.exchange)
            self._renewals = 0
            return
        if self._renewals == 0:
            self._note("feed_mute", f"{self.exchange} answers, but its prices do not move.")
            _log.warning("%s is mute: it answers, but its prices do not move", self.exchange)
        if time.monotonic() >= self._renew_at:
            self._renewals += 1
            self._renew_at = time.monotonic() + self._backoff(self._renewals)
            self._renew()

    def _renew(self) -> None:
        self._reconnects += 1
        self._polled.renew()

    def _backoff(self, tries: int) -> float:
        wait = float(min(self._tick_seconds * 2 ** min(tries, 10), LONGEST_WAIT_SECONDS))
        return wait * random.uniform(0.5, 1.0)  # noqa: S311 - to spread requests, not to hide them

    def _note(self, code: str, detail: str) -> None:
        self._last_error = FeedError(code=code, detail=detail, at=moment(self._clock()))

    def _check_known(self) -> None:
        if not self.instruments:
            detail = f"{self.exchange} has not been reached yet."
            raise EngineUnavailable(detail, code="exchange_not_connected", retry_after=5)
