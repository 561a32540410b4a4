"""Deposits, resets and the end of an account."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal

import pytest

from tests.contract.exchange import Exchange, Trader, dec, fails
from utils.errors import Conflict, Refused
from utils.ids import new_id
from utils.wire import AccountState, ArchiveAccount, Deposit, DepositFunds, ResetAccount


@pytest.fixture(autouse=True)
def books(exchange: Exchange) -> Iterator[None]:
    """Hold ledger, balances and OctoBot against each other after every test."""
    yield
    assert exchange.differences() == []


def pay(trader: Trader, currency: str, amount: str, key: str | None = None) -> Deposit:
    command = DepositFunds(
        actor=trader.actor, account=trader.account, currency=currency, amount=dec(amount), idempotency_key=key
    )
    return trader.bridge.deposit(command)


def reset(trader: Trader, balance: str | None = None, key: str | None = None) -> AccountState:
    starting = None if balance is None else dec(balance)
    return trader.bridge.reset_account(
        ResetAccount(actor=trader.actor, account=trader.account, starting_balance=starting, idempotency_key=key)
    )


def archive(trader: Trader, key: str | None = None) -> AccountState:
    return trader.bridge.archive_account(
        ArchiveAccount(actor=trader.actor, account=trader.account, idempotency_key=key)
    )


def profit(trader: Trader) -> tuple[Decimal, Decimal]:
    found = trader.bridge.portfolio(trader.account).profit
    return found.amount, found.percent


# ---------------------------------------------------------------------------------------------- deposit


def test_a_deposit_is_no_profit(trader: Trader) -> None:
    paid = pay(trader, "USDT", "2500.5")
    assert (paid.account, paid.currency, paid.amount, paid.value) == (trader.account, "USDT", dec("2500.5"), 2500.5)
    assert (paid.total, paid.deposited, paid.reference_currency) == (dec("12500.5"), dec("12500.5"), "USDT")
    assert trader.balances() == {"USDT": (dec("12500.5"), 0)}
    assert profit(trader) == (0, 0)


def test_a_deposit_of_coins_counts_at_the_mark(trader: Trader) -> None:
    paid = pay(trader, "BTC", "0.2")
    assert (paid.value, paid.total, paid.deposited) == (10_000, dec("0.2"), 20_000)
    trader.set_price(55_000)
    assert profit(trader) == (1_000, 5)
    [position] = trader.bridge.portfolio(trader.account).positions
    assert (position.entry_price, position.unrealized_pnl) == (50_000, 1_000)
    order = trader.place("sell", "market", amount="0.2")
    assert order.fee is not None
    assert trader.trades()[-1].realized_pnl == 1_000 - order.fee.cost


def test_a_deposit_averages_into_what_is_held(holder: Trader) -> None:
    before = holder.bridge.portfolio(holder.account).positions[0].entry_price
    assert before is not None
    holder.set_price(70_000)
    pay(holder, "BTC", "0.1")
    [position] = holder.bridge.portfolio(holder.account).positions
    assert (position.amount, position.entry_price) == (dec("0.2"), (before + 70_000) / 2)


def test_a_deposit_can_be_spent_at_once(trader: Trader) -> None:
    pay(trader, "USDT", "10000")
    assert trader.place("buy", "market", amount="0.35").status == "filled"


@pytest.mark.parametrize("currency", ["XXX", "usdt", "EUR"])
def test_what_no_market_values_is_not_taken(trader: Trader, currency: str) -> None:
    with fails(Refused, "currency_not_valued", "currency"):
        pay(trader, currency, "1")
    assert trader.balances() == {"USDT": (10_000, 0)}


def test_a_repeated_deposit_is_booked_once(trader: Trader) -> None:
    key = new_id()
    first = pay(trader, "USDT", "100", key)
    pay(trader, "USDT", "1")
    assert pay(trader, "USDT", "100", key) == first
    assert trader.free("USDT") == 10_101
    with fails(Refused, "idempotency_key_reused"):
        pay(trader, "USDT", "101", key)
    assert trader.free("USDT") == 10_101


def test_a_refused_deposit_stays_refused(trader: Trader) -> None:
    key = new_id()
    for _ in range(2):
        with fails(Refused, "currency_not_valued", "currency"):
            pay(trader, "XXX", "100", key)
    with fails(Refused, "idempotency_key_reused"):
        pay(trader, "USDT", "100", key)


def test_deposits_at_once_under_one_key_are_one(trader: Trader) -> None:
    key = new_id()
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: pay(trader, "USDT", "7", key), range(8)))
    assert all(answer == answers[0] for answer in answers)
    assert trader.free("USDT") == 10_007


# ------------------------------------------------------------------------------------------------ reset


def test_a_reset_leaves_the_starting_balance(holder: Trader) -> None:
    pay(holder, "USDT", "5000")
    holder.place("buy", "limit", price="40000", amount="0.01")
    holder.pair("55000", "45000", amount="0.05")
    holder.place("sell", "trailing_stop", trailing_percent="10", amount="0.05")
    state = reset(holder)
    assert (state.account, state.status, state.starting_balance, state.deposited) == (
        holder.account,
        "active",
        10_000,
        10_000,
    )
    assert state.reset_at is not None
    assert holder.open_orders() == []
    assert holder.balances() == {"USDT": (10_000, 0)}
    assert profit(holder) == (0, 0)
    assert holder.bridge.portfolio(holder.account).positions == []


def test_a_reset_takes_another_balance_and_keeps_it(trader: Trader) -> None:
    assert reset(trader, "250.75").starting_balance == dec("250.75")
    assert trader.balances() == {"USDT": (dec("250.75"), 0)}
    pay(trader, "BTC", "1")
    assert reset(trader).starting_balance == dec("250.75")
    assert trader.balances() == {"USDT": (dec("250.75"), 0)}


def test_costs_begin_anew_after_a_reset(holder: Trader) -> None:
    reset(holder)
    holder.set_price(60_000)
    holder.place("buy", "market", amount="0.05")
    [position] = holder.bridge.portfolio(holder.account).positions
    assert position.entry_price is not None
    assert position.entry_price >= 60_000
    holder.set_price(50_000)
    assert profit(holder)[0] < -500


def test_a_canceled_order_of_a_reset_does_not_fill(trader: Trader) -> None:
    order = trader.place("buy", "limit", price="40000", amount="0.01")
    reset(trader)
    trader.set_price(30_000)
    assert trader.again(order).status == "canceled"
    assert trader.balances() == {"USDT": (10_000, 0)}


def test_a_repeated_reset_resets_once(trader: Trader) -> None:
    key = new_id()
    first = reset(trader, "500", key)
    pay(trader, "USDT", "1")
    assert reset(trader, "500", key) == first
    assert trader.free("USDT") == 501
    with fails(Refused, "idempotency_key_reused"):
        reset(trader, None, key)


# ----------------------------------------------------------------------------------------------- archive


def test_an_archived_account_cancels_its_orders_and_takes_no_more(holder: Trader) -> None:
    order = holder.place("buy", "limit", price="40000", amount="0.01")
    holder.pair("55000", "45000", amount="0.05")
    balances = {currency: sum(held, Decimal(0)) for currency, held in holder.balances().items()}
    assert archive(holder).status == "archived"
    assert holder.open_orders() == []
    assert holder.again(order).status == "canceled"
    assert holder.balances() == {currency: (total, 0) for currency, total in balances.items()}
    with fails(Conflict, "account_archived"):
        holder.place("buy", "market", amount="0.01")
    with fails(Conflict, "account_archived"):
        holder.preview("buy", amount="0.01")
    with fails(Conflict, "account_archived"):
        pay(holder, "USDT", "1")
    with fails(Conflict, "account_archived"):
        reset(holder)
    holder.set_price(30_000)
    assert holder.bridge.portfolio(holder.account).open_orders == 0
    assert len(holder.trades()) == 1


def test_archiving_again_is_answered_alike(trader: Trader) -> None:
    assert archive(trader) == archive(trader) == archive(trader, new_id())


def test_the_answer_of_an_order_outlives_the_account(trader: Trader) -> None:
    order = trader.place("buy", "market", amount="0.01")
    archive(trader)
    assert trader.again(order) == order


# -------------------------------------------------------------------------------------------------- worth


def test_what_accounts_are_worth(exchange: Exchange, holder: Trader) -> None:
    user, second = exchange.new_account()
    pay(Trader(exchange, user, second), "USDT", "90")
    holder.set_price(60_000)
    first, other = holder.bridge.equity([holder.account, second])
    portfolio = holder.bridge.portfolio(holder.account)
    assert (first.account, other.account) == (holder.account, second)
    assert (first.value, first.currency, first.deposited) == (portfolio.total_value, "USDT", 10_000)
    assert {stake.currency: (stake.amount, stake.value) for stake in first.stakes} == {
        currency: (holding.total, holding.value) for currency, holding in portfolio.currencies.items()
    }
    assert (other.value, other.deposited, other.missing) == (10_090, 10_090, None)
    [in_coins] = holder.bridge.equity([second], "BTC")
    assert in_coins.value is not None
    assert abs(in_coins.value - dec(10_090) / 60_000) < dec("1e-17")
    assert holder.bridge.equity([]) == []


def test_an_account_that_was_never_opened_is_worth_its_deposit(exchange: Exchange) -> None:
    _, account = exchange.new_account()
    [equity] = exchange.bridge.equity([account])
    assert (equity.value, equity.deposited) == (10_000, 10_000)


def test_a_currency_that_no_market_tells_values_nothing(holder: Trader) -> None:
    [equity] = holder.bridge.equity([holder.account], "XXX")
    assert [stake.value for stake in equity.stakes] == [None, None]


# ------------------------------------------------------------------------------------------------ restart


def test_deposits_resets_and_the_end_outlive_the_process(exchange: Exchange, holder: Trader) -> None:
    user, account = exchange.new_account()
    gone = Trader(exchange, user, account)
    archive(gone)
    pay(holder, "BTC", "0.1")
    before, key = holder.bridge.portfolio(holder.account), new_id()
    first = pay(holder, "USDT", "10", key)
    exchange.restart()
    after = holder.bridge.portfolio(holder.account)
    assert after.profit.amount == before.profit.amount
    assert [position.entry_price for position in after.positions] == [before.positions[0].entry_price]
    assert pay(holder, "USDT", "10", key) == first
    with fails(Conflict, "account_archived"):
        gone.place("buy", "market", amount="0.01")
    state = reset(holder)
    exchange.restart()
    assert holder.balances() == {"USDT": (10_000, 0)}
    assert profit(holder) == (0, 0)
    assert state.deposited == 10_000
