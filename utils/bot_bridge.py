"""The door to the operator's bot: `BotBridge`, over the bot's Unix socket, with the same frames as the engine's."""

from __future__ import annotations

import time
from typing import Any

from utils.octobot_bridge import Transport
from utils.wire import (
    BotReport,
    BotRequest,
    BotResult,
    CancelBotOrders,
    GetBotOrders,
    GetBotPortfolio,
    GetBotReport,
    GetBotResult,
    GetBotTrades,
    NotifyBot,
    Order,
    PauseBot,
    Portfolio,
    Trade,
)

NOTIFY_SECONDS = 15.0
"""How long the bot is waited for while its notifiers ask other servers; it answers sooner by itself."""


class BotBridge:
    """Ask the bot, from any thread; every call has one deadline of `timeout` seconds.

    All methods raise what `Transport.call` raises.
    """

    def __init__(self, transport: Transport, timeout: float = 5.0) -> None:
        self._transport = transport
        self._timeout = timeout

    def report(self) -> BotReport:
        """Return how the bot is."""
        report: BotReport = self._call(GetBotReport())
        return report

    def pause(self, *, is_paused: bool) -> BotReport:
        """Let the bot trade, or not, and return how it is then."""
        report: BotReport = self._call(PauseBot(is_paused=is_paused))
        return report

    def cancel_orders(self) -> BotReport:
        """Let it begin to cancel its open orders, and return how it is: see when none is left."""
        report: BotReport = self._call(CancelBotOrders())
        return report

    def portfolio(self, exchange: str) -> Portfolio:
        """Return what it holds at an exchange. :raises NotFound: `unknown_exchange`."""
        portfolio: Portfolio = self._call(GetBotPortfolio(exchange=exchange))
        return portfolio

    def result(self, query: GetBotResult) -> BotResult:
        """Return what became of what it had at an exchange. :raises NotFound: `unknown_exchange`."""
        result: BotResult = self._call(query)
        return result

    def orders(self, query: GetBotOrders) -> list[Order]:
        """Return its open orders. :raises NotFound: `unknown_exchange`."""
        orders: list[Order] = self._call(query)
        return orders

    def trades(self, query: GetBotTrades) -> list[Trade]:
        """Return its trades. :raises NotFound: `unknown_exchange`."""
        trades: list[Trade] = self._call(query)
        return trades

    def notify(self, notice: NotifyBot) -> list[str]:
        """Let its notifiers tell something, and return their names when all have done so.

        :raises Conflict: `no_notifier` or `category_off`. :raises NotReady: `notifier_failed`; they are named.
        """
        notifiers: list[str] = self._call(notice, NOTIFY_SECONDS)
        return notifiers

    def _call(self, request: BotRequest, timeout: float | None = None) -> Any:
        return self._transport.call(request, time.time() + (timeout or self._timeout))
