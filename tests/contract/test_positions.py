"""Closing what a spot account holds. Positions in perpetuals are in tests/integration/futures: the fake has none."""

from __future__ import annotations

from decimal import Decimal

from tests.contract.exchange import SYMBOL, Trader, dec, fails
from utils.errors import NotFound, Refused
from utils.wire import ClosePosition, Order, SetLeverage


def close(trader: Trader, symbol: str = SYMBOL, key: str | None = None) -> Order:
    command = ClosePosition(actor=trader.actor, account=trader.account, symbol=symbol, idempotency_key=key)
    return trader.bridge.close_position(command)


def test_closing_sells_what_is_free(holder: Trader) -> None:
    holder.place("sell", "limit", amount="0.03", price="60000")
    order = close(holder)
    assert (order.side, order.type, order.status, order.filled) == ("sell", "market", "filled", dec("0.07"))
    assert holder.balances()["BTC"] == (0, dec("0.03"))
    with fails(NotFound, "position_not_found"):
        close(holder)


def test_closing_is_repeatable_with_a_key(holder: Trader) -> None:
    first = close(holder, key="close")
    holder.place("buy", "market", amount="0.1")
    assert close(holder, key="close") == first
    assert holder.free("BTC") == dec("0.1")


def test_an_unknown_market_cannot_be_closed(trader: Trader) -> None:
    with fails(NotFound, "unknown_symbol", "symbol"):
        close(trader, "XXX/USDT")


def test_a_spot_account_has_no_leverage(trader: Trader) -> None:
    with fails(Refused, "not_a_futures_account"):
        trader.bridge.set_leverage(
            SetLeverage(actor=trader.actor, account=trader.account, symbol=SYMBOL, leverage=Decimal(10))
        )
