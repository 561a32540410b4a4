"""What must outlive the process."""

from __future__ import annotations

from tests.contract.exchange import Trader, dec
from utils.wire import Subscribe


def test_balances_and_open_orders_come_back_and_still_fill(holder: Trader) -> None:
    limit = holder.place("buy", "limit", price="40000", amount="0.01")
    _first, _second = holder.pair("55000", "45000", amount="0.05")
    trail = holder.place("sell", "trailing_stop", trailing_percent="10", amount="0.05")
    holder.set_price(54_000)  # the best price the trail has seen
    balances, orders = holder.balances(), holder.open_orders()

    holder.exchange.restart()

    assert holder.balances() == balances
    assert sorted(holder.open_orders(), key=lambda o: o.id) == sorted(orders, key=lambda o: o.id)
    holder.set_price(48_600)
    assert holder.again(trail).average == 48_600
    holder.set_price(39_000)
    assert holder.again(limit).average == 40_000
    assert holder.open_orders() == []
    assert holder.free("BTC") == dec("0.01")


def test_keys_outlive_a_restart(trader: Trader) -> None:
    order = trader.place("buy", "market", amount="0.01")
    trader.exchange.restart()
    assert trader.again(order) == order


def test_event_ids_grow_over_a_restart(trader: Trader) -> None:
    def newest() -> int:
        stream = trader.bridge.subscribe(Subscribe(exchange="demo", heartbeat=1))
        found = next(event.id for event in stream if event is not None)
        stream.close()  # type: ignore[attr-defined]
        return found

    before = newest()
    trader.exchange.restart()
    trader.set_price(50_001)
    assert newest() > before
