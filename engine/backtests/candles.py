"""Fetch the candles of a run from the engine that is running, those before its beginning included."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from msgspec.structs import replace

from engine.backtests.claim import DataFile, Wanted
from engine.backtests.history import recording_of
from engine.backtests.run import Backtest
from engine.demo.recording import Recording, RecordingError, load
from engine.strategies import registry
from engine.strategies.registry import MOST_SYMBOLS
from utils.errors import NotFound
from utils.octobot_bridge import OctoBotBridge
from utils.recorded_candles import path_of
from utils.wire import TIMEFRAMES, Candle, GetCandles

AT_ONCE = 1_000


def read(bridge: OctoBotBridge, wanted: Wanted, folder: Path) -> tuple[Backtest, list[Recording]]:
    """Return the backtest and its candles, with as many before as its class wants to see at the start.

    :param folder: where uploads are kept.
    :raises RecordingError: there are none. :raises TradingError: the engine does not answer, or refuses.
    """
    frame = TIMEFRAMES[wanted.timeframe]
    begin, end = int(wanted.begins_at.timestamp()), int(wanted.ends_at.timestamp())
    first = begin - _warm_up(wanted) * frame
    recordings = []
    for symbol in wanted.symbols:
        if wanted.data_file is not None:
            recordings.append(_between(_uploaded(wanted.data_file, symbol, wanted.timeframe, folder), first, end))
        else:
            candles = _candles(bridge, wanted, symbol, first * 1000, end * 1000)
            recordings.append(recording_of(symbol, wanted.timeframe, candles))
    start = max(recording.first for recording in recordings)
    rules = [each for each in bridge.instruments(wanted.exchange) if each.symbol in wanted.symbols]
    backtest = Backtest(
        strategy_class=wanted.strategy_class,
        settings=wanted.settings,
        symbols=wanted.symbols,
        portfolio=wanted.portfolio,
        fee=wanted.fee,
        past=max(begin - start, 0) // frame,
        rules=rules,
    )
    return backtest, recordings


def _uploaded(file: DataFile, symbol: str, timeframe: str, folder: Path) -> Recording:
    """Return the candles of an upload. :raises NotFound: it was deleted."""
    try:
        number = (file.series or []).index((symbol, timeframe))
        return _loaded(path_of(folder, file.id, number), symbol)
    except ValueError as error:  # a `RecordingError` is one, and tells of our folders
        raise NotFound("The uploaded candles are not there any more.", code="data_file_not_found") from error


@lru_cache(maxsize=MOST_SYMBOLS)
def _loaded(path: Path, symbol: str) -> Recording:
    """Return the candles of a file, which never changes: a sweep plays it again and again."""
    return load(path, symbol)


def _between(recording: Recording, first: int, end: int) -> Recording:
    """Return the candles that open from `first` on and before `end`, in Unix seconds."""
    skipped = max(first - recording.first, 0) // recording.seconds
    stop = max(end - recording.first, 0) // recording.seconds
    columns = recording.columns[:, skipped:stop]
    return replace(recording, first=recording.first + skipped * recording.seconds, columns=columns)


def _warm_up(wanted: Wanted) -> int:
    """Return how many candles of the run's time frame the class wants to have seen."""
    kind = registry.kind_of(wanted.strategy_class)
    window = kind.window(registry.read(kind, wanted.settings, wanted.symbols))
    if window is None:
        return 0
    return -(-(window.count + 1) * TIMEFRAMES[window.timeframe] // TIMEFRAMES[wanted.timeframe])


def _candles(bridge: OctoBotBridge, wanted: Wanted, symbol: str, since: int, until: int) -> list[Candle]:
    """Return the closed candles that open from `since` on and before `until`, in epoch milliseconds."""
    found: list[Candle] = []
    step = TIMEFRAMES[wanted.timeframe] * 1000
    while since < until:
        query = GetCandles(
            exchange=wanted.exchange,
            symbol=symbol,
            timeframe=wanted.timeframe,
            limit=AT_ONCE,
            since=since,
            until=until - 1,
        )
        answer = bridge.candles(query)
        closed = [each for each in answer.candles if each.closed]
        if any(each.timestamp != closed[0].timestamp + number * step for number, each in enumerate(closed)):
            raise RecordingError(f"{symbol}: candles are missing")
        found += closed
        if not closed or not answer.more:
            break
        since = closed[-1].timestamp + step
    return found
