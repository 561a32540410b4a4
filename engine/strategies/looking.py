"""What a strategy is shown: its present, once that is certain.

What an exchange has made of a live order may not be known for a while. A strategy that decided meanwhile would see
coins that are gone, or miss some that are there.
"""

from __future__ import annotations

from collections.abc import Iterable

from engine.accounts.account import Account
from engine.accounts.accounts import Accounts
from engine.markets.market import Market
from engine.orders import kinds
from engine.strategies.book import OrderBook
from engine.strategies.candles import closed_candles
from engine.strategies.mode import Window
from engine.strategies.records import StrategyRecord
from engine.strategies.thinking import StrategyFault
from engine.strategies.view import View, own_order
from utils.errors import EngineUnavailable
from utils.wire import FINAL_STATUSES, Alert, Order


async def look(
    record: StrategyRecord,
    window: Window | None,
    book: OrderBook,
    *,
    accounts: Accounts,
    market: Market,
    alert: Alert | None,
) -> View:
    """Return what a strategy sees now; one that is told something by an alert does not wait for certainty.

    :raises EngineUnavailable: `order_pending`, or prices or candles are not known; to be asked again.
    :raises StrategyFault: `unknown_order`.
    """
    markets = {symbol: market.instrument(symbol) for symbol in record.symbols}
    prices = {symbol: market.fresh_quote(symbol).price for symbol in markets}
    candles = {symbol: await closed_candles(market, symbol, window) for symbol in markets}
    currencies = {each for instrument in markets.values() for each in (instrument.base, instrument.quote)}
    async with accounts.held(record.account_id) as account:
        _check_own(account)
        if alert is None:
            check_certain(account.orders.values())
        return View(
            run=record.run,
            memory=record.memory,
            markets=markets,
            prices=prices,
            candles=candles,
            free={currency: account.octobot.free(currency) for currency in currencies},
            totals={currency: account.octobot.total(currency) for currency in currencies},
            own=book.orders(),
            alert=alert,
            mode=record.mode,
        )


def check_certain(orders: Iterable[Order]) -> None:
    """Wait for what may have moved the balances of a live account. :raises EngineUnavailable: `order_pending`."""
    for order in orders:
        if order.mode == "live" and order.status not in FINAL_STATUSES and kinds.may_move_balances(order):
            detail = f"{order.exchange} has not told yet what became of the order {order.id}."
            raise EngineUnavailable(detail, code="order_pending", retry_after=1)


def _check_own(account: Account) -> None:
    """Stop at an order that is not the strategy's: its exchange knew of it when a restored database did not.

    What else it had done by then is not known either, so it must not go on. :raises StrategyFault: `unknown_order`.
    """
    for order in account.orders.values():
        if own_order(order) is None:
            detail = f"The order {order.id} is open on its account, and it does not know to have placed it."
            raise StrategyFault(detail, code="unknown_order")
