"""Tickers are told again for a moment, and no longer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from services.market import FRESH_SECONDS, Market
from utils import clock
from utils.errors import NotFound
from utils.octobot_bridge import OctoBotBridge
from utils.wire import GetTickers, Ticker


class Engine:
    """Answer with a price that rises with every question."""

    def __init__(self) -> None:
        self.asked: list[GetTickers] = []

    def call(self, request: GetTickers, _deadline: float) -> list[Ticker]:
        self.asked.append(request)
        if request.symbols == ["NO/NE"]:
            raise NotFound("There is no market NO/NE on demo.", code="unknown_symbol")
        price = Decimal(len(self.asked))
        rest: Any = dict.fromkeys(("bid", "ask", "high", "low", "volume", "change_percent"), price)
        symbol = (request.symbols or [""])[0]
        return [Ticker(symbol=symbol, exchange=request.exchange, last=price, as_of=clock.now(), stale=False, **rest)]


@pytest.fixture
def engine() -> Engine:
    return Engine()


@pytest.fixture
def market(engine: Engine) -> Market:
    return Market(OctoBotBridge(engine))  # type: ignore[arg-type]


def test_a_ticker_is_told_again_until_it_is_not_fresh(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = [100.0, 100.0 + FRESH_SECONDS * 0.9, 100.0 + FRESH_SECONDS * 1.1]
    monkeypatch.setattr("services.market.time.monotonic", iter(moments).__next__)
    told = [market.ticker("BTC/USDT").last for _ in moments]
    assert told == [1, 1, 2]


def test_markets_and_exchanges_are_told_apart(market: Market) -> None:
    told = [market.ticker("BTC/USDT"), market.ticker("ETH/USDT"), market.ticker("BTC/USDT", "binance")]
    assert [(one.symbol, one.exchange) for one in told] == [
        ("BTC/USDT", "demo"),
        ("ETH/USDT", "demo"),
        ("BTC/USDT", "binance"),
    ]


def test_what_does_not_exist_is_asked_for_again(market: Market, engine: Engine) -> None:
    for _ in range(2):
        with pytest.raises(NotFound):
            market.ticker("NO/NE")
    assert len(engine.asked) == 2
