"""What exchanges are asked for beyond prices: shared, bounded, without gaps, and told as stale when they fail."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from config import Settings
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.reads import BOOK
from engine.exchanges.source import ExchangeSource
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.server import Loopback
from utils import timeframes
from utils.errors import EngineUnavailable, ExchangeUnavailable
from utils.wire import Candle, CandleSeries, GetCandles, GetMarketTrades, GetOrderBook

BTC = "BTC/USDT"
MINUTE = 60_000


class Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture(params=[LoopbackBinance, LoopbackKucoin])
def exchange(request: pytest.FixtureRequest) -> Iterator[Loopback]:
    with request.param() as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings, exchange: Loopback) -> Settings:
    return replace(settings, exchanges=("demo", exchange.name), exchange_urls={exchange.name: exchange.url})


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def market(settings: Settings, exchange: Loopback, clock: Clock) -> Iterator[ExchangeMarket]:
    market = ExchangeMarket(ExchangeSource(exchange.name, settings, clock), 3.0, clock)
    asyncio.run(market.tick())
    yield market
    asyncio.run(market.close())


def run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def book_of(market: ExchangeMarket, depth: int = 20) -> GetOrderBook:
    return GetOrderBook(exchange=market.exchange, symbol=BTC, depth=depth)


def calls(exchange: Loopback, part: str, since: int = 0) -> list[str]:
    return [seen.path for seen in list(exchange.seen)[since:] if part in seen.path]


def books(exchange: Loopback) -> int:
    return len(calls(exchange, "depth")) + len(calls(exchange, "orderbook/level2"))


def ask(market: ExchangeMarket, **query: Any) -> CandleSeries:
    question = {"exchange": market.exchange, "symbol": BTC, "timeframe": "1m", "limit": 100, **query}
    return run(market.candles(GetCandles(**question)))


def drop(market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch, *openings: int, before: int = 0) -> None:
    """Take candles out of what the exchange answers: those that open then, and all that are over before a moment."""
    client = market._polled._client
    fetch = client.fetch_ohlcv

    async def with_gaps(symbol: str, timeframe: str, since: int, limit: int) -> Any:
        if timeframe == "1m" or since >= before - 10 * timeframes.DAY_MS:
            rows = await fetch(symbol, timeframe, since, limit)
        else:
            # a page reaches to the beginning from wherever it starts
            rows = await fetch(symbol, timeframe, before - 10 * timeframes.DAY_MS, limit)
        return [
            row
            for row in rows
            if row[0] not in openings and timeframes.shifted(timeframe, row[0], 1) > before and row[0] >= since
        ]

    monkeypatch.setattr(client, "fetch_ohlcv", with_gaps)


# -------------------------------------------------------------------------------------------------- sharing


def test_a_hundred_who_ask_at_once_cost_one_request(
    exchange: Loopback, market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.exchanges.reads.BOOK", replace(BOOK, fresh=60.0))
    exchange.faults.add(Fault("stall", on="market", seconds=0.2, count=1))

    async def all_at_once() -> list[Any]:
        return await asyncio.gather(*(market.order_book(book_of(market, 1 + number % 20)) for number in range(100)))

    found = run(all_at_once())
    assert books(exchange) == 1
    assert [len(book.bids) for book in found] == [1 + number % 20 for number in range(100)]
    assert len({book.bids[0] for book in found}) == 1
    run(market.order_book(book_of(market)))
    assert books(exchange) == 1, "it is fresh"


def test_who_gives_up_does_not_take_the_answer_from_others(exchange: Loopback, market: ExchangeMarket) -> None:
    exchange.faults.add(Fault("stall", on="market", seconds=0.3, count=1))

    async def two() -> Any:
        impatient = asyncio.create_task(market.order_book(book_of(market)))
        patient = asyncio.create_task(market.order_book(book_of(market)))
        await asyncio.sleep(0.1)
        impatient.cancel()
        return await patient

    assert run(two()).bids
    assert books(exchange) == 1


@pytest.mark.parametrize("kind", ["refuse", "error", "garbage", "truncated", "hang", "limit"])
def test_an_exchange_that_fails_is_told_with_its_last_answer(
    exchange: Loopback, market: ExchangeMarket, clock: Clock, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    first = run(market.order_book(book_of(market)))
    monkeypatch.setattr("engine.exchanges.answers.ANSWER_SECONDS", 0.5)
    assert not first.stale
    exchange.book.set_price(BTC, "60000")
    exchange.faults.add(Fault(kind, on="market", seconds=20))
    time.sleep(1.05)  # until it is not fresh any more
    began = time.monotonic()
    again = run(market.order_book(book_of(market)))
    assert time.monotonic() - began < 10
    assert again.stale
    assert (again.bids, again.as_of) == (first.bids, first.as_of)
    clock.ahead = 61
    with pytest.raises((ExchangeUnavailable, EngineUnavailable)) as caught:
        run(market.order_book(book_of(market)))
    assert caught.value.retry_after
    with pytest.raises((ExchangeUnavailable, EngineUnavailable)):
        run(market.trades(GetMarketTrades(exchange=market.exchange, symbol=BTC, limit=5)))


def test_one_that_keeps_failing_is_left_alone(exchange: Loopback, market: ExchangeMarket) -> None:
    exchange.faults.add(Fault("refuse", on="market"))
    asked = []
    for _ in range(12):
        with pytest.raises((ExchangeUnavailable, EngineUnavailable)) as caught:
            run(market.order_book(book_of(market)))
        asked.append(books(exchange))
    assert asked[4] > asked[3], "five failures"
    assert asked[4] == asked[-1], "then nothing"
    assert caught.value.code == "exchange_unavailable"
    assert caught.value.retry_after
    assert caught.value.retry_after <= 5


def test_what_a_mute_exchange_says_is_stale(exchange: Loopback, market: ExchangeMarket, clock: Clock) -> None:
    exchange.faults.add(Fault("stuck", on="market"))
    run(market.tick())
    clock.ahead = 70
    run(market.tick())
    assert market.state == "mute"
    assert run(market.order_book(book_of(market))).stale
    assert run(market.trades(GetMarketTrades(exchange=market.exchange, symbol=BTC, limit=5))).stale
    assert ask(market, limit=5).stale
    past = int(time.time() * 1000) - 60 * MINUTE
    assert not ask(market, limit=5, until=past).stale, "what is over does not get old"


def test_a_flood_of_questions_does_not_hold_up_the_prices(exchange: Loopback, market: ExchangeMarket) -> None:
    now = int(time.time() * 1000)

    async def flood() -> tuple[int, list[Any]]:
        questions = [
            GetCandles(exchange=market.exchange, symbol=BTC, timeframe="1m", limit=9, since=now - number * 3_600_000)
            for number in range(1, 401)
        ]
        asking = asyncio.gather(*(market.candles(each) for each in questions), return_exceptions=True)
        await asyncio.sleep(0.2)
        before = len(exchange.seen)
        await market.tick()
        return len(calls(exchange, "klines", before) + calls(exchange, "candles", before)), await asking

    overtaken_by, found = run(flood())
    answered = [each for each in found if isinstance(each, CandleSeries)]
    refused = [each.code for each in found if isinstance(each, EngineUnavailable)]
    assert len(answered) + len(refused) == 400
    assert answered
    assert set(refused) <= {"exchange_busy"}, "being asked too much is no failure of the exchange"
    assert overtaken_by < 20, "a poll does not wait behind all of them"
    assert run(market.order_book(book_of(market))).bids


# -------------------------------------------------------------------------------------------------- candles


def assert_whole(candles: list[Candle], length: int) -> None:
    openings = [candle.timestamp for candle in candles]
    assert all(later - earlier == length for earlier, later in pairwise(openings))


@pytest.mark.parametrize("direction", ["newest first", "from a moment on"])
def test_pages_follow_on_each_other_where_the_exchange_has_gaps(
    market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch, direction: str
) -> None:
    now = int(time.time() * 1000) // MINUTE * MINUTE
    # at both ends of pages, over a whole page, and at the very end
    missing = [now - n * MINUTE for n in (0, 1, 9, 10, 11, 20, *range(30, 55))]
    drop(market, monkeypatch, *missing)
    first = now - 80 * MINUTE
    found: list[Candle] = []
    query: dict[str, Any] = {"limit": 10}
    query["until" if direction == "newest first" else "since"] = now if direction == "newest first" else first
    for _ in range(20):
        page = ask(market, **query)
        assert_whole(page.candles, MINUTE)
        if direction == "newest first":
            found = page.candles + found
            query["until"] = page.candles[0].timestamp - 1
        else:
            found += page.candles
            query["since"] = page.candles[-1].timestamp + 1
        if not page.more or found[0].timestamp < first:
            break
    assert_whole(found, MINUTE)
    assert found[0].timestamp <= first
    assert found[-1].timestamp >= now
    flat = {candle.timestamp: candle for candle in found if candle.timestamp in missing}
    assert len(flat) == len(missing)
    assert all(candle.volume == 0 and candle.open == candle.high == candle.low for candle in flat.values())


def test_history_begins_where_the_exchange_begins(market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    now = int(time.time() * 1000)
    begin = timeframes.opening("1w", now - 200 * timeframes.DAY_MS) + 3 * timeframes.DAY_MS + 5 * 60 * MINUTE
    drop(market, monkeypatch, before=begin)
    page = ask(market, since=0, limit=10)
    assert page.candles[0].timestamp == begin
    assert len(page.candles) == 10
    assert page.more
    assert ask(market, timeframe="1d", limit=1000).more is False
    days = ask(market, timeframe="1d", since=0, limit=3).candles
    assert days[0].timestamp == timeframes.opening("1d", begin)


@pytest.mark.parametrize("timeframe", timeframes.CALENDAR)
def test_weeks_and_months_are_what_their_days_add_up_to(market: ExchangeMarket, timeframe: str) -> None:
    rows = ask(market, timeframe=timeframe, limit=14).candles
    assert len(rows) == 14
    assert [row.closed for row in rows] == [True] * 13 + [False]
    for row, following in pairwise(rows):
        assert timeframes.shifted(timeframe, row.timestamp, 1) == following.timestamp
        days = ask(market, timeframe="1d", since=row.timestamp, until=following.timestamp - 1, limit=31).candles
        assert (row.open, row.close) == (days[0].open, days[-1].close)
        assert row.volume == sum(day.volume for day in days)
        assert (row.high, row.low) == (max(day.high for day in days), min(day.low for day in days))


def test_settled_candles_are_asked_for_once(exchange: Loopback, market: ExchangeMarket, clock: Clock) -> None:
    past = int(time.time() * 1000) - 60 * MINUTE
    first = ask(market, limit=5, until=past)
    assert first.settled
    before = len(exchange.seen)
    clock.ahead = 300
    assert ask(market, limit=5, until=past) == first
    assert len(exchange.seen) == before
    assert not ask(market, limit=5).settled


def test_many_answers_do_not_fill_the_memory(market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.exchanges.answers.MOST_WEIGHT", 250)
    for number in range(12):
        ask(market, limit=50 + number)
    answers = market._polled.reads._answers
    assert answers._weight <= 250
    assert answers._weight == sum(kept.weight for kept in answers._kept.values())
    assert 0 < len(answers._kept) <= 5
