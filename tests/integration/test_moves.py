"""The table of moves, and the engine that keeps to it."""

from __future__ import annotations

from decimal import Decimal
from typing import get_args

import pytest
from msgspec.structs import replace

import models
from engine.accounts.account import Account
from engine.journal.unit import Unit
from models import Database
from tests.books import differences, rows
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils import wire
from utils.errors import EngineFault
from utils.octobot_bridge import OctoBotBridge
from utils.wire import FINAL_STATUSES, MOVES, OPEN_STATUSES, Actor, OrderStatus, OrderTicket, PlaceOrder, may_move


def test_the_table_has_every_status_and_ends() -> None:
    assert set(MOVES) == set(get_args(OrderStatus)) == {*OPEN_STATUSES, *FINAL_STATUSES}
    assert set(FINAL_STATUSES) == {"filled", "canceled", "expired", "rejected", "replaced"}
    assert [status for status, following in MOVES.items() if "pending_new" in following] == ["accepted"]


@pytest.mark.parametrize(
    ("before", "after"),
    [("filled", "canceled"), ("canceled", "filled"), ("filled", "filled"), ("pending_cancel", "accepted"),
     ("accepted", "rejected"), ("unknown", "pending_new"), ("accepted", "unknown"), ("rejected", "accepted")],
)  # fmt: skip
def test_what_no_order_does(before: OrderStatus, after: OrderStatus) -> None:
    assert not may_move(before, after)


def test_a_forbidden_move_is_not_stored_and_the_account_is_read_anew(
    host: EngineHost, engine_bridge: OctoBotBridge, market: ManualMarket, user: SignedIn, database: Database
) -> None:
    market.set_price(SYMBOL, Decimal(50_000))
    host.tick()
    ticket = OrderTicket(symbol=SYMBOL, side="buy", type="market", amount=Decimal("0.01"))
    order = engine_bridge.place_order(PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket))
    assert order.status == "filled"

    async def reopen(_account: Account, unit: Unit) -> wire.Order:
        reopened = replace(order, status="accepted")
        unit.order(reopened)
        return reopened

    async def plant() -> None:
        desk = host.engine.desk
        await desk._change(await desk._accounts.get(user.account_id), reopen)

    with pytest.raises(EngineFault):
        host.run(plant())
    assert [row.status for row in rows(database, models.Order)] == ["filled"]
    assert differences(database, engine_bridge) == []
