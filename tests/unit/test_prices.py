"""Following prices without HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Generator

import pytest

from services.prices import Prices
from services.principals import Principal
from utils.errors import EngineUnavailable, Overloaded, Unauthenticated
from utils.fake_engine import FakeEngine
from utils.octobot_bridge import OctoBotBridge
from utils.wire import StreamEvent, Subscription


def caller(user_id: str = "ada") -> Principal:
    return Principal(user_id=user_id, username=user_id, role="user", session_id="s")


def test_a_slot_is_given_back_once() -> None:
    prices = Prices(OctoBotBridge(FakeEngine()), slots=1)
    release = prices.take_slot(caller())
    with pytest.raises(Overloaded):
        prices.take_slot(caller())
    release()
    release()
    prices.take_slot(caller())
    release()
    with pytest.raises(Overloaded):
        prices.take_slot(caller())


def test_nobody_holds_more_than_half_of_the_slots() -> None:
    prices = Prices(OctoBotBridge(FakeEngine()), slots=4)
    release, _ = [prices.take_slot(caller()) for _ in range(2)]
    with pytest.raises(Overloaded) as refused:
        prices.take_slot(caller())
    assert refused.value.code == "too_many_streams"
    for _ in range(2):
        prices.take_slot(caller("bob"))
    with pytest.raises(Overloaded) as refused:
        prices.take_slot(caller("eve"))
    assert refused.value.code == "streams_exhausted"
    release()
    prices.take_slot(caller())


def test_closing_a_stream_closes_its_subscription() -> None:
    closed = threading.Event()

    class Silent(FakeEngine):
        def stream(self, request: Subscription) -> Generator[StreamEvent | None]:
            try:
                while True:
                    yield None
            finally:
                closed.set()

    stream = Prices(OctoBotBridge(Silent()), slots=1).follow(None, None, lambda: None)
    next(stream)
    stream.close()
    assert closed.is_set()


def test_a_stream_asks_for_the_session_while_the_engine_is_away() -> None:
    engine = FakeEngine()
    asked: list[float] = []

    def check() -> None:
        asked.append(time.monotonic())
        if len(asked) == 3:
            raise Unauthenticated("over")

    stream = Prices(OctoBotBridge(engine), slots=1, pulse=0.02).follow(["BTC/USDT"], None, check)
    next(stream)
    engine.fail_with(EngineUnavailable("away"))
    assert list(stream) == [None, None, None]
    assert len(asked) == 3
