"""An exchange that answers without telling anything new: noticed, told, not traded at, and connected to anew."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import pytest

from config import Settings
from engine.exchanges.market import ExchangeMarket
from engine.exchanges.pulse import Pulse
from engine.exchanges.rates import budget
from engine.exchanges.source import ExchangeSource
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.server import Loopback
from utils.errors import EngineUnavailable, ExchangeUnavailable

BTC = "BTC/USDT"


class Clock:
    """A clock that stands until it is put forward, or runs."""

    def __init__(self) -> None:
        self.ahead = 0.0
        self.runs = False
        self._started = time.time()

    def __call__(self) -> float:
        return time.time() if self.runs else self._started + self.ahead


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
    market = ExchangeMarket(ExchangeSource(exchange.name, settings, clock), 0.05, clock)
    yield market
    asyncio.run(market.close())


def test_prices_that_stand_still_are_mute_after_a_minute(
    exchange: Loopback, market: ExchangeMarket, clock: Clock
) -> None:
    asyncio.run(market.tick())
    exchange.faults.add(Fault("stuck", on="market"))
    asyncio.run(market.tick())
    exchange.book.set_price(BTC, "60000")
    clock.ahead = 58
    asyncio.run(market.tick())
    assert market.state == "connected"
    assert market.fresh_quote(BTC)
    clock.ahead = 62
    asyncio.run(market.tick())
    status = market.status()
    assert (status.state, status.connected) == ("mute", False)
    assert status.tick_age is not None
    assert status.tick_age < 2, "it answers"
    assert status.price_age is not None
    assert status.price_age > 61
    assert set(status.mute_symbols) == set(market.instruments)
    assert min(status.symbol_ages.values()) > 61
    with pytest.raises(EngineUnavailable) as caught:
        market.fresh_quote(BTC)
    assert caught.value.code == "stale_market_price"
    ticker = market.tickers([BTC])[0]
    assert ticker.stale
    assert clock() - ticker.as_of.timestamp() > 61, "the price is as old as the last sign of life"
    exchange.faults.clear()
    asyncio.run(market.tick())
    assert market.state == "connected"
    assert market.fresh_quote(BTC).price == 60_000
    assert not market.tickers([BTC])[0].stale


def test_a_quiet_exchange_that_vouches_for_its_prices_is_not_mute(
    exchange: Loopback, market: ExchangeMarket, clock: Clock
) -> None:
    for ahead in range(0, 300, 30):
        clock.ahead = ahead
        exchange.skew = ahead
        asyncio.run(market.tick())
        assert market.fresh_quote(BTC)
    assert market.state == "connected"
    assert (market.status().price_age or 0) > 200


def test_a_mute_exchange_is_connected_to_anew(exchange: Loopback, market: ExchangeMarket, clock: Clock) -> None:
    clock.runs = True
    market._pulse = Pulse(0.3)
    clients: list[object] = []

    async def until(reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(60):
            while not reached():
                clients.extend(each for each in [market._polled._client] if each not in clients)
                await asyncio.sleep(0.01)

    async def watch() -> None:
        polling = asyncio.create_task(market.run())
        await until(lambda: market.state == "connected")
        exchange.faults.add(Fault("stuck", on="market"))
        await until(lambda: market.status().reconnects >= 3)
        assert market.state == "mute"
        error = market.status().last_error
        assert error is not None
        assert error.code == "feed_mute"
        exchange.faults.clear()
        await until(lambda: market.state == "connected")
        polling.cancel()

    asyncio.run(watch())
    assert len(clients) > 2, "each time on a connection of its own"
    assert market._renewals == 0


def test_waits_between_reconnections_grow(market: ExchangeMarket, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(market._pulse, "is_mute", lambda _now: True)
    monkeypatch.setattr("engine.exchanges.market.time.monotonic", lambda: now)
    at: list[float] = []
    for _ in range(4000):
        before = market._reconnects
        market._listen_for_life()
        if market._reconnects > before:
            at.append(now)
        now += 0.05
    waits = [later - earlier for earlier, later in pairwise(at)]
    assert waits[0] < 0.3
    assert waits[4] > 3 * waits[0]
    assert max(waits) <= 60.1
    assert len(at) < 20


def test_what_failed_and_when_is_told(exchange: Loopback, market: ExchangeMarket, clock: Clock) -> None:
    assert market.state == "connecting"
    exchange.faults.add(Fault("refuse", on="market"))
    for _ in range(3):
        with pytest.raises(ExchangeUnavailable) as caught:
            asyncio.run(market.tick())
        market._after_failure(caught.value)
    status = market.status()
    assert status.state == "disconnected"
    assert status.reconnects == 1
    assert status.last_error is not None
    assert status.last_error.code == "exchange_unreachable"
    assert status.last_error.at.timestamp() == pytest.approx(clock())
    exchange.faults.clear()
    asyncio.run(market.tick())
    status = market.status()
    assert status.state == "connected"
    assert status.last_error is not None, "when it was last in trouble stays known"
    assert status.latency is not None
    assert 0 < status.latency < 5
    assert status.rate_budget is not None
    assert status.rate_budget.interval > 0


def test_a_budget_is_what_the_exchange_says() -> None:
    client = SimpleNamespace(rateLimit=50, last_response_headers=None)
    assert budget(client).used is None
    client.last_response_headers = {"X-MBX-USED-WEIGHT-1M": "17"}
    assert (budget(client).interval, budget(client).used, budget(client).limit) == (0.05, 17, None)
    client.last_response_headers = {"gw-ratelimit-limit": "2000", "gw-ratelimit-remaining": "1900"}
    assert (budget(client).used, budget(client).limit) == (100, 2000)
