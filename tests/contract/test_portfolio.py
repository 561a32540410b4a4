"""The portfolio and the preview."""

from __future__ import annotations

from decimal import Decimal

from tests.contract.exchange import SYMBOL, Trader, dec, fails
from utils.errors import NotFound


def test_a_fresh_account_has_its_deposit(trader: Trader) -> None:
    portfolio = trader.bridge.portfolio(trader.account)
    assert (portfolio.account, portfolio.mode, portfolio.reference_currency) == (trader.account, "paper", "USDT")
    assert (portfolio.total_value, portfolio.open_orders, portfolio.positions) == (10_000, 0, [])
    assert (portfolio.profit.amount, portfolio.profit.percent) == (0, 0)
    assert portfolio.currencies["USDT"].value == 10_000


def test_holdings_are_valued_at_the_mark(holder: Trader) -> None:
    fee = 5_000 * holder.market.taker_fee
    holder.place("sell", "limit", price="70000", amount="0.04")
    holder.set_price(60_000)
    portfolio = holder.bridge.portfolio(holder.account)
    coin = portfolio.currencies["BTC"]
    assert (coin.free, coin.locked, coin.total, coin.value) == (dec("0.06"), dec("0.04"), dec("0.1"), 6_000)
    assert portfolio.total_value == 11_000 - fee
    assert portfolio.profit.amount == 1_000 - fee
    assert portfolio.profit.percent == (1_000 - fee) / 100
    assert portfolio.open_orders == 1


def test_a_holding_is_a_position(holder: Trader) -> None:
    holder.set_price(60_000)
    holder.place("buy", "market", amount="0.05")
    [position] = holder.bridge.portfolio(holder.account).positions
    assert (position.symbol, position.side, position.amount) == (SYMBOL, "long", dec("0.15"))
    assert position.mark_price == 60_000
    assert position.entry_price is not None
    average = (5_000 + 3_000) / dec("0.15")
    fees = 8_000 * holder.market.taker_fee / dec("0.15")
    assert average <= position.entry_price <= average + fees
    assert position.unrealized_pnl == (60_000 - position.entry_price) * dec("0.15")


def test_a_preview_changes_nothing_and_tells_what_placing_does(trader: Trader) -> None:
    preview = trader.preview("buy", "market", amount="0.1")
    assert trader.balances() == {"USDT": (10_000, 0)}
    assert trader.open_orders() == []
    assert preview.ok
    assert all(check.ok for check in preview.checks)

    order = trader.place("buy", "market", amount="0.1")
    assert (preview.amount, preview.price, preview.cost) == (order.amount, order.average, order.cost)
    assert preview.fee == order.fee
    assert preview.balance_after["USDT"] == trader.free("USDT")
    assert preview.balance_after["BTC"] == trader.free("BTC")


def test_a_preview_resolves_a_quote_amount(trader: Trader) -> None:
    preview = trader.preview("buy", "market", quote_amount="100")
    assert preview.amount == trader.place("buy", "market", quote_amount="100").amount


def test_a_preview_of_a_resting_limit_shows_the_lock(trader: Trader) -> None:
    preview = trader.preview("buy", "limit", amount="0.1", price="40000")
    assert (preview.price, preview.cost) == (40_000, 4_000)
    trader.place("buy", "limit", amount="0.1", price="40000")
    assert preview.balance_after["USDT"] == trader.free("USDT")


def test_a_preview_names_the_rules_that_are_broken(trader: Trader) -> None:
    preview = trader.preview("buy", "market", amount="1")
    assert not preview.ok
    assert [check.code for check in preview.checks if not check.ok] == ["insufficient_funds"]
    assert all(check.message for check in preview.checks if not check.ok)
    assert all(check.code is None for check in preview.checks if check.ok)
    assert any(check.ok for check in preview.checks)


def test_a_preview_of_an_unknown_market_is_not_found(trader: Trader) -> None:
    with fails(NotFound, "unknown_symbol"):
        trader.preview(symbol="XXX/USDT")


def test_a_round_trip_at_one_price_costs_the_fees(holder: Trader) -> None:
    holder.place("sell", "market", amount="0.1")
    portfolio = holder.bridge.portfolio(holder.account)
    assert portfolio.profit.amount == -2 * 5_000 * holder.market.taker_fee
    gain = holder.trades()[-1].realized_pnl
    assert gain is not None
    assert gain < 0
    assert portfolio.positions == []
    assert sum((h.value or Decimal(0) for h in portfolio.currencies.values()), Decimal(0)) == portfolio.total_value
