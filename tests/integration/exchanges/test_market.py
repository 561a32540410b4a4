"""The market of a real exchange: exact, patient, and honest about its age."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from engine.exchanges import past
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.source import ExchangeSource
from engine.markets.market import moment
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from utils.errors import ExchangeUnavailable, NotFound, Refused, TradingError
from utils.wire import GetCandles, GetMarketTrades, GetOrderBook

BTC = "BTC/USDT"


class Clock:
    """A clock that is put forward, and may be told to stand otherwise."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.stands_at: float | None = None

    def __call__(self) -> float:
        return (time.time() if self.stands_at is None else self.stands_at) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[..., ExchangeMarket]


@pytest.fixture
def open_market(settings: Settings, clock: Clock) -> Iterator[Open]:
    opened: list[ExchangeMarket] = []

    def make(settings: Settings = settings, poll_seconds: float = 3.0) -> ExchangeMarket:
        opened.append(ExchangeMarket(ExchangeSource("binance", settings, clock), poll_seconds, clock))
        return opened[-1]

    yield make
    for market in opened:
        asyncio.run(market.close())


@pytest.fixture
def market(open_market: Open) -> ExchangeMarket:
    return open_market()


def run[T](work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


def code_of(call: Callable[[], object]) -> str:
    with pytest.raises(TradingError) as caught:
        call()
    return caught.value.code


def test_instruments_are_exact(exchange: LoopbackBinance, market: ExchangeMarket) -> None:
    run(market.tick())
    assert set(market.instruments) == set(exchange.book.quotes)
    theirs, ours = exchange.book.quotes[BTC].market, market.instrument(BTC)
    assert (ours.price_tick, ours.amount_step) == (theirs.price_tick, theirs.amount_step)
    assert (ours.min_cost, ours.max_amount) == (theirs.min_notional, theirs.max_amount)
    assert (ours.exchange, ours.type, ours.taker_fee) == ("binance", "spot", Decimal("0.001"))
    assert code_of(lambda: market.instrument("NO/NE")) == "unknown_symbol"


def test_prices_come_in_one_request(exchange: LoopbackBinance, market: ExchangeMarket) -> None:
    run(market.tick())
    exchange.book.set_price(BTC, "50000.10", "0.02")
    before = len(exchange.seen)
    run(market.tick())
    assert [seen.path for seen in list(exchange.seen)[before:]] == ["/api/v3/ticker/24hr"]
    quote, [ticker] = market.quote(BTC), market.tickers([BTC])
    assert quote.price == ticker.last == Decimal("50000.10")
    assert quote.bid <= quote.price <= quote.ask
    assert quote.bid < quote.ask
    assert (ticker.exchange, ticker.stale) == ("binance", False)
    assert len(market.tickers(None)) == len(market.instruments)


def test_listeners_hear_what_changed(exchange: LoopbackBinance, market: ExchangeMarket) -> None:
    heard: list[list[str]] = []

    async def listen(quotes: list[Any]) -> None:
        heard.append([quote.symbol for quote in quotes])

    market.listen(listen)
    run(market.tick())
    exchange.book.set_price(BTC, "51000")
    run(market.tick())
    assert heard == [list(market.instruments), [BTC]]


def test_the_mark_of_a_moment_is_that_of_the_last_poll_before(
    exchange: LoopbackBinance, market: ExchangeMarket, clock: Clock
) -> None:
    def mark(ahead: float) -> Decimal:
        return market.mark_at(BTC, began + timedelta(seconds=ahead))

    assert code_of(lambda: market.mark_at(BTC, moment(clock()))) == "exchange_not_connected"
    began = moment(time.time())
    for ahead, price in ((60.0, "50000"), (70.0, "51000"), (80.0, "51000"), (90.0, "52000")):
        clock.ahead = ahead
        exchange.book.set_price(BTC, price)
        run(market.tick())
    # a poll is dated within the seconds that it took
    marks = [mark(ahead) for ahead in (69.5, 79.5, 89.5)]
    assert marks == [market.quote(BTC).mark - fall for fall in (2_000, 1_000, 1_000)]
    assert code_of(lambda: mark(59.5)) == "stale_market_price"  # before anything was known
    clock.ahead = 120.0
    run(market.tick())
    # nobody asked for so long before that moment that it was not good to trade at
    assert code_of(lambda: mark(115.0)) == "stale_market_price"
    clock.ahead = 60.0 + 2 * past.SECONDS
    run(market.tick())
    assert code_of(lambda: mark(79.5)) == "stale_market_price"  # nor is what has long been forgotten


def test_only_named_markets_are_followed(settings: Settings, exchange: LoopbackBinance, open_market: Open) -> None:
    market = open_market(replace(settings, market_symbols=("ETH/USDT", "NO/NE")))
    run(market.tick())
    assert list(market.instruments) == ["ETH/USDT"]
    assert "ETHUSDT" in str(exchange.seen[-1].params)
    assert "BTCUSDT" not in str(exchange.seen[-1].params)


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (Fault("refuse"), "exchange_unreachable"),
        (Fault("error", status=500), "exchange_unreachable"),
        (Fault("garbage"), "exchange_"),
        (Fault("truncated"), "exchange_"),
        (Fault("limit", seconds=7), "exchange_rate_limited"),
        (Fault("ban", seconds=7), "exchange_rate_limited"),
    ],
)
def test_a_failed_poll_changes_nothing(
    exchange: LoopbackBinance, market: ExchangeMarket, fault: Fault, code: str
) -> None:
    run(market.tick())
    price = market.quote(BTC).price
    exchange.book.set_price(BTC, price * 2)
    exchange.faults.add(replace(fault, on="market"))
    with pytest.raises(ExchangeUnavailable) as caught:
        run(market.tick())
    assert caught.value.code.startswith(code)
    assert caught.value.retry_after == (7 if fault.seconds else 5)
    assert market.fresh_quote(BTC).price == price
    exchange.faults.clear()
    run(market.tick())
    assert market.fresh_quote(BTC).price == price * 2


def test_old_prices_are_told_and_not_traded_at(market: ExchangeMarket, clock: Clock) -> None:
    clock.stands_at = time.time()
    run(market.tick())
    clock.ahead = 14
    assert market.fresh_quote(BTC)
    assert not market.tickers([BTC])[0].stale
    clock.ahead = 16
    assert code_of(lambda: market.fresh_quote(BTC)) == "stale_market_price"
    assert market.tickers([BTC])[0].stale
    assert market.quote(BTC), "what is held is still worth something"
    status = market.status()
    assert not status.connected
    assert status.tick_age is not None
    assert 16 <= status.tick_age < 20


def test_a_market_without_prices_is_not_traded(exchange: LoopbackBinance, market: ExchangeMarket) -> None:
    run(market.tick())
    del exchange.book.quotes["ETH/USDT"]  # delisted: the next request that names it is refused
    with pytest.raises(ExchangeUnavailable):
        run(market.tick())
    run(market.tick())  # which reads the markets anew
    assert market.fresh_quote(BTC)
    assert code_of(lambda: market.fresh_quote("ETH/USDT")) == "no_market_price"
    assert market.instrument("ETH/USDT"), "somebody may hold it"


def test_an_exchange_that_was_never_reached(settings: Settings, open_market: Open) -> None:
    market = open_market(replace(settings, exchange_urls={"binance": "http://127.0.0.1:9"}))
    with pytest.raises(ExchangeUnavailable):
        run(market.tick())
    query = GetCandles(exchange="binance", symbol=BTC, timeframe="1m", limit=1)
    for call in (
        lambda: market.quote(BTC),
        lambda: market.instrument(BTC),
        lambda: market.tickers(None),
        lambda: run(market.candles(query)),
        market.listing,
    ):
        assert code_of(call) == "exchange_not_connected"
    assert not market.status().connected


def test_instruments_are_remembered(settings: Settings, market: ExchangeMarket, open_market: Open) -> None:
    run(market.tick())
    away = open_market(replace(settings, exchange_urls={"binance": "http://127.0.0.1:9"}))
    with pytest.raises(ExchangeUnavailable):
        run(away.tick())
    assert away.listing().instruments == market.listing().instruments
    assert code_of(lambda: away.quote(BTC)) == "no_market_price"


def test_it_comes_back_by_itself(exchange: LoopbackBinance, open_market: Open) -> None:
    market = open_market(poll_seconds=0.05)
    exchange.faults.add(Fault("refuse", on="market", count=5))

    async def until_prices() -> None:
        priced = asyncio.Event()

        async def notice(_quotes: object) -> None:
            priced.set()

        market.listen(notice)
        task = asyncio.create_task(market.run())
        async with asyncio.timeout(60):
            await priced.wait()
        task.cancel()

    run(until_prices())
    assert market.fresh_quote(BTC)


def test_waits_grow_and_respect_what_was_asked_for(market: ExchangeMarket) -> None:
    away = ExchangeUnavailable("away", retry_after=5)
    waits = [market._after_failure(away) for _ in range(12)]
    assert 3 <= waits[0] <= 6
    assert waits[4] > waits[0]
    assert all(30 <= wait <= 60 for wait in waits[5:])
    assert len({round(wait, 6) for wait in waits[5:]}) > 1
    limited = ExchangeUnavailable("too many", code="exchange_rate_limited", retry_after=120)
    assert market._after_failure(limited) >= 120


class TestCandles:
    def ask(self, market: ExchangeMarket, **query: Any) -> Any:
        question = GetCandles(**{"exchange": "binance", "symbol": BTC, "timeframe": "1m", **query})
        return run(market.candles(question)).candles

    def test_the_newest_ones_without_gaps(self, exchange: LoopbackBinance, market: ExchangeMarket) -> None:
        run(market.tick())
        candles = self.ask(market, limit=200)
        openings = [candle.timestamp for candle in candles]
        assert openings == list(range(openings[0], openings[0] + 200 * 60_000, 60_000))
        assert [candle.closed for candle in candles] == [True] * 199 + [False]
        assert abs(openings[-1] / 1000 - time.time()) < 120
        assert candles[-1].close == market.quote(BTC).price
        assert all(candle.low <= candle.open <= candle.high for candle in candles)

    def test_pages_are_joined(
        self, exchange: LoopbackBinance, market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(market.tick())
        client = market._polled._client
        fetch = client.fetch_ohlcv
        pages: list[int] = []

        async def at_most_100(symbol: str, timeframe: str, since: int, limit: int) -> Any:
            pages.append(limit)
            return await fetch(symbol, timeframe, since, min(limit, 100))

        monkeypatch.setattr(client, "fetch_ohlcv", at_most_100)
        assert len(self.ask(market, limit=250)) == 250
        assert pages == [250, 150, 50]

    def test_a_window_is_inclusive(self, market: ExchangeMarket) -> None:
        run(market.tick())
        end = int(time.time() * 1000) // 60_000 * 60_000 - 600_000
        found = [candle.timestamp for candle in self.ask(market, limit=5, since=end - 120_000, until=end)]
        assert found == [end - 120_000, end - 60_000, end]
        first = [candle.timestamp for candle in self.ask(market, limit=2, since=end - 120_001)]
        assert first == [end - 120_000, end - 60_000]
        last = [candle.timestamp for candle in self.ask(market, limit=2, until=end + 1)]
        assert last == [end - 60_000, end]
        assert self.ask(market, limit=5, since=int(time.time() * 1000) + 3_600_000) == []

    def test_what_nobody_traded_is_filled(self, market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
        run(market.tick())
        client = market._polled._client
        fetch = client.fetch_ohlcv

        async def with_gaps(*question: Any) -> Any:
            rows = await fetch(*question)
            return [row for number, row in enumerate(rows) if number % 5 not in {2, 3}]

        monkeypatch.setattr(client, "fetch_ohlcv", with_gaps)
        candles = self.ask(market, limit=11)
        assert len({candle.timestamp for candle in candles}) == 11
        assert candles[2].volume == candles[3].volume == 0
        assert candles[2].open == candles[2].close == candles[3].high == candles[1].close

    def test_the_same_question_is_asked_once(self, exchange: LoopbackBinance, market: ExchangeMarket) -> None:
        run(market.tick())
        first = self.ask(market, limit=5)
        before = len(exchange.seen)
        assert self.ask(market, limit=5) == first
        assert len(exchange.seen) == before

    def test_unknown_names_are_refused(self, market: ExchangeMarket) -> None:
        run(market.tick())
        with pytest.raises(NotFound):
            self.ask(market, symbol="NO/NE", limit=1)
        with pytest.raises(Refused) as caught:
            self.ask(market, timeframe="7m", limit=1)
        assert caught.value.code == "unknown_timeframe"
        market._polled._client.timeframes.pop("3m")
        with pytest.raises(Refused) as caught:
            self.ask(market, timeframe="3m", limit=1)
        assert caught.value.code == "timeframe_not_offered"

    def test_an_exchange_in_trouble_is_told(
        self, exchange: LoopbackBinance, market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        run(market.tick())
        monkeypatch.setattr("engine.exchanges.answers.ANSWER_SECONDS", 0.3)
        for fault in (Fault("refuse", on="market"), Fault("hang", on="market"), Fault("garbage", on="market")):
            exchange.faults.add(fault)
            with pytest.raises(ExchangeUnavailable):
                self.ask(market, limit=5)
            exchange.faults.clear()


def test_books_and_trades(exchange: LoopbackBinance, market: ExchangeMarket) -> None:
    exchange.book.set_price(BTC, "50000", "0.02")
    run(market.tick())
    book = run(market.order_book(GetOrderBook(exchange="binance", symbol=BTC, depth=5)))
    assert len(book.bids) == len(book.asks) == 5
    assert book.bids[0].price < book.asks[0].price
    trades = run(market.trades(GetMarketTrades(exchange="binance", symbol=BTC, limit=3))).trades
    assert [trade.created_at for trade in trades] == sorted((trade.created_at for trade in trades), reverse=True)
    assert all(trade.price > 0 and trade.amount > 0 for trade in trades)
