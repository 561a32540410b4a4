"""A loopback Binance, and an installation that has it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from config import Settings
from tests.exchanges.binance import LoopbackBinance


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait longer for answers: an exchange on a busy machine is slow, and has not failed."""
    monkeypatch.setattr("engine.exchanges.answers.ANSWER_SECONDS", 60)
    monkeypatch.setattr("engine.exchanges.perpetuals.POLL_SECONDS", 60)


@pytest.fixture
def exchange() -> Iterator[LoopbackBinance]:
    with LoopbackBinance() as exchange:
        yield exchange


@pytest.fixture
def settings(settings: Settings, exchange: LoopbackBinance) -> Settings:
    return replace(settings, exchanges=("demo", "binance"), exchange_urls={"binance": exchange.url})
