"""Loopback exchanges with one funded account, and real ccxt clients for it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.client import Client


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
