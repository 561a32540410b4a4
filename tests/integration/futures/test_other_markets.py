"""A recording is played that lacks the markets which accounts are engaged in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

import models
from config import Settings
from engine.demo.replay import ReplayMarket
from models import Database
from tests.books import differences, rows
from tests.contract.engine import EngineExchange
from tests.contract.exchange import Trader
from tests.engine_host import EngineHost
from tests.integration.futures.holder import SYMBOL, Holder
from utils import clock, wire
from utils.errors import EngineUnavailable
from utils.octobot_bridge import OctoBotBridge


@pytest.fixture
def replay(tmp_path: Path) -> ReplayMarket:
    path = tmp_path / "BTC_USDT-1m.csv"
    lines = [f"{1_763_600_040 + 60 * number},50000,50100,49900,50000,5000" for number in range(20)]
    path.write_text("\n".join(["timestamp,open,high,low,close,volume", *lines]), encoding="utf-8")
    return ReplayMarket(path, 1.0, time.time())


@pytest.fixture
def exchange(settings: Settings, database: Database) -> Iterator[EngineExchange]:
    engine = EngineExchange(settings, database)
    yield engine
    engine._host.close()


def refused(bridge: OctoBotBridge, account: str) -> None:
    actor = wire.Actor(user_id="x")
    for attempt in (
        lambda: bridge.portfolio(account),
        lambda: bridge.reset_account(wire.ResetAccount(actor=actor, account=account)),
        lambda: bridge.archive_account(wire.ArchiveAccount(actor=actor, account=account)),
    ):
        with pytest.raises(EngineUnavailable) as error:
            attempt()
        assert error.value.code == "market_not_available"


def test_an_account_with_a_position_waits_for_its_market(
    exchange: EngineExchange, settings: Settings, database: Database, replay: ReplayMarket
) -> None:
    exchange.set_price(SYMBOL, Decimal(50_000))
    exchange.set_price("ETH/USDT", Decimal(3_000))
    holder = Holder(exchange, *exchange.new_account("futures"))
    holder.leverage(10)
    holder.place("buy", amount="0.1")
    waiting = Trader(exchange, *exchange.new_account())
    waiting.place("buy", "limit", symbol="ETH/USDT", amount="1", price="2000")
    empty = Trader(exchange, *exchange.new_account("futures"))
    other = Trader(exchange, *exchange.new_account())
    positions = rows(database, models.Position)
    exchange._host.stop()

    host = EngineHost(settings, replay)
    host.start()
    try:
        host.tick()
        refused(exchange.bridge, holder.account)
        refused(exchange.bridge, waiting.account)
        refused(exchange.bridge, empty.account)
        assert other.place("buy", symbol="BTC/USDT", amount="0.01").status == "filled"
        assert host.run(host.engine.funding_clock.wake()) is False
        host.run(host.engine.equities.sample(clock.now()))
        host.tick()
        assert rows(database, models.Position) == positions
    finally:
        host.close()

    exchange._host.start()
    exchange.set_price(SYMBOL, Decimal(50_000))
    assert holder.position.amount == Decimal("0.1")
    assert exchange.bridge.portfolio(waiting.account).open_orders == 1
    assert differences(database, exchange.bridge) == []
