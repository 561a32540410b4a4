"""A market order fills in one go, and leaves the account as OctoBot's own way through its states would."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest
from octobot_trading import constants, exchange_channel
from octobot_trading.errors import PortfolioNegativeValueError

from engine.accounts.octobot import _MARKET, OctoBotAccount
from engine.orders import orders
from engine.orders.drafts import draft
from engine.orders.orders import Fill
from tests.contract.exchange import SYMBOL
from tests.engine_host import EngineHost
from utils import wire
from utils.wire import Side

PRICE = Decimal("50000.01")
TOTALS = {"USDT": Decimal("10000.5"), "BTC": Decimal("0.123456789")}
TRADED = {"trade_id", "order_id", "origin_order_id", "exchange_order_id", "tag", "creation_time", "executed_time"}
"""What no two orders have in common."""


def market_order(host: EngineHost, side: Side, amount: str) -> wire.Order:
    ticket = wire.OrderTicket(symbol=SYMBOL, side=side, type="market", amount=Decimal(amount))
    return orders.new_order(draft(ticket, host.engine.market.instrument(SYMBOL), PRICE), "an account", "paper")


async def opened(name: str) -> OctoBotAccount:
    return await OctoBotAccount.open("demo", [SYMBOL], "USDT", TOTALS, name)


async def through_states(account: OctoBotAccount, order: wire.Order) -> Fill:
    """Execute `order` as OctoBot does by itself."""
    made = account._made(order, _MARKET[order.side], mark=PRICE, price=PRICE)
    await account._trader.hold(made)
    return account._take_fill()


def left(account: OctoBotAccount) -> tuple[Any, ...]:
    """Return what OctoBot knows of an account: its assets, open orders and trades."""
    personal = account._manager.exchange_personal_data
    assets = {name: (account.free(name), account.total(name)) for name in account.currencies()}
    trades = [
        {name: value for name, value in vars(trade).items() if name not in TRADED | {"trader", "exchange_manager"}}
        for trade in personal.trades_manager.trades.values()
    ]
    return assets, account.open_order_ids(), trades


@pytest.mark.parametrize(("side", "amount"), [("buy", "0.0123"), ("sell", "0.0777"), ("sell", "0.123456789")])
def test_a_market_order_leaves_what_octobot_leaves(host: EngineHost, side: Side, amount: str) -> None:
    async def both() -> tuple[Any, Any]:
        ours, theirs = await opened("ours"), await opened("theirs")
        try:
            one = await ours.execute(market_order(host, side, amount), PRICE)
            other = await through_states(theirs, market_order(host, side, amount))
            return (one.price, one.amount, one.fee, left(ours)), (other.price, other.amount, other.fee, left(theirs))
        finally:
            await ours.close()
            await theirs.close()

    ours, theirs = host.run(both())
    assert ours == theirs
    assert ours[2].cost > 0
    assert len(ours[3][2]) == 1


def test_a_market_order_without_funds_leaves_everything(host: EngineHost) -> None:
    async def refused() -> tuple[Any, Any]:
        account = await opened("poor")
        try:
            before = left(account)
            with pytest.raises(PortfolioNegativeValueError):
                await account.execute(market_order(host, "buy", "1"), PRICE)
            return before, left(account)
        finally:
            await account.close()

    before, after = host.run(refused())
    assert after == before


class Silent:
    """The gate of a trading mode that trades nothing."""

    async def create(self, order: Any) -> None:
        raise AssertionError(order)

    async def cancel(self, order: Any) -> None:
        raise AssertionError(order)


@pytest.mark.parametrize("channel", [constants.BALANCE_CHANNEL, constants.ORDERS_CHANNEL, constants.TRADES_CHANNEL])
def test_a_trading_mode_hears_of_the_fill(host: EngineHost, channel: str) -> None:
    async def hears() -> None:
        account, heard = await opened("with a mode"), asyncio.Event()

        async def hear(**_: Any) -> None:
            heard.set()

        try:
            account._trader.gate = Silent()
            await exchange_channel.get_chan(channel, account._manager.id).new_consumer(hear)
            await account.execute(market_order(host, "buy", "0.01"), PRICE)
            async with asyncio.timeout(30):
                await heard.wait()
        finally:
            await account.close()

    host.run(hears())
