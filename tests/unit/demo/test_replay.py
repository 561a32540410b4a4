from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.demo.recording import RecordingError
from engine.demo.replay import ReplayMarket
from engine.markets.source import MarketSource
from tests.unit.demo.merging import Bar, bar, follows, merged, of_prices
from utils.errors import NotFound, Refused
from utils.money import is_multiple

HEADER = "timestamp,open,high,low,close,volume"
FOUR_HOURS = 14_400
FIRST = 1_703_923_200
STARTED = 1_763_600_000.25
BTC = "BTC/USDT"
cents = st.integers(100, 9_999_999)
rows_of_cents = st.lists(
    st.tuples(cents, cents, cents, cents, st.integers(0, 10**9)).map(
        lambda row: (row[0], max(row[:4]), min(row[:4]), row[3], row[4])
    ),
    min_size=2,
    max_size=30,
)


def written(folder: Path, bars: list[Bar], *, name: str = "BTC_USDT-4h.csv", seconds: int = FOUR_HOURS) -> Path:
    lines = [",".join([str(FIRST + i * seconds), *map(str, row)]) for i, row in enumerate(bars)]
    path = folder / name
    path.write_text("\n".join([HEADER, *lines]) + "\n", encoding="utf-8")
    return path


def wave(count: int) -> list[Bar]:
    """Return candles that rise and fall and do not always open where the last one closed."""
    bars = []
    for i in range(count):
        start, end = Decimal(40_000 + 300 * (i % 7)), Decimal(40_000 + 250 * (i % 11))
        bars.append(Bar(start, max(start, end) + 100, min(start, end) - Decimal("50.5"), end, Decimal(i % 5) + 1))
    return bars


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=rows_of_cents, speed=st.sampled_from([1.0, 60.0, 14_400.0]))
def test_playing_draws_every_recorded_candle(tmp_path: Path, rows: list[tuple[int, ...]], speed: float) -> None:
    bars = [Bar(*map(Decimal, row)) for row in rows]
    bars = [Bar(*(value / 100 for value in row)) for row in bars]
    source = ReplayMarket(written(tmp_path, bars), speed, STARTED)
    length = FOUR_HOURS / speed
    played = len(bars) - len(bars) // 2
    for number, row in enumerate(bars[-played:]):
        begin = STARTED + number * length
        moments = [begin + length * part / 60 for part in range(60)]
        assert of_prices([source.quote(BTC, at).price for at in moments], row.volume) == row
        running = [source.candles(BTC, "4h", limit=1, at=at)[0] for at in moments]
        for before, after in pairwise(running):
            assert before.timestamp == after.timestamp
            assert (before.high, -before.low, before.volume) <= (after.high, -after.low, after.volume)
            assert row.high >= after.high >= after.close >= after.low >= row.low
            assert not after.closed
        prices = [source.quote(BTC, at).price for at in moments]
        for i, candle in enumerate(running):
            assert of_prices(prices[: i + 1], candle.volume) == bar(candle)
    end = STARTED + played * length
    assert [bar(candle) for candle in source.candles(BTC, "4h", limit=100, at=end + 1)] == bars


def test_half_of_the_file_is_history(tmp_path: Path) -> None:
    bars = wave(500)
    source: MarketSource = ReplayMarket(written(tmp_path, bars), 1.0, STARTED)
    candles = source.candles(BTC, "4h", limit=500, at=STARTED)
    assert [bar(candle) for candle in candles[:-1]] == bars[:250]
    assert all(candle.closed for candle in candles[:-1])
    assert not candles[-1].closed
    assert candles[-1].open == candles[-1].close == bars[250].open == source.quote(BTC, STARTED).price
    assert candles[0].timestamp == FIRST * 1000
    assert follows(candles, FOUR_HOURS)


@pytest.mark.parametrize(("count", "history"), [(2, 1), (100, 50), (200, 100), (201, 200), (300, 200), (402, 201)])
def test_history_is_at_least_200_candles_where_there_are_more(tmp_path: Path, count: int, history: int) -> None:
    source = ReplayMarket(written(tmp_path, wave(count)), 1.0, STARTED)
    assert len(source.candles(BTC, "4h", limit=1000, at=STARTED)) == history + 1
    assert source.candles(BTC, "4h", limit=1000, at=STARTED - 1e6) == source.candles(BTC, "4h", limit=1000, at=STARTED)


def test_the_wall_clock_moves_the_recording_by_its_speed(tmp_path: Path) -> None:
    bars = wave(20)
    source = ReplayMarket(written(tmp_path, bars), FOUR_HOURS, STARTED)
    for passed in range(10):
        (running,) = source.candles(BTC, "4h", limit=1, at=STARTED + passed + 0.5)
        assert running.timestamp == (FIRST + (10 + passed) * FOUR_HOURS) * 1000
        assert running.open == bars[10 + passed].open
        assert source.quote(BTC, STARTED + passed + 0.99).price == bars[10 + passed].close
    restarted = ReplayMarket(tmp_path / "BTC_USDT-4h.csv", FOUR_HOURS, STARTED)
    at = STARTED + 3.21
    assert restarted.quote(BTC, at) == source.quote(BTC, at)
    assert restarted.candles(BTC, "4h", limit=5, at=at) == source.candles(BTC, "4h", limit=5, at=at)
    assert restarted.order_book(BTC, 5, at) == source.order_book(BTC, 5, at)


def test_a_falling_candle_rises_first(tmp_path: Path) -> None:
    bars = [Bar(*map(Decimal, row)) for row in ((10, 10, 10, 10, 1), (10, 13, 7, 9, 1), (9, 13, 7, 11, 1))]
    source = ReplayMarket(written(tmp_path, bars), FOUR_HOURS, STARTED)
    thirds = [source.quote(BTC, STARTED + third / 3).price for third in range(4)]
    assert thirds == [10, 13, 7, 9]
    assert [source.quote(BTC, STARTED + 1 + third / 3).price for third in range(4)] == [9, 7, 13, 11]


def test_at_the_end_the_price_stays_and_the_ticker_is_stale(tmp_path: Path) -> None:
    bars = wave(10)
    source = ReplayMarket(written(tmp_path, bars), FOUR_HOURS, STARTED)
    assert not source.ticker(BTC, STARTED + 4.9).stale
    ticker = source.ticker(BTC, STARTED + 1000)
    assert ticker.stale
    assert ticker.as_of == datetime.fromtimestamp(STARTED + 5, UTC)
    assert ticker.last == bars[-1].close == source.quote(BTC, STARTED + 1000).price
    day = merged(source.candles(BTC, "4h", limit=6, at=STARTED + 1000))
    assert (ticker.high, ticker.low, ticker.volume) == (day.high, day.low, day.volume)
    assert source.candles(BTC, "4h", limit=1, at=STARTED + 1000)[0].closed


@pytest.mark.parametrize("passed", [0.0, 3.5, 4.0, 1e6])
def test_longer_candles_are_merges(tmp_path: Path, passed: float) -> None:
    source = ReplayMarket(written(tmp_path, wave(40)), FOUR_HOURS, STARTED)
    at = STARTED + passed
    for timeframe, count in (("12h", 3), ("1d", 6)):
        candles = source.candles(BTC, timeframe, limit=100, at=at)
        assert len(candles) >= 3
        assert follows(candles, count * FOUR_HOURS)
        for candle in candles:
            stop = candle.timestamp + count * FOUR_HOURS * 1000 - 1
            parts = source.candles(BTC, "4h", limit=100, since=candle.timestamp, until=stop, at=at)
            assert merged(parts) == bar(candle)
            assert candle.closed == (len(parts) == count and parts[-1].closed)


def test_shorter_candles_are_refused(tmp_path: Path) -> None:
    source = ReplayMarket(written(tmp_path, wave(4)), 1.0, STARTED)
    for timeframe in ("1m", "1h", "6h"):
        with pytest.raises(Refused) as caught:
            source.candles(BTC, timeframe, limit=1, at=STARTED)
        assert caught.value.code == "timeframe_not_recorded"
    with pytest.raises(NotFound) as missing:
        source.quote("ETH/USDT", STARTED)
    assert missing.value.code == "unknown_symbol"


def test_trades_and_book_agree_with_the_playing_candle(tmp_path: Path) -> None:
    bars = wave(10)
    source = ReplayMarket(written(tmp_path, bars), 480.0, 1000.0)
    trades = source.trades(BTC, 1000, 1000.0 + 30)
    assert sum(trade.amount for trade in trades) == bars[5].volume
    assert all(bars[5].low <= trade.price <= bars[5].high for trade in trades[:-1])
    assert trades[-1].price == bars[6].open
    assert source.trades(BTC, 10, 1000.0) == []
    book = source.order_book(BTC, 3, 1010.0)
    assert book.bids[0].price < source.quote(BTC, 1010.0).price < book.asks[0].price


def test_the_instrument_keeps_the_rules_it_is_known_by(tmp_path: Path) -> None:
    (whole,) = ReplayMarket(written(tmp_path, wave(4)), 1.0, STARTED).instruments()
    assert (whole.symbol, whole.price_tick, whole.min_cost) == (BTC, Decimal("0.01"), Decimal(5))
    finer = [Bar(*(value + Decimal("0.0001") for value in row)) for row in wave(4)]
    source = ReplayMarket(written(tmp_path, finer), 1.0, STARTED)
    assert source.instruments()[0].price_tick == Decimal("0.0001")
    assert source.quote(BTC, STARTED).price == finer[2].open
    (other,) = ReplayMarket(written(tmp_path, finer, name="pepe_usdc.csv"), 1.0, STARTED).instruments()
    assert (other.symbol, other.base, other.quote) == ("PEPE/USDC", "PEPE", "USDC")
    assert is_multiple(finer[0].volume, other.amount_step)


def test_milliseconds_and_float_seconds_are_read(tmp_path: Path) -> None:
    path = tmp_path / "BTC_USDT-1m-2018.csv"
    for suffix in ("000", ".0"):
        rows = [f"{FIRST + 60 * i}{suffix},1,2,1,2,3" for i in range(3)]
        path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
        candles = ReplayMarket(path, 1.0, STARTED).candles(BTC, "1m", limit=9, at=STARTED + 1e9)
        assert [candle.timestamp for candle in candles] == [(FIRST + 60 * i) * 1000 for i in range(3)]


def with_gaps(folder: Path, bars: list[Bar], missing: set[int]) -> Path:
    """Write `bars` as one-minute candles without those numbered in `missing`."""
    path = written(folder, bars, seconds=60)
    lines = path.read_text(encoding="utf-8").splitlines()
    kept = [line for number, line in enumerate(lines[1:]) if number not in missing]
    path.write_text("\n".join([lines[0], *kept, ""]), encoding="utf-8")
    return path


def test_missing_candles_are_flat_ones_without_volume(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    bars, missing = wave(40), {7, 30, 31}
    source = ReplayMarket(with_gaps(tmp_path, bars, missing), 60.0, STARTED)
    expected = list(bars)
    for number in sorted(missing):
        close = expected[number - 1].close
        expected[number] = Bar(close, close, close, close, Decimal(0))
    candles = source.candles(BTC, "1m", limit=100, at=STARTED + 1000)
    assert [bar(candle) for candle in candles] == expected
    assert follows(candles, 60)
    # the playing market rests there: one price, no trade
    gap = STARTED + (30 - 20)
    assert {source.quote(BTC, gap + part / 10).price for part in range(20)} == {bars[29].close}
    assert source.candles(BTC, "1m", limit=1, at=gap + 0.5)[0].volume == 0
    assert bar(source.candles(BTC, "5m", limit=1, until=(FIRST + 30 * 60) * 1000, at=STARTED + 1000)[0]) == merged(
        candles[30:35]
    )
    assert "3 missing candles play as flat ones (before line 9, 31)" in caplog.text


@pytest.mark.parametrize(("missing", "plays"), [({5, 11}, True), ({5, 11, 12}, False)])
def test_at_most_a_tenth_may_be_missing(tmp_path: Path, missing: set[int], plays: bool) -> None:
    path = with_gaps(tmp_path, wave(22 + len(missing) - 2), missing)
    if plays:
        ReplayMarket(path, 1.0, STARTED)
    else:
        with pytest.raises(RecordingError, match=r"csv:12: a gap of 180 s .* with 3 missing beside 20 recorded"):
            ReplayMarket(path, 1.0, STARTED)


ROW = f"{FIRST},1,2,1,2,3"
NEXT = f"{FIRST + 60},1,2,1,2,3"


@pytest.mark.parametrize(
    ("rows", "place", "words"),
    [
        ([], "", "at least two candles"),
        ([ROW], "", "at least two candles"),
        ([ROW, NEXT, f"{FIRST + 180},1,2,1,2,3"], ":4", "gap of 120 s"),
        ([ROW, f"{FIRST + 120},1,2,1,2,3", f"{FIRST + 180},1,2,1,2,3"], ":3", "gap of 120 s"),
        ([ROW, NEXT, f"{FIRST + 150},1,2,1,2,3"], ":4", "90 s after the row before"),
        ([NEXT, ROW], ":3", "not later"),
        ([ROW, NEXT, NEXT], ":4", "not later"),
        ([ROW, f"{FIRST + 60},1,2,1,2"], ":3", "5 columns"),
        ([ROW, f"{FIRST + 60},1,two,1,2,3"], ":3", "not a number"),
        ([ROW, f"{FIRST + 60},1,NaN,1,2,3"], ":3", "not finite"),
        ([ROW, f"{FIRST + 60},1,1e999999,1,2,3"], ":3", "beyond"),
        ([ROW, f"{FIRST + 60},1,2,1,2.5,3"], ":3", "between low and high"),
        ([ROW, f"{FIRST + 60},0,2,0,2,3"], ":3", "above zero"),
        ([ROW, f"{FIRST + 60},1,2,1,2,-3"], ":3", "volume is negative"),
        ([ROW, f"{FIRST + 60}.5,1,2,1,2,3"], ":3", "whole second"),
        ([ROW, "-5,1,2,1,2,3"], ":3", "no timestamp"),
        ([ROW, "Infinity,1,2,1,2,3"], ":3", "no timestamp"),
        ([ROW, f"{FIRST + 61},1,2,1,2,3"], "", "candles of 61 s"),
        ([f"{FIRST + 7},1,2,1,2,3", f"{FIRST + 67},1,2,1,2,3"], ":2", "do not open"),
        ([ROW, f"{FIRST + 60},1,2,1,2,1e-18", f"{FIRST + 120},1,2,1,2,1"], ":2", "too many digits"),
    ],
)
def test_a_bad_file_is_refused_by_line(tmp_path: Path, rows: list[str], place: str, words: str) -> None:
    path = tmp_path / "BTC_USDT-1m.csv"
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    with pytest.raises(RecordingError) as caught:
        ReplayMarket(path, 1.0, STARTED)
    assert str(caught.value).startswith(f"{path}{place}: ")
    assert words in str(caught.value)


def test_a_file_that_is_no_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match="No such file"):
        ReplayMarket(tmp_path / "BTC_USDT-1m.csv", 1.0, STARTED)
    for name, content, words in (
        ("BTC_USDT.csv", b"time,o,h,l,c,v\n", ":1: the header"),
        ("BTC_USDT.csv", b"", ":1: the header"),
        ("BTC_USDT.csv", b"\xff\xfe\x00", "decode"),
        ("prices.csv", HEADER.encode(), "BASE_QUOTE"),
    ):
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(RecordingError, match=words):
            ReplayMarket(path, 1.0, STARTED)
