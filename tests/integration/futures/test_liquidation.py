"""Liquidation by hand: 0.1 BTC at 50,000 with 10x leverage is liquidated at 45,250 (long) and 54,750 (short)."""

from __future__ import annotations

import pytest

from tests.contract.exchange import dec
from tests.integration.futures.holder import SYMBOL, Holder
from utils.errors import EngineUnavailable


def test_a_position_lives_until_the_mark_reaches_its_liquidation_price(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.set_price("45250.1")
    assert holder.position.amount == dec("0.1")
    holder.set_price("45250")
    assert holder.positions == []
    # 0.1 * 4,750 lost, fee 0.05 % of 4,525; 22.7375 of the margin are left
    assert holder.ledger() == [("fee", "-2.5"), ("pnl", "-475"), ("fee", "-2.2625")]
    assert holder.balances() == {"USDT": (dec("9520.2375"), 0)}
    order = holder.bridge.trades(holder.account)[-1]
    assert (order.side, order.price, order.realized_pnl) == ("sell", 45_250, dec("-477.2625"))
    holder.agrees()


@pytest.mark.parametrize(("side", "price"), [("buy", 40_000), ("sell", 60_000)])
def test_a_gap_through_the_liquidation_price_costs_the_margin_and_no_more(
    holder: Holder, side: str, price: int
) -> None:
    holder.place(side, amount="0.1")
    holder.set_price(price)
    assert holder.positions == []
    fee = dec(price) * dec("0.00005")
    insured = 1_000 + fee - 500
    assert [(kind, dec(amount)) for kind, amount in holder.ledger()] == [
        ("fee", dec("-2.5")),
        ("insurance", insured),
        ("pnl", -1_000),
        ("fee", -fee),
    ]
    assert holder.wallet == 10_000 - dec("2.5") - 500
    holder.agrees()


def test_a_liquidation_leaves_other_positions_and_the_free_balance_alone(holder: Holder) -> None:
    eth = "ETH/USDT:USDT"
    holder.exchange.set_price(eth, dec(2_000))
    holder.place("buy", symbol=eth, amount="1")
    holder.place("buy", amount="1.9")
    before = holder.free("USDT")
    holder.set_price(30_000)
    assert [position.symbol for position in holder.positions] == [eth]
    assert holder.free("USDT") == before
    assert holder.wallet >= 0
    holder.agrees()


def test_a_liquidation_cancels_the_orders_of_its_market(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    more = holder.place("buy", "limit", amount="0.1", price="44000")
    stop = holder.place("sell", "stop", amount="0.1", stop_price="44500", reduce_only=True)
    other = holder.place("buy", "limit", symbol="ETH/USDT:USDT", amount="1", price="1000")
    holder.set_price(43_000)
    for order in (more, stop):
        now = holder.again(order)
        assert (now.status, now.reject_code) == ("canceled", "liquidation")
    assert holder.again(other).status == "accepted"
    assert holder.positions == []
    holder.agrees()


def test_an_order_that_opens_beyond_its_liquidation_price_is_liquidated_at_once(holder: Holder) -> None:
    holder.place("buy", "limit", amount="0.1", price="49000")
    holder.set_price(40_000)
    holder.set_price("40000.1")
    assert holder.positions == []
    # filled at its own price (490 margin), then lost
    assert holder.wallet == 10_000 - dec("0.98") - 490
    holder.agrees()


def test_nobody_trades_a_position_that_is_lost(holder: Holder) -> None:
    """A command that comes between the tick and its liquidation finds the position liquidated."""
    holder.place("buy", amount="0.1")
    holder.exchange._market.set_price(SYMBOL, dec(44_000))
    host = holder.exchange._host
    host.engine._triggers.guard("demo", {"symbol": SYMBOL, "account_id": holder.account, "amount": dec(0)})
    host.tick()  # nothing watches any more, so the tick does not act
    assert holder.stored().amount == dec("0.1")
    holder.place("buy", amount="0.2")
    position = holder.position
    assert (position.amount, position.entry_price) == (dec("0.2"), 44_000)
    assert [kind for kind, _ in holder.ledger()] == ["fee", "insurance", "pnl", "fee", "fee"]
    holder.agrees()


def test_what_was_reached_while_the_engine_was_down_is_liquidated_at_the_first_tick(holder: Holder) -> None:
    holder.place("sell", amount="0.1")
    host = holder.exchange._host
    host.stop()
    holder.exchange._market.set_price(SYMBOL, dec(55_000))
    host.start()
    host.run(host.engine.settle())
    assert holder.positions == []
    assert holder.wallet == 10_000 - dec("2.5") - 500
    holder.agrees()


def _refuse(*_: object) -> None:
    raise EngineUnavailable("The prices are too old to trade at.", code="stale_market_price")


def test_a_market_that_goes_quiet_keeps_no_liquidation(holder: Holder, monkeypatch: pytest.MonkeyPatch) -> None:
    holder.place("buy", amount="0.1")
    more = holder.place("buy", "limit", amount="0.1", price="40000")
    monkeypatch.setattr(holder.exchange._host.engine.market, "fresh_quote", _refuse)
    holder.set_price(44_000)
    holder.set_price(43_999)
    assert holder.again(more).reject_code == "liquidation"
    assert holder.positions == []
    assert [kind for kind, _ in holder.ledger()] == ["fee", "insurance", "pnl", "fee"]
    holder.agrees()
