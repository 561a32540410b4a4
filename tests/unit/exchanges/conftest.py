"""Loopback exchanges with one funded account, and real ccxt clients for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.client import Client
from tests.exchanges.kucoin import LoopbackKucoin


@pytest.fixture
def binance() -> Iterator[LoopbackBinance]:
    with LoopbackBinance() as exchange:
        exchange.add_key("k" * 64, "s" * 64)
        exchange.book.deposit("main", "USDT", "10000")
        exchange.book.deposit("main", "BTC", "1")
        yield exchange


@pytest.fixture
def client(binance: LoopbackBinance) -> Iterator[Client]:
    with Client(binance, binance.keys["k" * 64], timeout=2000) as client:
        yield client


@pytest.fixture(params=[True, False], ids=["high-frequency", "classic"])
def kucoin(request: pytest.FixtureRequest) -> Iterator[LoopbackKucoin]:
    with LoopbackKucoin() as exchange:
        exchange.high_frequency = request.param
        exchange.add_key("key", "secret", "words")
        exchange.book.deposit("main", "USDT", "10000")
        exchange.book.deposit("main", "BTC", "1")
        yield exchange


@pytest.fixture
def kucoin_client(kucoin: LoopbackKucoin) -> Iterator[Client]:
    with Client(kucoin, kucoin.keys["key"], timeout=2000) as client:
        yield client
