"""`ReplayMarket`: recorded candles played back at a settable speed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np

from config import DEMO
from engine.demo import noise
from engine.demo.catalogue import FEE, MARKETS
from engine.demo.columns import CLOSE, HIGH, LOW, OPEN, VOLUME, Columns, merge
from engine.demo.recording import Recording, read
from engine.demo.tape import Listing, Tape
from utils.wire import Instrument

HISTORY_CANDLES = 200
"""Candles that lie in the past at the start, or half of the file where that is more or all there is."""

_LEGS = 3
_REST = 0.1
"""Part of a leg the price stays at its start and again at its end, so that ticks see every extreme."""


class ReplayMarket(Tape):
    """One recorded market; see `MarketSource`.

    Of `n` candles of `T` seconds, the first `h` are history: half of them, or 200 where the file has more. At
    the wall clock's `started_at` the recording stands at the opening of candle `h`, and from there

        recorded time = first + h * T + (at - started_at) * speed

    bounded by that opening and by the end of the recording, `first + n * T`. Before `started_at` the market rests at
    the opening price; after the end it rests at the last close, all candles that are complete stay closed and the
    ticker is `stale`, its `as_of` the moment the recording ran out. Candles keep the recording's timestamps;
    quotes, tickers, order books and trades carry the wall clock's. Nothing else is remembered: the same file, speed and
    `started_at` continue where the clock says.

    Inside a candle the price runs open → low → high → close when it rises, open → high → low → close when it falls,
    a third of its length each; the volume grows evenly.
    """

    def __init__(
        self, recording: Path | str | Recording, speed: float, started_at: float, *, past: int | None = None
    ) -> None:
        """Play `recording`, of which `past` candles are history (see above for None).

        :raises RecordingError: when the file cannot be played.
        """
        recording = recording if isinstance(recording, Recording) else read(Path(recording))
        instrument = _instrument(recording)
        columns = recording.columns.copy()
        columns[:VOLUME] *= int(recording.tick / instrument.price_tick)
        count: int = columns.shape[1]
        if past is None:
            past = max(count // 2, HISTORY_CANDLES) if count > HISTORY_CANDLES else count // 2
        self._columns = columns
        self._totals: list[int] = [0, *np.cumsum(columns[VOLUME]).tolist()]
        self._paths = [_path(candle) for candle in columns.T.tolist()]
        self._speed = speed
        self._started_at = started_at
        self._start = recording.first + past * recording.seconds
        self._end = recording.first + count * recording.seconds
        self._merged: dict[int, Columns] = {}
        usual = max(1, int(columns[VOLUME].mean()) // recording.seconds)
        listing = Listing(instrument, recording.lot, usual, noise.key(recording.symbol))
        super().__init__([listing], frame=recording.seconds, first=recording.first, opened=started_at)

    def _market_time(self, at: float) -> float:
        return min(max(self._start + (at - self._started_at) * self._speed, self._start), self._end)

    def made_at(self, at: float) -> float:
        """Return when the price known at `at` was made."""
        return min(at, self._started_at + (self._end - self._start) / self._speed)

    def _level(self, symbol: str, time: float) -> int:  # noqa: ARG002
        if time >= self._end:
            return self._paths[-1][-1]
        number, offset = divmod(time - self._first, self._frame)
        path = self._paths[int(number)]
        leg = self._leg(offset)
        part = _LEGS * offset / self._frame - leg
        here, there = path[leg], path[leg + 1]
        if part <= _REST:
            return here
        if part >= 1 - _REST:
            return there
        return here + round((there - here) * (part - _REST) / (1 - 2 * _REST))

    def _leg(self, offset: float) -> int:
        return min(int(_LEGS * offset / self._frame), _LEGS - 1)

    def _live(self, symbol: str, time: float) -> Columns:
        if time >= self._end:
            return np.empty((5, 0), dtype=np.int64)
        number, offset = divmod(time - self._first, self._frame)
        path = self._paths[int(number)]
        level = self._level(symbol, time)
        seen = (*path[: self._leg(offset) + 1], level)
        lots = self._traded(time) - self._totals[int(number)]
        return np.array((path[0], max(seen), min(seen), level, lots), dtype=np.int64).reshape(5, 1)

    def _closed(self, symbol: str, seconds: int, first: int, stop: int) -> Columns:  # noqa: ARG002
        origin = -(-self._first // seconds)
        if seconds not in self._merged:
            factor = seconds // self._frame
            skipped = (origin * seconds - self._first) // self._frame
            whole = (self._columns.shape[1] - skipped) // factor * factor
            self._merged[seconds] = merge(self._columns[:, skipped : skipped + max(0, whole)], factor)
        return self._merged[seconds][:, first - origin : stop - origin]

    def _turnover(self, symbol: str, second: int) -> int:  # noqa: ARG002
        # The volume grows evenly, not in trades: a trade stands for the second before it.
        return self._traded(self._market_time(second)) - self._traded(self._market_time(second - 1))

    def _traded(self, time: float) -> int:
        """Return the lots traded from the beginning of the recording until `time`."""
        if time >= self._end:
            return self._totals[-1]
        number, offset = divmod(time - self._first, self._frame)
        lots = int(self._columns[VOLUME, int(number)])
        return self._totals[int(number)] + int(lots * (offset / self._frame))


def _path(candle: list[int]) -> tuple[int, int, int, int]:
    opening, high, low, close = (candle[row] for row in (OPEN, HIGH, LOW, CLOSE))
    return (opening, low, high, close) if close >= opening else (opening, high, low, close)


def _instrument(recording: Recording) -> Instrument:
    """Return the catalogue's instrument, with a tick as fine as the recording needs, or one made from the recording."""
    base, quote = recording.symbol.split("/")
    known = MARKETS.get(recording.symbol)
    if known is not None:
        tick = min(known.instrument.price_tick, recording.tick)
        return msgspec.structs.replace(known.instrument, price_tick=tick)
    return Instrument(
        symbol=recording.symbol,
        exchange=DEMO,
        type="spot",
        base=base,
        quote=quote,
        price_tick=recording.tick,
        amount_step=recording.lot,
        min_amount=recording.lot,
        max_amount=None,
        min_cost=recording.tick,
        maker_fee=FEE,
        taker_fee=FEE,
    )
