"""What trades gained: average cost with fees, over markets that hang together."""

from __future__ import annotations

from decimal import Decimal

import models
from models import Database
from tests.books import differences, rows
from tests.engine_host import EngineHost
from tests.factories import SignedIn
from tests.manual_market import ManualMarket
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, OrderTicket, PlaceOrder


def test_gains_are_proceeds_less_average_cost(
    host: EngineHost, market: ManualMarket, engine_bridge: OctoBotBridge, user: SignedIn, database: Database
) -> None:
    def put(symbol: str, price: str) -> None:
        market.set_price(symbol, Decimal(price))
        host.tick()

    def trade(side: str, amount: str, symbol: str) -> Decimal | None:
        ticket = OrderTicket(symbol=symbol, side=side, type="market", amount=Decimal(amount))  # type: ignore[arg-type]
        engine_bridge.place_order(PlaceOrder(actor=Actor(user_id=user.id), account=user.account_id, ticket=ticket))
        gain: Decimal | None = rows(database, models.Trade)[-1].realized_pnl
        return gain

    def entries() -> dict[str, Decimal | None]:
        return {each.symbol: each.entry_price for each in engine_bridge.portfolio(user.account_id).positions}

    put("BTC/USDT", "50000")
    put("ETH/USDT", "2500")
    put("ETH/BTC", "0.05")
    assert trade("buy", "0.1", "BTC/USDT") is None
    assert entries() == {"BTC/USDT": 50_050}
    put("BTC/USDT", "60000")
    assert trade("sell", "0.04", "BTC/USDT") == Decimal("2397.6") - Decimal("0.04") * 50_050
    # buying ETH gives BTC away: 0.02 and the fee, which are worth 1201.2 USDT now
    assert trade("buy", "0.4", "ETH/BTC") == Decimal("1201.2") - Decimal("0.02002") * 50_050
    assert entries() == {"BTC/USDT": 50_050, "ETH/USDT": 3_003}
    assert trade("sell", "0.4", "ETH/USDT") == Decimal("999") - Decimal("1201.2")
    assert entries() == {"BTC/USDT": 50_050}
    host.stop()
    host.start()
    assert trade("buy", "0.1", "ETH/USDT") is None
    assert entries() == {"BTC/USDT": 50_050, "ETH/USDT": Decimal("2502.5")}  # nothing is left of the first entry
    # selling ETH for BTC: 0.005 less the fee join the 0.03998 that are left
    assert trade("sell", "0.1", "ETH/BTC") == Decimal("0.004995") * 60_000 - Decimal("250.25")
    cost = Decimal("0.03998") * 50_050 + Decimal("0.004995") * 60_000
    found = entries()["BTC/USDT"]
    assert found is not None
    assert abs(found - cost / Decimal("0.044975")) < Decimal("1e-17")
    assert differences(database, engine_bridge) == []
