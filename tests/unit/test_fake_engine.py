"""What only the fake can show: a clock that is set, a buffer that runs over, going away and coming back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.fake_engine import FakeEngine
from tests.fake_engine.market import BUFFER
from utils.errors import EngineTimeout, EngineUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, OrderTicket, PlaceOrder, Subscribe


class Clock:
    moment = datetime(2026, 1, 1, 23, 59, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.moment


def limit(tif: str) -> PlaceOrder:
    ticket = OrderTicket(
        symbol="BTC/USDT",
        side="buy",
        type="limit",
        amount=Decimal("0.01"),
        price=Decimal(40_000),
        time_in_force=tif,  # type: ignore[arg-type]
    )
    return PlaceOrder(actor=Actor(user_id="u"), account="a", ticket=ticket, idempotency_key=tif)


def test_a_day_order_expires_at_midnight_utc() -> None:
    clock = Clock()
    bridge = OctoBotBridge(FakeEngine(clock))
    day, gtc = bridge.place_order(limit("day")), bridge.place_order(limit("gtc"))
    assert {order.id for order in bridge.open_orders("a")} == {day.id, gtc.id}
    clock.moment += timedelta(seconds=1)
    assert [order.id for order in bridge.open_orders("a")] == [gtc.id]
    assert bridge.place_order(limit("day")).status == "expired"
    assert bridge.portfolio("a").currencies["USDT"].locked == Decimal(400) * Decimal("1.0015")


def test_a_subscriber_that_lags_too_far_is_told() -> None:
    engine = FakeEngine()
    stream = engine.stream(Subscribe(exchange="demo", symbols=["BTC/USDT"]))
    first = next(stream)
    assert first is not None
    for _ in range(BUFFER + 1):
        engine.set_price("BTC/USDT", Decimal(50_000))
    assert [event.event for event in (next(stream), next(stream)) if event] == ["reset", "price"]


def test_an_engine_that_is_away_ends_streams_and_refuses_calls() -> None:
    engine = FakeEngine()
    bridge = OctoBotBridge(engine)
    stream = bridge.subscribe(Subscribe(exchange="demo", symbols=["BTC/USDT"]))
    next(stream)
    engine.fail_with(EngineUnavailable("away", retry_after=2))
    with pytest.raises(EngineUnavailable):
        next(stream)
    with pytest.raises(EngineUnavailable):
        bridge.status()
    engine.fail_with(EngineTimeout("slow"))
    with pytest.raises(EngineTimeout):
        bridge.status()
    engine.fail_with(None)
    assert bridge.status().octobot_version == "fake"
