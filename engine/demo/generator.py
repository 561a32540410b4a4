"""`DemoMarket`: made-up markets that always say the same of the same moment.

A price is known at *knots*, one every ten seconds, for ever: the knots of a day are a random walk pinned to that day's
first and last price, which follow a mean-reverting walk away from the epoch in both directions. Between two knots
the price runs straight, after resting on each for a moment. So whatever is asked follows from the knots alone: a
minute's extremes are those of its seven knots, longer candles are merges, and no state has to be kept over a restart.
"""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache

import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from engine.demo import noise, options
from engine.demo.catalogue import CROSS, FUNDING_SECONDS, MARKETS
from engine.demo.columns import VOLUME, Columns, merge
from engine.demo.noise import Purpose
from engine.demo.tape import DAY, Listing, Tape
from utils.wire import OptionChain

HISTORY_DAYS = 730
STEP = 10
"""Seconds between two knots; it divides a minute."""
REST = 1.5
"""Seconds the price stays at a knot, before and after it: ticks at most 2 * REST apart see every extreme."""

_MINUTE = 60
_HOUR = 3600
_KNOTS = DAY // STEP
_KNOTS_PER_MINUTE = _MINUTE // STEP
_REVERSION = 0.99
_CARRY = 0.0001
"""How far above its index a perpetual stands in the mean, as a fraction."""
_BASIS = 0.0002
"""The standard deviation of that distance, from hour to hour."""
_CYCLE = 4096
"""Days after which the shocks of the daily walk repeat, far beyond the life of an installation."""

Knots = NDArray[np.int64]


class DemoMarket(Tape):
    """Spot markets made up from a seed, and perpetuals that follow them; see `MarketSource`.

    At midnight (UTC) before `epoch` (Unix seconds) every market stands at its catalogue price; history reaches
    back `HISTORY_DAYS` before that, the future is open.
    """

    def __init__(self, seed: int, epoch: float, funding_seconds: int = FUNDING_SECONDS) -> None:
        self._epoch_day = int(epoch // DAY)
        first = (self._epoch_day - HISTORY_DAYS) * DAY
        listings = [
            Listing(
                market.instrument
                if market.instrument.funding_seconds is None
                else replace(market.instrument, funding_seconds=funding_seconds),
                market.instrument.amount_step,
                max(1, int(market.volume / float(market.instrument.amount_step) / DAY)),
                noise.key(seed, symbol),
            )
            for symbol, market in MARKETS.items()
        ]
        super().__init__(listings, frame=_MINUTE, first=first, opened=first)
        self._walks = {symbol: ([0.0], [0.0]) for symbol in self.symbols}
        # Sizes bound the memory: 69 KB, 58 KB, 1 KB and 2 KB each.
        self._knots = lru_cache(maxsize=64)(self._make_knots)
        self._minutes = lru_cache(maxsize=128)(self._make_minutes)
        self._hours = lru_cache(maxsize=len(self.symbols) * (HISTORY_DAYS + 500))(self._make_hours)
        self._pace = lru_cache(maxsize=512)(self._make_pace)
        self._terms = lru_cache(maxsize=64)(self._make_terms)
        self._shocks = lru_cache(maxsize=None)(self._make_shocks)

    def _market_time(self, at: float) -> float:
        return at

    def made_at(self, at: float) -> float:
        """Return when the price known at `at` was made."""
        return at

    def _level(self, symbol: str, time: float) -> int:
        day, second = divmod(time, DAY)
        slot, offset = divmod(second, STEP)
        knots, number = self._knots(symbol, int(day)), int(slot)
        if offset <= REST:
            return int(knots[number])
        if offset >= STEP - REST:
            return int(knots[number + 1])
        here, there = int(knots[number]), int(knots[number + 1])
        return here + round((there - here) * (offset - REST) / (STEP - 2 * REST))

    def _live(self, symbol: str, time: float) -> Columns:
        day, second = divmod(time, DAY)
        minute = int(second // _MINUTE)
        knots = self._knots(symbol, int(day))
        level = self._level(symbol, time)
        seen = knots[minute * _KNOTS_PER_MINUTE : int(second // STEP) + 1]
        lots = self._pace(symbol, int(time // _MINUTE))[int(second % _MINUTE)]
        candle = (seen[0], max(int(seen.max()), level), min(int(seen.min()), level), level, lots)
        return np.array(candle, dtype=np.int64).reshape(5, 1)

    def _closed(self, symbol: str, seconds: int, first: int, stop: int) -> Columns:
        unit, block = (_MINUTE, self._minutes) if seconds < _HOUR else (_HOUR, self._hours)
        start, end = first * seconds, stop * seconds
        origin = start // DAY
        days = [block(symbol, day) for day in range(origin, max(-(-end // DAY), origin + 1))]
        columns = np.concatenate(days, axis=1)
        return merge(columns[:, (start - origin * DAY) // unit : (end - origin * DAY) // unit], seconds // unit)

    def _turnover(self, symbol: str, second: int) -> int:
        minute, position = divmod(second, _MINUTE)
        pace = self._pace(symbol, minute)
        return pace[position] - (pace[position - 1] if position else 0)

    def option_chain(self, symbol: str, at: float) -> OptionChain:
        """Return the options on a spot market at `at`. :raises NotFound: `no_options` when there are none on it."""
        if symbol not in options.UNDERLYINGS:
            return super().option_chain(symbol, at)
        market, spot, chance = MARKETS[symbol], self.quote(symbol, at).price, self._listings[symbol].chance
        listed = [self._terms(symbol, *each) for each in options.expiries(at)]
        quoted = [options.quoted(market, each, chance, spot, at) for each in listed]
        return OptionChain(
            symbol=symbol, exchange=self.exchange, expiries=quoted, as_of=datetime.fromtimestamp(at, UTC)
        )

    # ------------------------------------------------------------------------------------------ the making of it

    def _make_terms(self, symbol: str, expiry: int, listed_at: int) -> options.Terms:
        return options.terms(MARKETS[symbol], expiry, listed_at, float(self.quote(symbol, listed_at).price))

    def _make_knots(self, symbol: str, day: int) -> Knots:
        """Return a day's prices in ticks at every knot, the next day's first one included."""
        if symbol == CROSS[0]:
            worth = [self._knots(leg, day) * self._tick(leg) for leg in CROSS[1:]]
            return _whole(worth[0] / worth[1] / self._tick(symbol))
        market = MARKETS[symbol]
        if (index := market.instrument.index) is not None:
            return _whole(
                self._knots(index, day) * self._tick(index) * (1 + self._basis(symbol, day)) / self._tick(symbol)
            )
        words = noise.bits(self._listings[symbol].chance, Purpose.PATH, day, _KNOTS + 24)
        temper = np.repeat(0.5 + noise.uniform(words[_KNOTS:]), _KNOTS // 24)
        walk = np.cumsum(noise.normal(words[:_KNOTS]) * temper) * (market.volatility / _KNOTS**0.5)
        start, end = self._anchor(symbol, day), self._anchor(symbol, day + 1)
        path = np.empty(_KNOTS + 1)
        path[0] = start
        path[1:] = start + walk + (end - start - walk[-1]) * (np.arange(1, _KNOTS + 1) / _KNOTS)
        path[-1] = end  # not only nearly: it is the next day's first
        return _whole(np.exp(path) * (market.price / self._tick(symbol)))

    def _basis(self, symbol: str, day: int) -> NDArray[np.float64]:
        """Return at every knot of a day how far a perpetual stands above its index: straight from hour to hour."""
        chance = self._listings[symbol].chance
        hours = [noise.normal(noise.bits(chance, Purpose.BASIS, each, 24)) for each in (day, day + 1)]
        anchors = _CARRY + _BASIS * np.append(hours[0], hours[1][0])
        return np.interp(np.arange(_KNOTS + 1), np.arange(25) * (_KNOTS // 24), anchors)

    def _make_minutes(self, symbol: str, day: int) -> Columns:
        knots = self._knots(symbol, day)
        steps = [knots[i : i + _KNOTS - _KNOTS_PER_MINUTE + 1 : _KNOTS_PER_MINUTE] for i in range(_KNOTS_PER_MINUTE)]
        steps.append(knots[_KNOTS_PER_MINUTE::_KNOTS_PER_MINUTE])
        high, low = np.maximum.reduce(steps), np.minimum.reduce(steps)
        span = (high - low).astype(np.float64)
        chance = noise.uniform(noise.bits(self._listings[symbol].chance, Purpose.LOTS, day, len(high)))
        lots = self._listings[symbol].usual * _MINUTE * (0.2 + 0.6 * chance) * (1 + span / (span.mean() + 1))
        return np.stack((steps[0], high, low, steps[-1], 1 + lots.astype(np.int64)))

    def _make_hours(self, symbol: str, day: int) -> Columns:
        return merge(self._minutes(symbol, day), _HOUR // _MINUTE)

    def _make_pace(self, symbol: str, minute: int) -> list[int]:
        """Return how many lots of a minute are traded up to and including each of its seconds."""
        day, position = divmod(minute, DAY // _MINUTE)
        total = int(self._minutes(symbol, day)[VOLUME, position])
        words = noise.bits(self._listings[symbol].chance, Purpose.PACE, minute, _MINUTE)
        share = np.cumsum(1 + (words >> np.uint64(48))).tolist()
        return [total * part // share[-1] for part in share]

    def _anchor(self, symbol: str, day: int) -> float:
        """Return the logarithm of a day's first price over the catalogue price."""
        away = day - self._epoch_day
        backward = away < 0
        walk = self._walks[symbol][backward]
        shocks = self._shocks(symbol, backward)
        while len(walk) <= abs(away):
            walk.append(walk[-1] * _REVERSION + MARKETS[symbol].volatility * shocks[(len(walk) - 1) % _CYCLE])
        return walk[abs(away)]

    def _make_shocks(self, symbol: str, backward: bool) -> list[float]:
        purpose = Purpose.BACKWARD if backward else Purpose.FORWARD
        shocks: list[float] = noise.normal(noise.bits(self._listings[symbol].chance, purpose, 0, _CYCLE)).tolist()
        return shocks

    def _tick(self, symbol: str) -> float:
        return float(self._listings[symbol].instrument.price_tick)


def _whole(levels: NDArray[np.float64]) -> Knots:
    return np.maximum(np.rint(levels), 2).astype(np.int64)
