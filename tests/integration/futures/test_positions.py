"""Positions reckoned by hand: 10x leverage, taker fee 0.05 %, maker fee 0.02 %, maintenance margin 0.5 %."""

from __future__ import annotations

from decimal import Decimal

from tests.integration.futures.holder import SYMBOL, Holder


def test_a_long_position_locks_its_margin_and_gains_when_the_price_rises(holder: Holder) -> None:
    order = holder.place("buy", amount="0.1")
    assert (order.status, order.average, order.cost) == ("filled", 50_000, 5_000)
    assert order.fee is not None
    assert (order.fee.currency, order.fee.cost) == ("USDT", Decimal("2.5"))
    holder.set_price(51_000)
    position = holder.position
    assert (position.symbol, position.side, position.amount) == (SYMBOL, "long", Decimal("0.1"))
    assert (position.entry_price, position.mark_price, position.unrealized_pnl) == (50_000, 51_000, 100)
    assert (position.leverage, position.margin) == (10, 500)
    # 50,000 - (500 - 0.1 * 50,000 * 0.005) / 0.1
    assert position.liquidation_price == 45_250
    assert (position.realized_pnl, position.funding) == (Decimal("-2.5"), 0)
    portfolio = holder.bridge.portfolio(holder.account)
    usdt = portfolio.currencies["USDT"]
    assert (usdt.total, usdt.locked, usdt.free) == (Decimal("9997.5"), 500, Decimal("9497.5"))
    assert portfolio.total_value == Decimal("10097.5")
    assert portfolio.profit.amount == Decimal("97.5")
    assert holder.ledger() == [("fee", "-2.5")]
    holder.agrees()
