"""A live futures account inside OctoBot: an `ExchangeManager` for futures with our trader, and exact wallets."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.live.futures.trader import FuturesTrader
from engine.live.octobot import LiveOctoBot
from utils.money import ZERO


class LiveFuturesOctoBot(LiveOctoBot):
    """Hold the wallets of a live futures account, and reach its exchange through `trader`."""

    TRADER = FuturesTrader
    EXCHANGE_TYPE = "future"

    trader: FuturesTrader

    def total(self, currency: str) -> Decimal:
        """Return the wallet's balance."""
        return self._asset(currency, "wallet_balance")

    def put(self, currency: str, total: Decimal, locked: Decimal) -> None:
        """Set what the wallet has of `currency`, and how much of that margins take."""
        self._wallet(currency).set(total=total, position_margin=max(min(locked, total), ZERO), order_margin=ZERO)

    def _wallet(self, currency: str) -> Any:
        portfolio = self._manager.exchange_personal_data.portfolio_manager.portfolio
        return portfolio.get_currency_portfolio(currency)
