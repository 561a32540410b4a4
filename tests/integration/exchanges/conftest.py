"""A loopback Binance, and an installation that has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import Settings
from tests.exchanges.binance import LoopbackBinance


@pytest.fixture
def exchange() -> Iterator[LoopbackBinance]:
    with LoopbackBinance() as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings, exchange: LoopbackBinance) -> Settings:
    return replace(settings, exchanges=("demo", "binance"), exchange_urls={"binance": exchange.url})
