"""`HistoryMarket`: several recordings side by side, on their own time."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import numpy as np
from msgspec.structs import replace

from engine.demo.columns import Columns
from engine.demo.recording import Recording, RecordingError, unit
from engine.demo.replay import ReplayMarket
from engine.demo.tape import Tape
from utils.wire import TIMEFRAMES, Candle, Instrument


class HistoryMarket(Tape):
    """Recordings of one time frame, cut to what all of them have; its wall clock is their time.

    Inside a candle each price goes the way that `ReplayMarket` says.
    """

    def __init__(
        self, recordings: Sequence[Recording], past: int, fee: Decimal | None, rules: Sequence[Instrument] = ()
    ) -> None:
        """:raises RecordingError: when there is nothing to play."""
        recordings = _cut(recordings)
        first, frame = recordings[0].first, recordings[0].seconds
        self.count: int = recordings[0].columns.shape[1]
        if not 0 <= past < self.count:
            raise RecordingError(f"there are {self.count} candles, {past} of which are to lie in the past")
        self.begins: int = first + past * frame
        self.ends: int = first + self.count * frame
        self._parts = {each.symbol: ReplayMarket(each, 1.0, self.begins, past=past) for each in recordings}
        listings = [listing for part in self._parts.values() for listing in part._listings.values()]
        known = {each.symbol: each for each in rules}
        listings = [
            replace(each, instrument=_ruled(each.instrument, known.get(each.instrument.symbol), fee))
            for each in listings
        ]
        super().__init__(listings, frame=frame, first=first, opened=self.begins)
        self.past, self.frame = past, frame

    def prices(self, at: float) -> dict[str, Decimal]:
        """Return the price of each symbol."""
        return {symbol: self.quote(symbol, at).price for symbol in self.symbols}

    def _market_time(self, at: float) -> float:
        return min(max(at, self.begins), self.ends)

    def made_at(self, at: float) -> float:
        """Return when the price known at `at` was made."""
        return min(at, self.ends)

    def _level(self, symbol: str, time: float) -> int:
        return self._parts[symbol]._level(symbol, time)

    def _live(self, symbol: str, time: float) -> Columns:
        return self._parts[symbol]._live(symbol, time)

    def _closed(self, symbol: str, seconds: int, first: int, stop: int) -> Columns:
        return self._parts[symbol]._closed(symbol, seconds, first, stop)

    def _turnover(self, symbol: str, second: int) -> int:
        return self._parts[symbol]._turnover(symbol, second)


def recording_of(symbol: str, timeframe: str, candles: Sequence[Candle]) -> Recording:
    """Return closed candles, ascending and without gaps, as a recording. :raises RecordingError: there are too few."""
    if len(candles) < 2:
        raise RecordingError(f"{symbol}: needs at least two candles, has {len(candles)}")
    prices = [price for each in candles for price in (each.open, each.high, each.low, each.close)]
    tick, lot = unit(prices), unit([each.volume for each in candles])
    rows = [
        [int(value / tick) for value in (each.open, each.high, each.low, each.close)] + [int(each.volume / lot)]
        for each in candles
    ]
    columns = np.array(rows, dtype=np.int64).T
    return Recording(symbol, candles[0].timestamp // 1000, TIMEFRAMES[timeframe], tick, lot, columns)


def _ruled(recorded: Instrument, rule: Instrument | None, fee: Decimal | None) -> Instrument:
    """Return a recording's instrument under the rules of where it is traded; its prices keep the recording's ticks."""
    rule = recorded if rule is None else rule
    return replace(
        recorded,
        amount_step=rule.amount_step,
        min_amount=rule.min_amount,
        max_amount=rule.max_amount,
        min_cost=rule.min_cost,
        maker_fee=rule.maker_fee if fee is None else fee,
        taker_fee=rule.taker_fee if fee is None else fee,
    )


def _cut(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the part of the recordings that all have. :raises RecordingError: there is none."""
    seconds = recordings[0].seconds
    first = max(each.first for each in recordings)
    stop = min(each.first + each.columns.shape[1] * seconds for each in recordings)
    if stop <= first or any(each.seconds != seconds for each in recordings):
        raise RecordingError("the recordings have no time in common")
    return [
        Recording(
            each.symbol,
            first,
            seconds,
            each.tick,
            each.lot,
            each.columns[:, (first - each.first) // seconds : (stop - each.first) // seconds],
        )
        for each in recordings
    ]
