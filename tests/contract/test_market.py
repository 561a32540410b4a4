"""Instruments, tickers, candles, the price stream and the engine's own state."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise

import pytest
from msgspec.structs import replace

from tests.contract.exchange import SYMBOL, Exchange, Trader, fails
from utils import timeframes
from utils.errors import NotFound, Refused
from utils.money import is_multiple
from utils.wire import (
    TIMEFRAMES,
    Candle,
    GetCandles,
    GetMarketTrades,
    GetOptionChain,
    GetOrderBook,
    StreamEvent,
    Subscribe,
)


def candles(
    trader: Trader, timeframe: str, limit: int, since: int | None = None, until: int | None = None
) -> list[Candle]:
    query = GetCandles(exchange="demo", symbol=SYMBOL, timeframe=timeframe, limit=limit, since=since, until=until)
    return trader.bridge.candles(query).candles


def test_instruments_tell_their_rules(trader: Trader) -> None:
    instruments = trader.bridge.instruments()
    assert instruments == trader.bridge.instruments("demo")
    assert {SYMBOL, "ETH/USDT"} <= {i.symbol for i in instruments}
    for instrument in instruments:
        settled = "" if instrument.settle is None else f":{instrument.settle}"
        assert instrument.symbol == f"{instrument.base}/{instrument.quote}{settled}"
        assert instrument.price_tick > 0
        assert instrument.amount_step > 0
        assert is_multiple(instrument.min_amount, instrument.amount_step)
        assert 0 <= instrument.maker_fee <= instrument.taker_fee < Decimal("0.01")


def test_a_ticker_follows_the_price(trader: Trader) -> None:
    trader.set_price("51234.5")
    ticker = trader.bridge.ticker("demo", SYMBOL)
    assert (ticker.symbol, ticker.exchange, ticker.last, ticker.stale) == (SYMBOL, "demo", Decimal("51234.5"), False)
    assert ticker.low <= ticker.last <= ticker.high
    assert ticker.bid <= ticker.last <= ticker.ask


def test_tickers_come_in_the_order_that_was_asked(trader: Trader) -> None:
    wanted = ["ETH/USDT", SYMBOL]
    assert [ticker.symbol for ticker in trader.bridge.tickers("demo", wanted)] == wanted
    assert len(trader.bridge.tickers("demo")) == len(trader.bridge.instruments("demo"))


def test_unknown_markets_are_not_found(trader: Trader) -> None:
    with fails(NotFound, "unknown_symbol"):
        trader.bridge.ticker("demo", "XXX/USDT")
    with fails(NotFound, "unknown_symbol"):
        trader.bridge.candles(GetCandles(exchange="demo", symbol="XXX/USDT", timeframe="1h", limit=5))
    for call in (lambda: trader.bridge.instruments("nowhere"), lambda: trader.bridge.tickers("nowhere")):
        with fails(NotFound, "unknown_exchange"):
            call()


def test_an_unknown_time_frame_is_refused(trader: Trader) -> None:
    with pytest.raises(Refused):
        candles(trader, "7m", 5)


@pytest.mark.parametrize("timeframe", list(TIMEFRAMES))
def test_candles_are_ascending_and_end_with_the_one_that_runs(trader: Trader, timeframe: str) -> None:
    rows = candles(trader, timeframe, 500)
    step = TIMEFRAMES[timeframe] * 1000
    assert len(rows) == 500
    assert all(later.timestamp - earlier.timestamp == step for earlier, later in pairwise(rows))
    assert [row.closed for row in rows] == [True] * 499 + [False]
    assert rows[-1].close == trader.bridge.ticker("demo", SYMBOL).last
    for row in rows:
        assert row.low <= min(row.open, row.close) <= max(row.open, row.close) <= row.high
        assert row.time.timestamp() * 1000 == row.timestamp
        assert row.timestamp % step == 0


@pytest.mark.parametrize("timeframe", timeframes.CALENDAR)
def test_weeks_and_months_follow_on_each_other(trader: Trader, timeframe: str) -> None:
    rows = candles(trader, timeframe, 20)
    assert len(rows) == 20
    assert all(timeframes.shifted(timeframe, a.timestamp, 1) == b.timestamp for a, b in pairwise(rows))
    assert [row.closed for row in rows] == [True] * 19 + [False]
    assert rows[-1].close == trader.bridge.ticker("demo", SYMBOL).last
    assert candles(trader, timeframe, 3, since=rows[5].timestamp - 1) == rows[5:8]


def test_what_a_series_says_of_itself(trader: Trader) -> None:
    query = GetCandles(exchange="demo", symbol=SYMBOL, timeframe="1m", limit=5)
    newest = trader.bridge.candles(query)
    assert (newest.more, newest.settled, newest.stale) == (True, False, False)
    first = newest.candles[0].timestamp
    past = trader.bridge.candles(replace(query, until=first))
    assert (past.more, past.settled, past.candles[-1].timestamp) == (True, True, first)
    ahead = trader.bridge.candles(replace(query, since=first))
    assert (len(ahead.candles), ahead.more) == (5, False)
    assert trader.bridge.candles(replace(query, since=first, limit=4)).more


def test_books_and_trades_are_those_of_the_market(trader: Trader) -> None:
    trader.set_price("51234.5")
    book = trader.bridge.order_book(GetOrderBook(exchange="demo", symbol=SYMBOL, depth=7))
    assert (len(book.bids), len(book.asks), book.exchange, book.stale) == (7, 7, "demo", False)
    assert book.bids[0].price < Decimal("51234.5") < book.asks[0].price
    assert all(better.price > worse.price for better, worse in pairwise(book.bids))
    assert all(better.price < worse.price for better, worse in pairwise(book.asks))
    trades = trader.bridge.market_trades(GetMarketTrades(exchange="demo", symbol=SYMBOL, limit=9)).trades
    assert 0 < len(trades) <= 9
    assert [trade.created_at for trade in trades] == sorted((t.created_at for t in trades), reverse=True)
    for call in (
        lambda: trader.bridge.order_book(GetOrderBook(exchange="demo", symbol="XXX/USDT", depth=1)),
        lambda: trader.bridge.market_trades(GetMarketTrades(exchange="demo", symbol="XXX/USDT", limit=1)),
        lambda: trader.bridge.option_chain(GetOptionChain(exchange="demo", symbol="XXX/USDT")),
    ):
        with fails(NotFound, "unknown_symbol"):
            call()
    with fails(NotFound, "no_options"):
        trader.bridge.option_chain(GetOptionChain(exchange="demo", symbol="ETH/BTC"))


def test_the_running_candle_sees_the_extremes(trader: Trader) -> None:
    for price in ("58000", "42000", "50000"):
        trader.set_price(price)
    day = candles(trader, "1d", 1)[0]
    assert day.high >= 58_000
    assert day.low <= 42_000
    assert day.close == 50_000


def test_candles_since_and_until(trader: Trader) -> None:
    rows = candles(trader, "1h", 10)
    assert candles(trader, "1h", 3, since=rows[2].timestamp) == rows[2:5]
    assert [r.timestamp for r in candles(trader, "1h", 3, until=rows[6].timestamp + 1)] == [
        r.timestamp for r in rows[4:7]
    ]
    between = candles(trader, "1h", 500, since=rows[2].timestamp, until=rows[4].timestamp + 1)
    assert [r.timestamp for r in between] == [r.timestamp for r in rows[2:5]]


def test_the_engine_says_how_it_is(trader: Trader) -> None:
    trader.place("buy", "limit", price="40000", amount="0.01")
    status = trader.bridge.status()
    assert status.pid > 0
    assert status.octobot_version
    assert status.accounts_in_memory >= 1
    assert status.open_orders >= 1
    assert [(feed.exchange, feed.connected) for feed in status.feeds] == [("demo", True)]
    assert trader.bridge.bot_config().config


# ------------------------------------------------------------------------------------------------ the stream


def prices(stream: Iterator[StreamEvent | None], count: int) -> list[StreamEvent]:
    """Return the next `count` price events."""
    found: list[StreamEvent] = []
    while len(found) < count:
        event = next(stream)
        if event is not None and event.event == "price":
            found.append(event)
    return found


def until_price(stream: Iterator[StreamEvent | None], price: int) -> StreamEvent:
    for event in stream:
        if event is not None and event.payload is not None and event.payload.price == price:
            return event
    raise AssertionError("the stream ended")


def test_a_subscription_begins_with_a_snapshot_and_goes_on(trader: Trader) -> None:
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL, "ETH/USDT"], heartbeat=1))
    first = prices(stream, 2)
    assert {event.payload.symbol for event in first if event.payload} == {SYMBOL, "ETH/USDT"}
    trader.set_price(51_000)
    event = until_price(stream, 51_000)
    assert event.id > max(e.id for e in first)
    assert event.payload is not None
    assert (event.payload.symbol, event.payload.exchange) == (SYMBOL, "demo")
    assert event.payload.bid <= event.payload.price <= event.payload.ask
    stream.close()  # type: ignore[attr-defined]


def test_only_what_was_asked_for_comes(trader: Trader) -> None:
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=["ETH/USDT"], heartbeat=1))
    prices(stream, 1)
    trader.set_price(51_000)
    trader.exchange.set_price("ETH/USDT", Decimal(2_500))
    for event in prices(stream, 1):
        assert event.payload is not None
        assert event.payload.symbol == "ETH/USDT"
    stream.close()  # type: ignore[attr-defined]


def test_a_subscription_resumes_without_a_gap(trader: Trader) -> None:
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], heartbeat=1))
    last = prices(stream, 1)[-1].id
    stream.close()  # type: ignore[attr-defined]
    for price in (51_000, 52_000, 53_000):
        trader.set_price(price)
    resumed = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], since_id=last, heartbeat=1))
    events = [until_price(resumed, price) for price in (51_000, 52_000, 53_000)]
    assert last < events[0].id < events[1].id < events[2].id
    resumed.close()  # type: ignore[attr-defined]


def test_what_is_no_longer_kept_is_told_as_a_reset(trader: Trader) -> None:
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], since_id=10**15 * 9, heartbeat=1))
    first = next(stream)
    assert first is not None
    assert (first.event, first.payload) == ("reset", None)
    [snapshot] = prices(stream, 1)
    assert snapshot.payload is not None
    assert snapshot.payload.symbol == SYMBOL
    stream.close()  # type: ignore[attr-defined]


def test_silence_is_filled_with_heartbeats(exchange: Exchange) -> None:
    stream = exchange.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], heartbeat=0.05))
    assert None in [next(stream) for _ in range(5)]
    stream.close()  # type: ignore[attr-defined]


def test_the_first_frame_comes_at_once(trader: Trader) -> None:
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], heartbeat=1))
    last = prices(stream, 1)[-1].id
    stream.close()  # type: ignore[attr-defined]
    quiet = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], since_id=last, heartbeat=60))
    assert next(quiet) is None
    quiet.close()  # type: ignore[attr-defined]


def test_history_is_all_that_is_kept(trader: Trader) -> None:
    for price in (51_000, 52_000):
        trader.set_price(price)
    stream = trader.bridge.subscribe(Subscribe(exchange="demo", symbols=[SYMBOL], history=True, heartbeat=1))
    first, second = until_price(stream, 51_000), until_price(stream, 52_000)
    assert first.id < second.id
    stream.close()  # type: ignore[attr-defined]
