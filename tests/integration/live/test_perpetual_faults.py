"""What an exchange that fails makes of orders, positions and settings in perpetuals: nothing lost or doubled."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from sqlalchemy import insert, update
from sqlalchemy.exc import IntegrityError

import models
from tests.books import differences
from tests.databases import Factory
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.perpetual import default_perpetuals
from tests.integration.live.futures_house import PERPETUAL, FuturesHouse
from tests.integration.live.house import OWNER
from tests.integration.live.test_faults import ambiguous, some_ambiguous
from tests.settings import settings_for
from utils import clock, wire
from utils.errors import EngineTimeout, EngineUnavailable, Refused
from utils.ids import new_id


@pytest.fixture(scope="module")
def shared(new_database: Factory, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FuturesHouse]:
    directory = tmp_path_factory.mktemp("perpetuals")
    database = new_database(directory)
    with LoopbackBinance(perpetuals=default_perpetuals()) as exchange:
        house = FuturesHouse(settings_for(directory, database), database, exchange)
        house.until(house.is_open)
        yield house
        house.close()
    database.close()


@pytest.fixture
def house(shared: FuturesHouse) -> Iterator[FuturesHouse]:
    """A house that many tests share: its account is open, in nothing, and nothing is under way."""
    yield shared
    shared.tidy()
    if not flat(shared):
        shared.until(lambda: shared.position)
        shared.until(partial(done, shared.close_position))
    shared.agrees()


def done(act: Callable[[], Any]) -> bool:
    """Tell whether the exchange could be asked to do something."""
    try:
        act()
    except EngineUnavailable:
        return False
    return True


def _is_filled(house: FuturesHouse, order: wire.Order) -> bool:
    return house.order(order).status == "filled"


def flat(house: FuturesHouse) -> bool:
    return not house.book.position(OWNER, PERPETUAL).amount


@ambiguous
def test_an_order_that_is_not_answered_is_booked_or_proven_absent(house: FuturesHouse, fault: dict[str, Any]) -> None:
    house.leverage("20")
    before = len(house.ledger())
    house.exchange.faults.add(Fault(on="place", count=1, **fault))
    key = new_id()
    order = house.market(key=key)
    assert house.repeated(order, lambda: house.market(key=key))
    house.exchange.settle()
    house.until(lambda: house.order(order).status in {"filled", "rejected"})
    assert (house.order(order).status == "filled") == (len(house.there(order)) == 1)
    house.agrees()
    kinds = [kind for kind, _ in house.ledger()[before:]]
    assert kinds == (["fee"] if house.there(order) else [])
    assert flat(house) == (not house.there(order))


@some_ambiguous
def test_a_position_is_closed_once(house: FuturesHouse, fault: dict[str, Any]) -> None:
    house.market()
    house.set_price("50100")
    house.exchange.faults.add(Fault(on="place", count=1, **fault))
    key = new_id()
    closing = house.close_position(key)
    assert house.repeated(closing, lambda: house.close_position(key))
    house.exchange.settle()
    house.until(lambda: house.order(closing).status in {"filled", "rejected"})
    house.agrees()
    assert flat(house) == (house.order(closing).status == "filled")
    assert [order.side for order in house.book.orders(OWNER)].count("sell") <= 1 + sum(
        order.side == "sell" and order.status == "filled" for order in house.orders() if order.id != closing.id
    )


@pytest.mark.parametrize("fault", [{"kind": "error"}, {"kind": "garbage"}, {"kind": "truncated"}, {"kind": "hang"}])
def test_a_leverage_that_is_not_answered_is_looked_up(house: FuturesHouse, fault: dict[str, Any]) -> None:
    house.leverage("20")
    house.exchange.faults.add(Fault(on="account", count=1, **fault))
    assert house.leverage("30").leverage == 30
    assert house.book.leverage(OWNER, PERPETUAL) == 30
    house.exchange.faults.add(Fault(on="account", count=1, accept=False, **fault))
    with pytest.raises(EngineTimeout) as unknown:
        house.leverage("40")
    assert unknown.value.code == "leverage_unknown"
    assert house.leverage("40").leverage == 40


@pytest.mark.parametrize("kind", ["limit", "ban"])
def test_patience_that_is_asked_for_leaves_everything_as_it_was(house: FuturesHouse, kind: Any) -> None:
    house.leverage("20")
    placed = len(house.book.orders(OWNER))
    acts: dict[Any, Callable[[], Any]] = {"account": lambda: house.leverage("35"), "place": house.market}
    for on, act in acts.items():
        house.exchange.faults.add(Fault(kind, on=on, count=1, seconds=1))
        with pytest.raises(EngineUnavailable) as refused:
            act()
        assert refused.value.code == "exchange_rate_limited"
        house.tidy()
    assert len(house.book.orders(OWNER)) == placed
    assert house.book.leverage(OWNER, PERPETUAL) == 20


def test_margin_is_isolated_before_an_order_leaves(house: FuturesHouse) -> None:
    def forget() -> None:
        house.book.margin_types[OWNER, PERPETUAL] = "CROSSED"
        for account in house.host.engine._accounts.live():
            account._settings.clear()  # type: ignore[attr-defined]

    forget()
    house.exchange.faults.add(Fault("error", on="account", count=1))
    with pytest.raises(EngineUnavailable):
        house.market()
    assert flat(house)
    forget()

    # the look succeeds, the change is taken and not answered, and looked up
    taken: list[str] = []
    strike = house.exchange.faults.strike

    def second(group: Any) -> Fault | None:
        if group == "account":
            taken.append(group)
        return Fault("error", on="account") if len(taken) == 2 and group == "account" else strike(group)

    house.exchange.faults.strike = second  # type: ignore[method-assign]
    try:
        assert house.market().status == "filled"
    finally:
        house.exchange.faults.strike = strike  # type: ignore[method-assign]
    assert house.book.margin_type(OWNER, PERPETUAL) == "ISOLATED"


def test_queries_that_lag_invent_nothing(house: FuturesHouse) -> None:
    before = len(house.ledger())
    house.exchange.usdm.book.lag = 0.4
    try:
        sides: tuple[wire.Side, ...] = ("buy", "sell", "buy")
        for side in sides:
            order = house.market(side, "0.05")
            house.until(partial(_is_filled, house, order))
        house.book.fund(PERPETUAL, "0.0001")
        house.agrees()
    finally:
        house.exchange.usdm.book.lag = 0
    assert {kind for kind, _ in house.ledger()[before:]} <= {"fee", "pnl", "funding"}


@pytest.mark.parametrize("kind", ["error", "garbage", "truncated", "refuse"])
def test_a_wallet_that_cannot_be_read_is_read_later(house: FuturesHouse, kind: Any) -> None:
    house.exchange.faults.add(Fault(kind, on="balance", accept=False, probability=0.5))
    house.market()
    house.book.fund(PERPETUAL, "0.0001")
    house.book.deposit(OWNER, "USDT", "10")
    house.agrees()
    assert house.ledger()[-1][0] in {"external", "funding", "fee"}


def test_a_clock_that_is_off_is_set(house: FuturesHouse) -> None:
    house.exchange.skew = 30
    house.until(partial(done, house.market))
    house.exchange.skew = 0


def test_what_the_exchange_refuses_is_told_by_its_code(house: FuturesHouse) -> None:
    house.book.set_leverage(OWNER, PERPETUAL, 1)  # in its app: nobody here knows yet
    with pytest.raises(Refused) as refused:
        house.market(amount="2")
    assert refused.value.code == "insufficient_funds"
    assert flat(house)


def test_limits_and_the_kill_switch_hold(house: FuturesHouse) -> None:
    actor = wire.Actor(user_id=house.user)

    def limit(**limits: Any) -> None:
        command = wire.SetRiskLimits(actor=actor, account=house.account, limits=wire.RiskLimits(**limits))
        house.bridge.set_risk_limits(command)

    house.market(amount="0.05")
    limit(max_position_value=Decimal(4000))
    with pytest.raises(Refused) as refused:
        house.market(amount="0.05")
    assert refused.value.code == "risk_max_position_value"
    limit()
    resting = house.place(amount="0.01", price="45000")
    scope: dict[str, Any] = {"actor": actor, "account": house.account, "scope": "account", "target": house.account}
    state = house.bridge.engage_kill_switch(wire.EngageKillSwitch(reason="", **scope))
    assert state.canceled == [resting.id]
    with pytest.raises(Refused) as refused:
        house.market()
    assert refused.value.code == "kill_switch"
    house.bridge.release_kill_switch(wire.ReleaseKillSwitch(**scope))


def test_sql_and_memory_agree_and_a_planted_difference_is_found(house: FuturesHouse) -> None:
    house.market()
    house.place(amount="0.01", price="45000")
    house.agrees()
    assert differences(house.database, house.bridge) == []
    with house.database.write() as session:
        session.execute(update(models.Balance).values(total=Decimal(1)))
    found = {words.partition(":")[0] for words in differences(house.database, house.bridge)}
    assert found == {"event", "ledger", "lock", "memory"}
    with house.database.write() as session:
        session.execute(update(models.Balance).values(total=house.book.wallet(OWNER)))


def test_an_income_cannot_be_booked_twice(house: FuturesHouse) -> None:
    house.book.deposit(OWNER, "USDT", "1")
    house.agrees()
    with pytest.raises(IntegrityError), house.database.write() as session:
        (entry,) = session.execute(
            models.LedgerEntry.__table__.select().where(models.LedgerEntry.exchange_entry_id.is_not(None)).limit(1)
        )
        session.execute(
            insert(models.LedgerEntry).values(**{**entry._mapping, "id": new_id(), "created_at": clock.now()})
        )


def test_the_engine_stops_while_an_order_is_under_way(house: FuturesHouse) -> None:
    house.exchange.faults.add(Fault("hang", on="place", count=1))
    order = house.market()
    assert order.status == "unknown"
    house.restart()
    house.until(lambda: house.order(order).status == "filled")
    house.agrees()
    assert len(house.there(order)) == 1
