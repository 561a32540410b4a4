from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.demo.generator import HISTORY_DAYS, DemoMarket
from engine.markets.source import MarketSource
from tests.unit.demo.merging import bar, follows, merged, of_prices
from utils.errors import NotFound, Refused
from utils.money import is_multiple
from utils.wire import TIMEFRAMES, Candle

SEED = 7
EPOCH = 1_763_600_000.0
MARKET = DemoMarket(SEED, EPOCH)
SYMBOLS = MARKET.symbols
FEE = Decimal("0.001")

symbols = st.sampled_from(SYMBOLS)
timeframes = st.sampled_from(sorted(TIMEFRAMES))
moments = st.floats(EPOCH - 100 * 86_400, EPOCH + 1000 * 86_400)
minutes = st.integers(int(EPOCH // 60) - 100_000, int(EPOCH // 60) + 1_000_000)
few = settings(max_examples=60, deadline=None)


def minute_candle(symbol: str, minute: int) -> Candle:
    stamp = minute * 60_000
    (candle,) = MARKET.candles(symbol, "1m", limit=1, since=stamp, until=stamp, at=minute * 60 + 60)
    assert candle.closed
    return candle


def test_lists_the_pairs() -> None:
    source: MarketSource = MARKET
    assert {"BTC/USDT", "ETH/USDT", "SOL/USDT", "BNB/USDT", "XRP/USDT", "ADA/USDT", "DOGE/USDT", "LTC/USDT"} < set(
        source.symbols
    )
    assert "ETH/BTC" in source.symbols
    for instrument in source.instruments():
        assert instrument.exchange == "demo"
        assert instrument.min_cost > 0
        assert instrument.max_amount is not None
        assert instrument.max_amount > instrument.min_amount >= instrument.amount_step


@few
@given(symbols, timeframes, moments, st.integers(1, 40))
def test_a_candle_is_the_merge_of_its_minutes(symbol: str, timeframe: str, at: float, limit: int) -> None:
    seconds = TIMEFRAMES[timeframe]
    candles = MARKET.candles(symbol, timeframe, limit=min(limit, 4 * 86_400 // seconds + 1), at=at)
    assert follows(candles, seconds)
    for candle in candles:
        end = candle.timestamp + seconds * 1000 - 1
        parts = MARKET.candles(symbol, "1m", limit=1440, since=candle.timestamp, until=end, at=at)
        assert merged(parts) == bar(candle)
    assert [candle.closed for candle in candles] == [True] * (len(candles) - 1) + [False]


@few
@given(symbols, moments)
def test_the_running_candle_closes_at_the_quote(symbol: str, at: float) -> None:
    price = MARKET.quote(symbol, at).price
    for timeframe in TIMEFRAMES:
        (candle,) = MARKET.candles(symbol, timeframe, limit=1, at=at)
        assert candle.timestamp == at // TIMEFRAMES[timeframe] * TIMEFRAMES[timeframe] * 1000
        assert candle.close == price
        assert candle.low <= price <= candle.high
        assert not candle.closed


@few
@given(symbols, minutes, st.lists(st.floats(0, 59.999), min_size=2, max_size=30))
def test_a_minute_only_widens_up_to_its_final_range(symbol: str, minute: int, offsets: list[float]) -> None:
    final = minute_candle(symbol, minute)
    seen = [MARKET.candles(symbol, "1m", limit=1, at=minute * 60 + offset)[0] for offset in sorted(offsets)]
    for before, after in pairwise(seen):
        assert before.high <= after.high <= final.high
        assert before.low >= after.low >= final.low
        assert before.volume <= after.volume <= final.volume
        assert before.open == after.open == final.open


@few
@given(symbols, minutes, st.floats(0, 0.999), st.sampled_from([0.05, 0.25, 1.0]))
def test_ticks_at_any_pace_draw_the_minute(symbol: str, minute: int, phase: float, interval: float) -> None:
    start = minute * 60
    offsets = [phase + i * interval for i in range(int(60 / interval)) if phase + i * interval < 60]
    ticks = [MARKET.quote(symbol, start + offset).price for offset in offsets]
    final = minute_candle(symbol, minute)
    assert of_prices(ticks, final.volume) == bar(final)


@few
@given(symbols, minutes, st.integers(0, 239))
def test_the_running_candle_is_what_ticks_have_shown(symbol: str, minute: int, last: int) -> None:
    ticks = [MARKET.quote(symbol, minute * 60 + i / 4).price for i in range(last + 1)]
    (running,) = MARKET.candles(symbol, "1m", limit=1, at=minute * 60 + last / 4)
    assert of_prices(ticks, running.volume) == bar(running)


@few
@given(symbols, minutes)
def test_the_trades_of_a_minute_make_its_candle(symbol: str, minute: int) -> None:
    trades = MARKET.trades(symbol, 60, minute * 60 + 59.5)
    assert [trade.created_at.timestamp() for trade in trades] == sorted(
        {trade.created_at.timestamp() for trade in trades}
    )
    volume = sum((trade.amount for trade in trades), Decimal(0))
    assert of_prices([trade.price for trade in trades], volume) == bar(minute_candle(symbol, minute))


@few
@given(symbols, minutes)
def test_a_minute_opens_where_the_last_one_closed(symbol: str, minute: int) -> None:
    assert minute_candle(symbol, minute).close == minute_candle(symbol, minute + 1).open
    last_of_day = minute // 1440 * 1440 + 1439
    assert minute_candle(symbol, last_of_day).close == minute_candle(symbol, last_of_day + 1).open


@few
@given(symbols, moments)
def test_every_price_is_a_multiple_of_the_tick(symbol: str, at: float) -> None:
    tick = next(i.price_tick for i in MARKET.instruments() if i.symbol == symbol)
    quote = MARKET.quote(symbol, at)
    book = MARKET.order_book(symbol, 20, at)
    assert all(is_multiple(price, tick) for price in (quote.price, quote.bid, quote.ask))
    assert quote.bid == book.bids[0].price < quote.price < book.asks[0].price == quote.ask
    assert len(book.bids) == len(book.asks) == 20
    assert all(a.price > b.price > 0 for a, b in pairwise(book.bids))
    assert all(a.price < b.price for a, b in pairwise(book.asks))
    assert all(level.amount > 0 and is_multiple(level.price, tick) for level in (*book.bids, *book.asks))


@few
@given(symbols, moments)
def test_the_ticker_is_the_last_1440_minutes(symbol: str, at: float) -> None:
    ticker = MARKET.ticker(symbol, at)
    day = merged(MARKET.candles(symbol, "1m", limit=1440, at=at))
    assert (ticker.high, ticker.low, ticker.last, ticker.volume) == (day.high, day.low, day.close, day.volume)
    assert ticker.change_percent == ((day.close / day.open - 1) * 100).quantize(Decimal("0.01"))
    quote = MARKET.quote(symbol, at)
    assert (ticker.bid, ticker.ask) == (quote.bid, quote.ask)
    assert not ticker.stale


@few
@given(st.lists(st.tuples(symbols, moments), min_size=1, max_size=8))
def test_a_restart_changes_nothing_in_whatever_order_one_asks(asked: list[tuple[str, float]]) -> None:
    restarted = DemoMarket(SEED, EPOCH)
    for symbol, at in reversed(asked):
        assert restarted.quote(symbol, at) == MARKET.quote(symbol, at)
        assert restarted.candles(symbol, "5m", limit=3, at=at) == MARKET.candles(symbol, "5m", limit=3, at=at)
        assert restarted.trades(symbol, 5, at) == MARKET.trades(symbol, 5, at)
        assert restarted.order_book(symbol, 5, at) == MARKET.order_book(symbol, 5, at)


def test_prices_stay_what_they_were_in_earlier_releases() -> None:
    at = EPOCH + 123_456.789
    prices = {symbol: str(MARKET.quote(symbol, at).price) for symbol in ("BTC/USDT", "DOGE/USDT", "ETH/BTC")}
    assert prices == {"BTC/USDT": "67066.91", "DOGE/USDT": "0.13934", "ETH/BTC": "0.04637"}


def test_another_seed_is_another_market() -> None:
    assert DemoMarket(SEED + 1, EPOCH).quote("BTC/USDT", EPOCH) != MARKET.quote("BTC/USDT", EPOCH)


@few
@given(moments)
def test_the_cross_rate_leaves_no_round_trip_that_pays(at: float) -> None:
    btc, eth, cross = (MARKET.quote(symbol, at) for symbol in ("BTC/USDT", "ETH/USDT", "ETH/BTC"))
    keep = (1 - FEE) ** 3
    assert keep * cross.bid * btc.bid / eth.ask < 1
    assert keep * eth.bid / btc.ask / cross.ask < 1
    assert abs(cross.price - eth.price / btc.price) <= Decimal("0.00001")


@pytest.mark.parametrize("timeframe", TIMEFRAMES)
@pytest.mark.parametrize("symbol", ["BTC/USDT", "ETH/BTC"])
def test_there_are_500_candles_from_the_first_moment(symbol: str, timeframe: str) -> None:
    candles = MARKET.candles(symbol, timeframe, limit=500, at=EPOCH)
    assert len(candles) == 500
    assert follows(candles, TIMEFRAMES[timeframe])


def test_history_ends_where_it_ends() -> None:
    candles = MARKET.candles("BTC/USDT", "1d", limit=5000, at=EPOCH)
    assert len(candles) == HISTORY_DAYS + 1
    assert MARKET.candles("BTC/USDT", "1d", limit=5, until=candles[0].timestamp - 1, at=EPOCH) == []


def test_since_and_until_are_inclusive() -> None:
    hour = 3_600_000
    now = int(EPOCH) * 1000 // hour * hour

    def stamps(**bounds: int) -> list[int]:
        candles = MARKET.candles("BTC/USDT", "1h", limit=3, at=EPOCH, **bounds)
        return [(candle.timestamp - now) // hour for candle in candles]

    assert stamps() == [-2, -1, 0]
    assert stamps(since=now - 9 * hour) == [-9, -8, -7]
    assert stamps(since=now - 9 * hour + 1) == [-8, -7, -6]
    assert stamps(until=now - 4 * hour) == [-6, -5, -4]
    assert stamps(until=now - 4 * hour - 1) == [-7, -6, -5]
    assert stamps(since=now - hour, until=now + 9 * hour) == [-1, 0]
    assert stamps(since=now + hour) == []
    assert stamps(since=now, until=now - hour) == []


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_prices_stay_sane_for_years(symbol: str) -> None:
    start = MARKET.quote(symbol, EPOCH // 86_400 * 86_400).price
    for week in range(0, 52 * 8):
        ratio = MARKET.quote(symbol, EPOCH + week * 7 * 86_400).price / start
        assert Decimal("0.1") < ratio < 10


@pytest.mark.parametrize(
    "ask",
    [
        lambda: MARKET.quote("XXX/USDT", EPOCH),
        lambda: MARKET.ticker("XXX/USDT", EPOCH),
        lambda: MARKET.candles("XXX/USDT", "1m", limit=1, at=EPOCH),
        lambda: MARKET.order_book("XXX/USDT", 1, EPOCH),
        lambda: MARKET.trades("XXX/USDT", 1, EPOCH),
    ],
)
def test_an_unknown_symbol_is_not_found(ask: Callable[[], object]) -> None:
    with pytest.raises(NotFound) as caught:
        ask()
    assert caught.value.code == "unknown_symbol"


def test_an_unknown_timeframe_is_refused() -> None:
    with pytest.raises(Refused) as caught:
        MARKET.candles("BTC/USDT", "7m", limit=1, at=EPOCH)
    assert caught.value.code == "unknown_timeframe"
