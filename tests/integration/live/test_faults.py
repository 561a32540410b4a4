"""What an exchange that fails makes of orders: nothing lost, doubled, forgotten here or invented."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import Any

import pytest

from engine.live.trader import client_id
from tests.exchanges.faults import Fault
from tests.exchanges.server import Loopback
from tests.integration.live.house import OWNER, House
from utils.errors import EngineUnavailable, TradingError
from utils.ids import new_id

AMBIGUOUS: dict[str, dict[str, Any]] = {
    "refused": {"kind": "refuse"},
    "502 after accepting": {"kind": "error", "status": 502},
    "502 instead": {"kind": "error", "status": 502, "accept": False},
    "garbage after accepting": {"kind": "garbage"},
    "garbage instead": {"kind": "garbage", "accept": False},
    "cut after accepting": {"kind": "truncated"},
    "cut instead": {"kind": "truncated", "accept": False},
    "slow after accepting": {"kind": "stall", "seconds": 2},
    "slow instead": {"kind": "stall", "seconds": 2, "accept": False},
    "mute after accepting": {"kind": "hang"},
    "mute instead": {"kind": "hang", "accept": False},
    "late": {"kind": "late", "seconds": 0.7},
    "too late": {"kind": "late", "seconds": 6},
}
ambiguous = pytest.mark.parametrize("fault", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
SOME = ("refused", "502 after accepting", "cut after accepting", "mute instead", "late", "too late")
some_ambiguous = pytest.mark.parametrize("fault", [AMBIGUOUS[name] for name in SOME], ids=SOME)


def _sent(exchange: Loopback, method: str) -> int:
    """Return how many requests of `method` have come that are about an order."""
    return sum(seen.method == method and "order" in seen.path for seen in exchange.seen)


@ambiguous
def test_an_order_whose_placing_is_not_answered_is_found_or_proven_absent(opened: House, fault: dict[str, Any]) -> None:
    before = _sent(opened.exchange, "POST")
    opened.exchange.faults.add(Fault(on="place", count=1, **fault))
    began = time.monotonic()
    key = new_id()
    order = opened.place(key=key)
    assert time.monotonic() - began < 15  # not as long as the exchange is silent
    assert order.status == "unknown"
    assert opened.repeated(order, lambda: opened.place(key=key))
    opened.exchange.settle()
    final = opened.final(order)
    assert final.status == ("accepted" if opened.there(order) else "rejected")
    assert final.reject_code == (None if opened.there(order) else "not_received")
    # a late request is noted when it is cut and when it is carried out
    assert _sent(opened.exchange, "POST") - before == (2 if fault["kind"] == "late" else 1)
    assert opened.disagreements() == []
    assert opened.place().status == "accepted"


@some_ambiguous
def test_an_order_that_traded_unseen_is_booked(opened: House, fault: dict[str, Any]) -> None:
    opened.exchange.faults.add(Fault(on="place", count=1, **fault))
    order = opened.place(type="market")
    opened.exchange.settle()
    opened.until(lambda: opened.order(order).status in {"filled", "rejected"})
    assert (opened.order(order).status == "filled") == bool(opened.there(order))
    opened.until(lambda: opened.disagreements() == [])
    assert "external" not in opened.kinds()


@ambiguous
def test_a_cancel_that_is_not_answered_happens(opened: House, fault: dict[str, Any]) -> None:
    order = opened.place()
    opened.exchange.faults.add(Fault(on="cancel", count=1, **fault))
    assert opened.cancel(order).status in {"pending_cancel", "canceled"}
    assert opened.final(order).status == "canceled"
    assert opened.disagreements() == []


@some_ambiguous
def test_an_edit_that_is_not_answered_doubles_nothing(opened: House, fault: dict[str, Any]) -> None:
    order = opened.place()
    for on in ("cancel", "place"):
        opened.exchange.faults.add(Fault(on=on, count=1, **fault))
    with suppress(TradingError):
        opened.edit(order, price="41000")
    opened.exchange.settle()
    opened.until(
        lambda: all(each.status not in {"unknown", "pending_new", "pending_cancel"} for each in opened.orders())
    )
    assert opened.disagreements() == []
    assert sum(each.status == "open" for each in opened.exchange.book.orders(OWNER)) <= 1


@pytest.mark.parametrize("kind", ["refuse", "error", "garbage", "truncated", "hang", "limit"])
@pytest.mark.parametrize("group", ["query", "balance", "any"])
def test_failing_queries_conclude_nothing(opened: House, kind: str, group: str) -> None:
    opened.exchange.faults.add(Fault("garbage", on="place", count=1))
    order = opened.place()
    opened.exchange.faults.add(Fault(kind, on=group, count=3, seconds=0.2))  # type: ignore[arg-type]
    assert opened.final(order).status == "accepted"
    assert opened.disagreements() == []


def test_queries_that_lag_conclude_nothing(opened: House) -> None:
    opened.exchange.book.lag = 0.4
    opened.exchange.faults.add(Fault("garbage", on="place", count=1))
    order = opened.place()
    market = opened.place(type="market", amount="0.02")
    assert opened.final(order).status == "accepted"
    opened.until(lambda: opened.order(market).status == "filled")
    time.sleep(1.5)
    assert opened.disagreements() == []
    assert "external" not in opened.kinds()


@pytest.mark.parametrize("kind", ["limit", "ban"])
def test_an_exchange_that_wants_to_be_left_alone_is(house: House, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    house.exchange.faults.add(Fault(kind, on="place", count=1, seconds=60))  # type: ignore[arg-type]
    with pytest.raises(EngineUnavailable) as error:
        house.place(key="k", client_order_id="mine")
    assert error.value.code == "exchange_rate_limited"
    assert error.value.retry_after is not None
    seen = len(house.exchange.seen)
    with pytest.raises(EngineUnavailable):
        house.place()
    assert len(house.exchange.seen) - seen <= 1  # what was under way
    (account,) = house.host.engine._accounts.live()
    assert account.trader.breaker.wait > 0
    monkeypatch.setattr(account.trader.breaker, "_now", lambda: time.monotonic() + 61)
    order = house.place(key="k", client_order_id="mine")
    assert (order.status, order.client_order_id) == ("accepted", "mine")
    assert house.disagreements() == []


def test_an_exchange_that_is_away_is_told_at_once_and_takes_nothing(house: House) -> None:
    house.exchange.stop()
    try:
        codes = set()
        for _ in range(8):
            with pytest.raises(EngineUnavailable) as error:
                house.sent()
            codes.add(error.value.code)
        assert codes == {"exchange_unavailable"}
        assert {order.status for order in house.orders()} <= {"rejected"}
    finally:
        house.exchange.stop = lambda: None  # type: ignore[method-assign]


def test_a_clock_that_is_off_is_corrected(house: House) -> None:
    house.exchange.skew = 30
    with suppress(EngineUnavailable):
        house.place()
    house.until(lambda: _placed(house))
    assert house.disagreements() == []


def _placed(house: House) -> bool:
    try:
        return house.place().status == "accepted"
    except EngineUnavailable:
        return False


@pytest.mark.parametrize(
    "fault", [{"kind": "hang"}, {"kind": "hang", "accept": False}, {"kind": "late", "seconds": 0.7}]
)
def test_an_engine_that_dies_between_sending_and_the_answer_finds_out(house: House, fault: dict[str, Any]) -> None:
    house.exchange.faults.add(Fault(on="place", count=1, **fault))
    house.place()
    house.restart()
    (order,) = house.orders()
    house.exchange.settle()
    assert house.final(order).status == ("accepted" if house.there(order) else "rejected")
    assert house.disagreements() == []


def test_an_intent_that_was_committed_but_never_sent_ends(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(self: object, order: object) -> None:
        raise SystemError("killed")

    monkeypatch.setattr("engine.live.trader.LiveTrader.send", die)
    with suppress(TradingError):
        house.place()
    monkeypatch.undo()
    (order,) = house.orders()
    assert order.status == "pending_new"
    house.restart()
    assert house.final(order).reject_code == "not_received"
    assert house.there(order) == []
    assert client_id(order) not in {each.client_id for each in house.exchange.book.orders(OWNER)}
