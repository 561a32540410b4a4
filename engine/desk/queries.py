"""Requests over the bridge that only read accounts in memory and markets."""

from __future__ import annotations

from typing import Any

from engine.accounts.accounts import Accounts
from engine.markets.markets import Markets
from utils import wire


class Queries:
    """Answer questions; nothing is changed."""

    def __init__(self, accounts: Accounts, markets: Markets) -> None:
        self._accounts = accounts
        self._markets = markets

    def handlers(self) -> dict[type[wire.Request], Any]:
        """Return what answers each question."""
        return {
            wire.GetPortfolio: self._portfolio,
            wire.GetOpenOrders: self._open_orders,
            wire.GetTrades: self._trades,
            wire.GetInstruments: self._markets.instruments,
            wire.GetTickers: self._markets.tickers,
            wire.GetCandles: self._markets.candles,
            wire.GetOrderBook: self._markets.order_book,
            wire.GetMarketTrades: self._markets.trades,
            wire.GetOptionChain: self._markets.option_chain,
        }

    async def _portfolio(self, query: wire.GetPortfolio) -> wire.Portfolio:
        async with self._accounts.held(query.account) as account:
            return account.overview()

    async def _open_orders(self, query: wire.GetOpenOrders) -> list[wire.Order]:
        async with self._accounts.held(query.account) as account:
            return [account.orders[order_id] for order_id in account.octobot.open_order_ids()]

    async def _trades(self, query: wire.GetTrades) -> list[wire.Trade]:
        async with self._accounts.held(query.account) as account:
            return [account.trades[trade_id] for trade_id in account.octobot.trade_ids() if trade_id in account.trades]
