"""Positions reckoned by hand: 10x leverage, taker fee 0.05 %, maker fee 0.02 %, maintenance margin 0.5 %."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.contract.exchange import dec, fails
from tests.integration.futures.holder import SYMBOL, Holder
from utils.errors import Conflict, NotFound, Refused
from utils.wire import ArchiveAccount, EngageKillSwitch, ResetAccount


def test_a_long_position_locks_its_margin_and_gains_when_the_price_rises(holder: Holder) -> None:
    order = holder.place("buy", amount="0.1")
    assert (order.status, order.average, order.cost) == ("filled", 50_000, 5_000)
    assert order.fee is not None
    assert (order.fee.currency, order.fee.cost) == ("USDT", dec("2.5"))
    holder.set_price(51_000)
    position = holder.position
    assert (position.symbol, position.side, position.amount) == (SYMBOL, "long", dec("0.1"))
    assert (position.entry_price, position.mark_price, position.unrealized_pnl) == (50_000, 51_000, 100)
    assert (position.leverage, position.margin) == (10, 500)
    # 50,000 - (500 - 0.1 * 50,000 * 0.005) / 0.1
    assert position.liquidation_price == 45_250
    assert (position.realized_pnl, position.funding) == (dec("-2.5"), 0)
    portfolio = holder.bridge.portfolio(holder.account)
    usdt = portfolio.currencies["USDT"]
    assert (usdt.total, usdt.locked, usdt.free) == (dec("9997.5"), 500, dec("9497.5"))
    assert portfolio.total_value == dec("10097.5")
    assert portfolio.profit.amount == dec("97.5")
    assert holder.ledger() == [("fee", "-2.5")]
    holder.agrees()


def test_a_short_position_gains_when_the_price_falls(holder: Holder) -> None:
    holder.place("sell", amount="0.1")
    holder.set_price(49_000)
    position = holder.position
    assert (position.side, position.amount, position.unrealized_pnl) == ("short", dec("0.1"), 100)
    # 50,000 + (500 - 25) / 0.1
    assert position.liquidation_price == 54_750
    order = holder.close_position()
    assert (order.side, order.amount, order.average, order.reduce_only) == ("buy", dec("0.1"), 49_000, True)
    assert holder.positions == []
    assert holder.ledger() == [("fee", "-2.5"), ("pnl", "100"), ("fee", "-2.45")]
    assert [trade.realized_pnl for trade in holder.trades()] == [None, dec("97.55")]
    assert holder.balances() == {"USDT": (dec("10095.05"), 0)}
    holder.agrees()


def test_adding_averages_the_entry_price(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.set_price(52_000)
    holder.place("buy", amount="0.3")
    position = holder.position
    assert (position.amount, position.entry_price) == (dec("0.4"), 51_500)
    assert position.margin == 500 + 1_560
    assert holder.ledger() == [("fee", "-2.5"), ("fee", "-7.8")]
    holder.agrees()


def test_an_average_that_does_not_end_stays_equal_to_octobots(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.set_price("50000.1")
    holder.place("buy", amount="0.2")
    assert holder.position.entry_price == dec("50000.066666666666666667")
    holder.set_price(50_100)
    holder.place("sell", amount="0.1")
    holder.place("sell", amount="0.1")
    holder.place("sell", amount="0.1")
    assert holder.positions == []
    # 0.1 * 100 + 0.2 * 99.9, less 3e-19 lost in the average
    gained = sum(dec(amount) for kind, amount in holder.ledger() if kind == "pnl")
    assert gained == dec("29.9799999999999999999")
    holder.agrees()


def test_reducing_realises_a_share_and_keeps_the_entry_price(holder: Holder) -> None:
    holder.place("buy", amount="0.4")
    holder.set_price(51_000)
    holder.place("sell", amount="0.1")
    position = holder.position
    assert (position.amount, position.entry_price, position.margin) == (dec("0.3"), 50_000, 1_500)
    # 100 gained; fees 0.4 * 50,000 and 0.1 * 51,000 at 0.05 %
    assert position.realized_pnl == 100 - 10 - dec("2.55")
    assert holder.ledger() == [("fee", "-10"), ("pnl", "100"), ("fee", "-2.55")]
    holder.agrees()


def test_a_sale_larger_than_the_position_turns_it_around(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.set_price(49_000)
    holder.place("sell", amount="0.3")
    position = holder.position
    assert (position.side, position.amount, position.entry_price) == ("short", dec("0.2"), 49_000)
    assert (position.margin, position.realized_pnl) == (980, 0)
    assert holder.ledger() == [("fee", "-2.5"), ("pnl", "-100"), ("fee", "-7.35")]
    assert holder.trades()[-1].realized_pnl == dec("-107.35")
    holder.agrees()


def test_a_resting_limit_locks_margin_and_fee_and_fills_as_maker(holder: Holder) -> None:
    order = holder.place("buy", "limit", amount="0.1", price="49000")
    # 4,900 / 10 and the taker fee
    assert holder.balances() == {"USDT": (10_000 - 490 - dec("2.45"), dec("492.45"))}
    holder.set_price(48_900)
    assert holder.again(order).average == 49_000
    assert holder.position.margin == 490
    assert holder.ledger() == [("fee", "-0.98")]
    holder.agrees()


def test_canceling_and_editing_move_the_lock(holder: Holder) -> None:
    order = holder.place("buy", "limit", amount="0.1", price="49000")
    holder.edit(order, price="48000", amount="0.2")
    assert holder.locked("USDT") == 960 + dec("4.8")
    holder.agrees()
    holder.cancel(order.id)
    assert holder.balances() == {"USDT": (10_000, 0)}
    holder.agrees()


def test_an_order_needs_margin_for_what_it_opens_alone(holder: Holder) -> None:
    holder.place("buy", amount="1.9")  # of 10,000: 9,500 margin, 47.5 fee
    with fails(Refused, "insufficient_funds", "amount"):
        holder.place("buy", amount="0.1")
    holder.place("sell", amount="3.5")  # reverses to 1.6 short
    assert holder.position.amount == dec("1.6")
    holder.agrees()


def test_the_whole_wallet_can_be_used_but_not_a_cent_more(holder: Holder) -> None:
    # x * 50,000 * (0.1 + 0.0005) <= 10,000
    with fails(Refused, "insufficient_funds", "amount"):
        holder.place("buy", amount="1.991")
    holder.place("buy", amount="1.99")
    assert holder.free("USDT") == 10_000 - 9_950 - dec("49.75")
    holder.agrees()


@pytest.mark.parametrize(
    ("leverage", "margin", "liquidation"), [(1, 5_000, 250), (100, 50, 49_750), (5, 1_000, 40_250)]
)
def test_leverage_moves_the_margin_of_an_open_position(
    holder: Holder, leverage: int, margin: int, liquidation: int
) -> None:
    holder.place("buy", amount="0.1")
    answer = holder.leverage(leverage)
    assert (answer.leverage, answer.max_leverage) == (leverage, 100)
    assert (answer.margin, answer.liquidation_price) == (margin, liquidation)
    assert holder.position.margin == margin
    assert holder.locked("USDT") == margin
    holder.agrees()


def test_leverage_is_refused_where_the_margin_does_not_allow_it(holder: Holder) -> None:
    holder.place("buy", amount="1.5")
    with fails(Refused, "insufficient_funds", "leverage"):
        holder.leverage(5)
    with fails(Refused, "invalid_leverage", "leverage"):
        holder.leverage(101)
    with fails(Refused, "invalid_leverage", "leverage"):
        holder.leverage("2.5")
    holder.set_price(49_500)
    with fails(Refused, "liquidation_too_close", "leverage"):
        holder.leverage(100)
    assert holder.position.leverage == 10
    holder.agrees()


def test_a_high_leverage_is_for_small_positions(holder: Holder) -> None:
    holder.leverage(100)
    holder.place("buy", amount="4")
    with fails(Refused, "leverage_too_high", "amount"):
        holder.place("buy", amount="1.1")
    holder.place("buy", "limit", amount="0.5", price="49000")
    with fails(Refused, "leverage_too_high", "amount"):
        holder.place("buy", "limit", amount="0.7", price="49000")
    holder.agrees()


def test_closing_is_repeatable_with_a_key(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    first = holder.close_position(key="close")
    holder.place("buy", amount="0.1")
    assert holder.close_position(key="close") == first
    assert holder.position.amount == dec("0.1")
    holder.close_position()
    with fails(NotFound, "position_not_found"):
        holder.close_position()
    with fails(NotFound, "unknown_symbol"):
        holder.close_position("XXX/USDT:USDT")


def test_what_cannot_be_traded_says_why(holder: Holder) -> None:
    with fails(Refused, "inverse_not_supported", "symbol"):
        holder.place("buy", symbol="BTC/USD:BTC", amount="100")
    with fails(Refused, "inverse_not_supported", "symbol"):
        holder.leverage(5, "BTC/USD:BTC")
    with fails(Refused, "not_a_futures_market", "symbol"):
        holder.place("buy", symbol="BTC/USDT", amount="0.1")


def test_positions_are_apart_by_market(holder: Holder) -> None:
    holder.exchange.set_price("ETH/USDT:USDT", Decimal(2_000))
    holder.place("buy", amount="0.1")
    holder.place("sell", symbol="ETH/USDT:USDT", amount="2")
    holder.exchange.set_price("ETH/USDT:USDT", Decimal(2_100))
    holder.set_price(50_500)
    gains = {position.symbol: position.unrealized_pnl for position in holder.positions}
    assert gains == {SYMBOL: 50, "ETH/USDT:USDT": -200}
    # default leverage 5 for ETH
    assert holder.locked("USDT") == 500 + 800
    assert holder.bridge.portfolio(holder.account).total_value == 10_000 - dec("2.5") - 2 - 150
    holder.agrees()


def test_a_preview_tells_what_would_be_free(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    preview = holder.preview("sell", amount="0.3")
    assert preview.ok
    # 0.1 closes (500 come back), 0.2 open (1,000), fee 7.5
    assert preview.balance_after == {"USDT": dec("9497.5") + 500 - 1_000 - dec("7.5")}
    refused = holder.preview("sell", amount="0.3", reduce_only=True)
    assert [check.code for check in refused.checks if not check.ok] == ["reduce_only_too_large"]


def test_octobot_knows_the_leverage(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.leverage(20)
    account = holder.exchange._host.engine._accounts._open[holder.account]
    octobot: Any = account.octobot
    held = octobot._manager.exchange_personal_data.positions_manager.positions[SYMBOL]
    assert held.symbol_contract.current_leverage == 20
    assert held.symbol_contract is octobot._manager.exchange.get_pair_contract(SYMBOL)


def test_a_reset_begins_anew(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.place("buy", "limit", amount="0.1", price="40000")
    command = ResetAccount(actor=holder.actor, account=holder.account)
    holder.bridge.reset_account(command)
    assert holder.positions == []
    assert holder.balances() == {"USDT": (10_000, 0)}
    holder.place("sell", amount="0.1")
    assert (holder.position.side, holder.position.leverage) == ("short", 10)
    holder.agrees()
    holder.exchange.restart()
    assert holder.position.amount == dec("0.1")
    holder.agrees()


def test_an_account_with_a_position_is_not_archived(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    command = ArchiveAccount(actor=holder.actor, account=holder.account)
    with fails(Conflict, "positions_open"):
        holder.bridge.archive_account(command)
    holder.close_position()
    holder.bridge.archive_account(command)


def test_a_position_survives_a_restart_to_the_last_digit(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    holder.set_price("50000.1")
    holder.place("buy", amount="0.2")
    limit = holder.place("sell", "limit", amount="0.1", price="55000", reduce_only=True)
    trail = holder.place("sell", "trailing_stop", amount="0.3", trailing_percent="3", reduce_only=True)
    before, balances = holder.position, holder.balances()
    holder.exchange.restart()
    assert (holder.position, holder.balances()) == (before, balances)
    assert holder.open_ids() == {limit.id, trail.id}
    holder.set_price(55_000)
    holder.set_price(53_000)
    assert holder.positions == []
    holder.agrees()


def test_a_conditional_order_of_a_killed_account_waits_but_the_liquidation_does_not(holder: Holder) -> None:
    holder.place("buy", amount="0.1")
    engage = EngageKillSwitch(actor=holder.actor, scope="account", target=holder.account, reason=None)
    holder.bridge.engage_kill_switch(engage)
    holder.set_price(45_000)
    assert holder.positions == []
    holder.agrees()
