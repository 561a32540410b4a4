"""`Tape`: everything a market source tells, derived from one price line and the candles of one base length."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from math import ceil
from typing import Any

import msgspec
import numpy as np

from config import DEMO
from engine.demo import noise, perpetual
from engine.demo.columns import CLOSE, HIGH, LOW, OPEN, VOLUME, Columns, candles, merge, window
from engine.markets.folding import fold
from engine.markets.source import Quote
from utils import timeframes
from utils.errors import NotFound, Refused
from utils.money import HUNDRED
from utils.wire import TIMEFRAMES, Candle, Instrument, Level, MarketTrade, OptionChain, OrderBook, Ticker

DAY = 86_400
_CENT = Decimal("0.01")


class Listing(msgspec.Struct, frozen=True):
    """A market on the tape: `lot` is the unit its volumes are counted in, `usual` the lots of a usual second."""

    instrument: Instrument
    lot: Decimal
    usual: int
    chance: noise.Key


class Tape(ABC):
    """Markets as functions of time; see `MarketSource`, which every tape implements.

    Two clocks: `at` is the wall clock, `time` the market's own (`_market_time`). A tape's base candles last `frame`
    seconds, the first one opens at `first`; both are on the market's clock, `opened` is on the wall's.
    """

    exchange = DEMO

    def __init__(self, listings: Iterable[Listing], *, frame: int, first: int, opened: float) -> None:
        self._listings = {listing.instrument.symbol: listing for listing in listings}
        self._frame = frame
        self._first = first
        self._opened = opened
        self.symbols = tuple(self._listings)

    # ------------------------------------------------------------------------------- what each tape must know

    @abstractmethod
    def _market_time(self, at: float) -> float:
        """Return the market's time at the wall's."""

    @abstractmethod
    def made_at(self, at: float) -> float:
        """Return when the price known at `at` was made; earlier than `at` only when the tape has run out."""

    @abstractmethod
    def _level(self, symbol: str, time: float) -> int:
        """Return the price in ticks."""

    @abstractmethod
    def _live(self, symbol: str, time: float) -> Columns:
        """Return the base candle that is running at `time`, as one column, or none when the tape has run out."""

    @abstractmethod
    def _closed(self, symbol: str, seconds: int, first: int, stop: int) -> Columns:
        """Return the whole candles of `seconds` numbered `first` … `stop - 1` (number * seconds = opening)."""

    @abstractmethod
    def _turnover(self, symbol: str, second: int) -> int:
        """Return the lots traded at a whole second of the wall clock."""

    # --------------------------------------------------------------------------------------- what follows from it

    def instruments(self) -> list[Instrument]:
        """Return the listed markets and their rules."""
        return [listing.instrument for listing in self._listings.values()]

    def market_time(self, at: float) -> float:
        """Return the market's time at the wall's."""
        return self._market_time(at)

    def quote(self, symbol: str, at: float) -> Quote:
        """Return the price at `at`."""
        tick = self._listing(symbol).instrument.price_tick
        level = self._level(symbol, self._market_time(at))
        half = _half_spread(level)
        return Quote(symbol=symbol, price=level * tick, bid=(level - half) * tick, ask=(level + half) * tick, at=at)

    def ticker(self, symbol: str, at: float) -> Ticker:
        """Return the 24 hours up to `at`, from the base candles."""
        listing = self._listing(symbol)
        tick = listing.instrument.price_tick
        time = self._market_time(at)
        running = int(time // self._frame)
        live = self._live(symbol, time)
        first = max(running - DAY // self._frame + live.shape[1], self._first // self._frame)
        day = np.concatenate((self._closed(symbol, self._frame, first, running), live), axis=1)
        opening, last = int(day[OPEN, 0]), int(day[CLOSE, -1])
        half = _half_spread(last)
        as_of = self.made_at(at)
        return Ticker(
            symbol=symbol,
            exchange=self.exchange,
            last=last * tick,
            bid=(last - half) * tick,
            ask=(last + half) * tick,
            high=int(day[HIGH].max()) * tick,
            low=int(day[LOW].min()) * tick,
            volume=int(day[VOLUME].sum()) * listing.lot,
            change_percent=(HUNDRED * (last - opening) / opening).quantize(_CENT),
            as_of=datetime.fromtimestamp(as_of, UTC),
            stale=as_of < at,
            **self._perpetual(listing.instrument, last * tick, at),
        )

    def index_price(self, symbol: str, at: float) -> Decimal:
        """Return the price of what a perpetual follows. :raises NotFound: `not_a_perpetual`."""
        return perpetual.index_price(self, self._listing(symbol).instrument, at)

    def funding_rate(self, symbol: str, at: float) -> Decimal:
        """Return the funding rate of the interval that ends at `at`. :raises NotFound: `not_a_perpetual`."""
        return perpetual.funding_rate(self, self._listing(symbol).instrument, at)

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
        """Return candles known at `at`; see `MarketSource.candles`."""
        listing = self._listing(symbol)
        if timeframe in timeframes.CALENDAR:
            return self._folded(symbol, timeframe, limit=limit, since=since, until=until, at=at)
        seconds = self._seconds(timeframe)
        step = seconds * 1000
        time = self._market_time(at)
        running = int(time // seconds)
        live = self._running(symbol, seconds, time)
        asked = window(
            -(-self._first // seconds),
            running if live.shape[1] else running - 1,
            limit,
            None if since is None else -(-since // step),
            None if until is None else until // step,
        )
        if not asked:
            return []
        tick, lot = listing.instrument.price_tick, listing.lot
        whole = self._closed(symbol, seconds, asked.start, min(asked.stop, running))
        answer = candles(whole, asked.start, seconds, tick, lot, closed=True)
        if asked.stop > running:
            answer += candles(live, running, seconds, tick, lot, closed=False)
        return answer

    def order_book(self, symbol: str, depth: int, at: float) -> OrderBook:
        """Return `depth` offers on each side of the quote; the amounts change once a second."""
        listing = self._listing(symbol)
        tick = listing.instrument.price_tick
        level = self._level(symbol, self._market_time(at))
        as_of = self.made_at(at)
        half = _half_spread(level)
        words = noise.bits(listing.chance, noise.Purpose.BOOK, int(as_of), 2 * depth)
        lots = (1 + words % np.uint64(2 * listing.usual)).tolist()
        gap = max(1, level // 20_000)
        prices = range(level - half, 0, -gap), range(level + half, level + half + depth * gap, gap)
        bids, asks = (
            tuple(Level(price * tick, amount * listing.lot) for price, amount in zip(side, amounts, strict=False))
            for side, amounts in zip(prices, (lots[:depth], lots[depth:]), strict=True)
        )
        return OrderBook(
            symbol=symbol,
            exchange=self.exchange,
            bids=bids,
            asks=asks,
            as_of=datetime.fromtimestamp(as_of, UTC),
            stale=as_of < at,
        )

    def trades(self, symbol: str, limit: int, at: float) -> list[MarketTrade]:
        """Return the trades of the last `limit` seconds, oldest first."""
        listing = self._listing(symbol)
        last = int(self.made_at(at))
        answer: list[MarketTrade] = []
        first = max(last - limit + 1, ceil(self._opened))
        before = self._level(symbol, self._market_time(first - 1))
        for second in range(first, last + 1):
            level = self._level(symbol, self._market_time(second))
            lots = self._turnover(symbol, second)
            if lots:
                trade = MarketTrade(
                    id=str(second),
                    symbol=symbol,
                    exchange=self.exchange,
                    price=level * listing.instrument.price_tick,
                    amount=lots * listing.lot,
                    side="buy" if level >= before else "sell",
                    created_at=datetime.fromtimestamp(second, UTC),
                )
                answer.append(trade)
            before = level
        return answer

    def option_chain(self, symbol: str, at: float) -> OptionChain:  # noqa: ARG002
        """Refuse: a tape has no options of its own. :raises NotFound: `no_options`."""
        self._listing(symbol)
        raise NotFound(f"There are no options on {symbol}.", code="no_options")

    def _folded(
        self, symbol: str, timeframe: str, *, limit: int, since: int | None, until: int | None, at: float
    ) -> list[Candle]:
        """Return whole weeks or months, and the running one, made of days."""
        now = int(self._market_time(at) * 1000)
        begin = timeframes.first_from(timeframe, self._first * 1000)
        asked = timeframes.window(
            timeframe, limit=limit, since=None if since is None else max(since, begin), until=until, now=now
        )
        first, stop = max(asked.first, begin), timeframes.shifted(timeframe, asked.last, 1)
        days = max(stop - first, 0) // timeframes.DAY_MS
        found = self.candles(symbol, "1d", limit=days, since=first, until=stop - 1, at=at) if days else []
        folded = fold(found, timeframe, now)
        # a recording that has run out leaves its last candle unfinished for ever: told are those that are whole
        return folded if not found or not found[-1].closed else [candle for candle in folded if candle.closed]

    def _listing(self, symbol: str) -> Listing:
        listing = self._listings.get(symbol)
        if listing is None:
            raise NotFound(f"{symbol} is not traded on {self.exchange}", code="unknown_symbol")
        return listing

    def _perpetual(self, instrument: Instrument, mark: Decimal, at: float) -> dict[str, Any]:
        """Return what the ticker of a perpetual has in addition."""
        if instrument.funding_seconds is None:
            return {}
        next_at = (at // instrument.funding_seconds + 1) * instrument.funding_seconds
        return {
            "mark_price": mark,
            "index_price": self.index_price(instrument.symbol, at),
            "funding_rate": self.funding_rate(instrument.symbol, at),
            "next_funding_at": datetime.fromtimestamp(next_at, UTC),
        }

    def _seconds(self, timeframe: str) -> int:
        seconds = TIMEFRAMES.get(timeframe)
        if seconds is None:
            raise Refused(f"{timeframe!r} is not one of {', '.join(TIMEFRAMES)}", code="unknown_timeframe")
        if seconds % self._frame:
            raise Refused(f"the recording is too coarse for {timeframe} candles", code="timeframe_not_recorded")
        return seconds

    def _running(self, symbol: str, seconds: int, time: float) -> Columns:
        """Return the unfinished candle of `seconds`, as one column or none."""
        first = max(int(time // seconds) * seconds, self._first) // self._frame
        done = self._closed(symbol, self._frame, first, int(time // self._frame))
        parts = np.concatenate((done, self._live(symbol, time)), axis=1)
        return merge(parts, parts.shape[1]) if parts.shape[1] else parts


def _half_spread(level: int) -> int:
    """Return the distance of the best offers from the price, in ticks: 0.2 basis points, at least one tick."""
    return max(1, level // 50_000)
