"""Orders that the engine holds for a live account until a price comes."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from engine.markets.market import Market
from engine.markets.source import Quote
from tests.exchanges.faults import Fault
from tests.integration.live.house import OWNER, House
from utils import wire
from utils.errors import Conflict, EngineUnavailable, Refused

STOP: dict[str, Any] = {"side": "sell", "type": "stop", "price": None, "stop_price": "45000"}
AWAY: dict[str, dict[str, Any]] = {
    "503 after accepting": {"kind": "error", "status": 503},
    "503 instead": {"kind": "error", "status": 503, "accept": False},
    "cut after accepting": {"kind": "truncated"},
    "mute after accepting": {"kind": "hang"},
    "mute instead": {"kind": "hang", "accept": False},
    "late": {"kind": "late", "seconds": 0.7},
}


def _requests(house: House) -> int:
    """Return how many orders the exchange was asked to take."""
    return sum(seen.method == "POST" and "order" in seen.path for seen in house.exchange.seen)


@pytest.mark.parametrize(
    ("ticket", "prices", "kind"),
    [
        ({"side": "sell", "type": "stop", "stop_price": "45000"}, ["46000", "45000"], "market"),
        ({"side": "buy", "type": "stop", "stop_price": "55000"}, ["54000", "55000"], "market"),
        ({"side": "sell", "type": "stop_limit", "stop_price": "45000", "price": "60000"}, ["45000"], "limit"),
        ({"side": "sell", "type": "take_profit", "stop_price": "55000"}, ["55500"], "market"),
        ({"side": "buy", "type": "take_profit_limit", "stop_price": "45000", "price": "44000"}, ["45000"], "limit"),
        ({"side": "sell", "type": "trailing_stop", "trailing_percent": "10"}, ["60000", "55000", "54000"], "market"),
        (
            {"side": "sell", "type": "trailing_stop_limit", "trailing_percent": "10", "price": "61000"},
            ["60000", "54000"],
            "limit",
        ),
    ],
)
def test_a_held_order_is_sent_once_when_its_price_comes(
    opened: House, ticket: dict[str, Any], prices: list[str], kind: str
) -> None:
    opened.quote("50000")
    order = opened.place(**{"price": None, **ticket})
    assert (order.status, order.sent_at, opened.there(order)) == ("accepted", None, [])
    before = _requests(opened)
    for price in prices[:-1]:
        opened.quote(price)
        assert opened.order(order).triggered_at is None
    opened.quote(prices[-1])
    opened.until(lambda: opened.order(order).status == ("filled" if kind == "market" else "accepted"))
    opened.until(lambda: opened.order(order).exchange_order_id)
    assert opened.order(order).triggered_at is not None
    (there,) = opened.there(order)
    assert there.ticket.kind == kind
    opened.quote(prices[-1])
    assert _requests(opened) - before == 1
    opened.until(lambda: opened.disagreements() == [])


def test_held_orders_are_changed_and_cancelled_without_the_exchange(opened: House) -> None:
    opened.quote("50000")
    order = opened.place(**STOP)
    seen = _requests(opened)
    assert opened.edit(order, stop_price="44000").stop_price == 44_000
    opened.quote("44500")
    assert opened.order(order).triggered_at is None
    opened.until(lambda: opened.bridge.portfolio(opened.account).currencies["BTC"].locked == 0)
    opened.exchange.faults.add(Fault("hang", on="any", accept=False))
    assert opened.cancel(order).status == "canceled"
    opened.exchange.faults.clear()
    with pytest.raises(Conflict):
        opened.cancel(order)
    opened.quote("40000")
    assert (opened.there(order), _requests(opened)) == ([], seen)
    assert opened.disagreements() == []


def test_all_are_cancelled_and_the_kill_switch_takes_them_too(opened: House) -> None:
    opened.quote("50000")
    stop, limit = opened.place(**STOP), opened.place()
    actor = wire.Actor(user_id=opened.user)
    opened.bridge.cancel_orders(wire.CancelOrders(actor=actor, account=opened.account))
    assert (opened.order(stop).status, opened.final(limit).status) == ("canceled", "canceled")
    stop = opened.place(**STOP)
    target: dict[str, Any] = {"actor": actor, "scope": "account", "target": opened.account, "account": opened.account}
    state = opened.bridge.engage_kill_switch(wire.EngageKillSwitch(**target, reason="a test", idempotency_key=None))
    try:
        assert stop.id in state.canceled
        opened.quote("44000")
        assert opened.there(stop) == []
    finally:
        opened.bridge.release_kill_switch(wire.ReleaseKillSwitch(**target))


def test_a_stale_price_triggers_nothing(opened: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.quote("50000")
    order = opened.place(**STOP)

    def stale(market: Market, symbol: str) -> Quote:
        raise EngineUnavailable(f"{symbol} of {market.exchange} is old", code="stale_market_price")

    monkeypatch.setattr(Market, "fresh_quote", stale)
    opened.quote("44000")
    assert opened.order(order).triggered_at is None
    monkeypatch.undo()
    opened.quote("44000")
    assert opened.ended(order).status == "filled"


def test_what_cannot_be_paid_when_it_triggers_is_cancelled_with_its_code(opened: House) -> None:
    opened.quote("50000")
    has = opened.total("BTC")
    order = opened.place(**STOP, amount=str(has))
    other = opened.place(side="sell", price="60000", amount="0.01")
    opened.quote("45000")
    ended = opened.ended(order)
    assert (ended.status, ended.reject_code, opened.there(order)) == ("canceled", "insufficient_funds", [])
    assert opened.order(other).status == "accepted"
    assert opened.disagreements() == []


@pytest.mark.parametrize("fault", AWAY.values(), ids=AWAY.keys())
def test_a_trigger_that_is_not_answered_is_found_out_and_never_repeated(opened: House, fault: dict[str, Any]) -> None:
    opened.quote("50000")
    order = opened.place(**STOP)
    opened.exchange.faults.add(Fault(on="place", count=1, **fault))
    opened.quote("45000")
    opened.until(lambda: opened.order(order).status != "accepted")
    opened.quote("44000")
    opened.exchange.settle()
    ended = opened.ended(order)
    assert ended.status == ("filled" if opened.there(order) else "rejected")
    assert len(opened.there(order)) <= 1
    opened.until(lambda: opened.disagreements() == [])
    assert "external" not in opened.kinds()


def test_one_that_was_certainly_not_taken_is_held_again_and_sent_when_the_exchange_takes_it(opened: House) -> None:
    opened.quote("50000")
    order = opened.place(**STOP)
    opened.exchange.faults.add(Fault("limit", on="place", count=2, seconds=0.3))
    opened.quote("45000")
    opened.quote("50000")
    assert opened.ended(order).status == "filled"
    assert len(opened.there(order)) == 1
    opened.until(lambda: opened.disagreements() == [])


def test_an_engine_that_dies_between_the_trigger_and_the_request_finds_out(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.quote("50000")
    order = house.place(**STOP)

    def die(self: object, order: object) -> None:
        raise SystemError("killed")

    monkeypatch.setattr("engine.live.trader.LiveTrader.send", die)
    house.quote("45000")
    house.until(lambda: house.order(order).status == "pending_new")
    monkeypatch.undo()
    with suppress(Exception):
        house.close()
    house.start()
    ended = house.ended(order)
    assert (ended.status, ended.reject_code, house.there(order)) == ("rejected", "not_received", [])
    assert house.disagreements() == []


def test_held_orders_and_their_levels_outlive_a_restart(house: House) -> None:
    house.quote("50000")
    trailing = house.place("sell", type="trailing_stop", price=None, trailing_percent="10")
    stop = house.place(**STOP)
    house.quote("60000")
    house.restart()
    assert house.order(trailing).trailing_level == 60_000
    assert house.account not in house.host.engine._accounts.in_memory()
    house.quote("54000")
    assert house.ended(trailing).status == "filled"
    assert house.order(stop).triggered_at is None
    house.quote("45000")
    assert house.ended(stop).status == "filled"
    house.until(lambda: house.disagreements() == [])


def test_day_orders_expire_here_and_at_the_exchange(opened: House, monkeypatch: pytest.MonkeyPatch) -> None:
    opened.quote("50000")
    limit = opened.place(time_in_force="day")
    stop = opened.place(**STOP, time_in_force="day")
    opened.exchange.book.fill(opened.there(limit)[0].id, "0.004")
    tomorrow = limit.created_at + timedelta(days=1)
    monkeypatch.setattr("utils.clock.now", lambda: tomorrow)
    opened.host.run(opened.host.engine._do_chores_once(tomorrow))
    assert opened.order(stop).status == "expired"
    ended = opened.ended(limit)
    assert (ended.status, ended.filled) == ("expired", Decimal("0.004"))
    assert [each.status for each in opened.there(limit)] == ["cancelled"]
    assert opened.disagreements() == []


def test_what_paper_refuses_is_refused(opened: House) -> None:
    opened.quote("50000")
    with pytest.raises(Refused) as error:
        opened.place(**{**STOP, "stop_price": "55000"})
    assert error.value.code == "stop_price_wrong_side"
    assert OWNER
