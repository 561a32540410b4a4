"""A market whose makers pay less than its takers (the demo market's pay the same)."""

from __future__ import annotations

from decimal import Decimal

import pytest
from msgspec.structs import replace

from models import Database
from tests.books import differences
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, EditOrder, Instrument, Order, OrderTicket, PlaceOrder

MAKER, TAKER = Decimal("0.0005"), Decimal("0.002")


class TwoFees(ManualMarket):
    def instruments(self) -> list[Instrument]:
        return [replace(each, maker_fee=MAKER, taker_fee=TAKER) for each in super().instruments()]


@pytest.fixture
def market() -> ManualMarket:
    return TwoFees()


def test_a_lock_holds_the_takers_fee_and_a_fill_pays_its_own(
    host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    actor = Actor(user_id=user.id)

    def put(price: int) -> None:
        market.set_price(SYMBOL, Decimal(price))
        host.tick()
        assert differences(database, engine_bridge) == []

    def place(type: str, side: str = "buy", **fields: int) -> Order:
        exact = {name: Decimal(value) for name, value in fields.items()}
        ticket = OrderTicket(symbol=SYMBOL, side=side, type=type, amount=Decimal("0.1"), **exact)  # type: ignore[arg-type]
        return engine_bridge.place_order(PlaceOrder(actor=actor, account=user.account_id, ticket=ticket))

    def usdt() -> tuple[Decimal, Decimal]:
        holding = engine_bridge.portfolio(user.account_id).currencies["USDT"]
        return holding.free, holding.locked

    put(50_000)
    resting = place("limit", price=40_000)
    place("stop_limit", stop_price=51_000, price=51_000)
    assert usdt() == (10_000 - 4_000 * (1 + TAKER), 4_000 * (1 + TAKER))
    host.stop()
    host.start()
    put(40_000)  # the limit fills as maker
    left = 10_000 - 4_000 * (1 + MAKER)
    assert usdt() == (left, 0)
    put(52_000)  # the stop-limit triggers and rests below the market
    assert usdt() == (left - 5_100 * (1 + TAKER), 5_100 * (1 + TAKER))
    put(51_000)
    left -= 5_100 * (1 + MAKER)
    assert usdt() == (left, 0)
    resting = place("limit", "sell", price=60_000)
    edited = engine_bridge.edit_order(
        EditOrder(actor=actor, account=user.account_id, order_id=resting.id, price=Decimal(50_000))
    )
    assert (edited.status, edited.average) == ("filled", 51_000)  # a taker by its edit
    left += 5_100 * (1 - TAKER)
    assert usdt() == (left, 0)
    place("market", "sell")
    assert usdt() == (left + 5_100 * (1 - TAKER), 0)
    assert differences(database, engine_bridge) == []
