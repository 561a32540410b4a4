"""Kill switches and limits over live accounts."""

from __future__ import annotations

import time
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from config import Settings
from models import Database
from tests.exchanges.binance import LoopbackBinance
from tests.exchanges.faults import Fault
from tests.exchanges.kucoin import LoopbackKucoin
from tests.exchanges.market import default_markets
from tests.exchanges.server import Loopback
from tests.integration.live.house import OWNER, House
from utils import wire
from utils.errors import Refused

MANY = 500
ACCOUNTS = 5


def _engage(house: House) -> wire.KillSwitchState:
    actor = wire.Actor(user_id=house.user)
    command = wire.EngageKillSwitch(
        actor=actor, account=house.account, scope="installation", target="", as_admin=True, reason="test"
    )
    return house.bridge.within(10).engage_kill_switch(command)


@pytest.mark.parametrize("kind", [LoopbackBinance, LoopbackKucoin])
def test_500_open_orders_are_cancelled_or_told_in_10_seconds_while_the_exchange_fails(
    kind: Any, settings: Settings, database: Database
) -> None:
    markets = [replace(market, max_open_orders=1000) for market in default_markets()]
    exchange: Loopback
    with kind(markets) as exchange:
        house = House(settings, database, exchange)
        try:
            house.until(house.is_open)
            accounts = house.more_accounts(ACCOUNTS - 1)
            house.restart()
            placed = house.rest_everywhere(accounts, MANY // ACCOUNTS)
            assert len(placed) == MANY
            house.close()
            house.start()  # none of them is in memory yet
            for fault in (
                Fault("error", on="cancel", probability=0.1, count=40),
                Fault("hang", on="cancel", probability=0.02, count=5),
                Fault("refuse", on="query", probability=0.1, count=40),
            ):
                exchange.faults.add(fault)
            began = time.monotonic()
            state = _engage(house)
            assert time.monotonic() - began < 10
            assert {*state.canceled, *state.open} == placed
            with pytest.raises(Refused) as error:
                house.place()
            assert error.value.code == "kill_switch"
            house.restart()  # it goes on from where it was
            house.until(lambda: all(each.status != "open" for each in exchange.book.orders()), 60)
            house.until(lambda: {each.status for each in house.orders()} == {"canceled"}, 60)
        finally:
            house.close()


def test_limits_hold_for_live_orders_and_edits(opened: House) -> None:
    actor = wire.Actor(user_id=opened.user)

    def limit(**limits: Any) -> None:
        opened.bridge.set_risk_limits(
            wire.SetRiskLimits(actor=actor, account=opened.account, limits=wire.RiskLimits(**limits))
        )

    def refused(work: Any) -> str:
        with pytest.raises(Refused) as error:
            work()
        return error.value.code

    try:
        order = opened.place()
        limit(max_open_orders=1)
        assert refused(opened.place) == "risk_max_open_orders"
        assert opened.edit(order, price="40001").status == "accepted"
        order = next(each for each in opened.orders() if each.status == "accepted")
        limit(max_position_value=Decimal(51_000))
        assert refused(lambda: opened.edit(order, amount="0.03")) == "risk_max_position_value"
        assert refused(lambda: opened.place(amount="0.02")) == "risk_max_position_value"
        limit(price_collar=Decimal(10))
        assert refused(lambda: opened.edit(order, price="40002")) == "risk_price_collar"
        assert refused(opened.place) == "risk_price_collar"
        limit(allowed_symbols=[])
        assert refused(opened.place) == "risk_symbol_not_allowed"
        assert refused(lambda: opened.edit(order, price="40002")) == "risk_symbol_not_allowed"
        limit(max_order_value=Decimal(100))
        assert refused(opened.place) == "risk_max_order_value"
        assert opened.order(order).status == "accepted"
        assert opened.cancel(order).status == "canceled"  # never in the way
        limit(max_daily_loss=Decimal("0.1"))
        opened.place("buy", type="market", amount="0.01")  # the fee is a loss
        assert refused(opened.place) == "risk_max_daily_loss"
        assert opened.place("sell", price="60000").status == "accepted"  # it reduces
    finally:
        limit()
    assert len([each for each in opened.exchange.book.orders(OWNER) if each.status == "open"]) == 1
