"""One life of the bot: start OctoBot, answer for it, stop it. Imported with the bot's home as working directory."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

from config import Settings
from engine.bot.endings import STOPPED
from engine.bot.octobot import Bot
from engine.bot.reads import orders, portfolio, trades
from engine.bot.results import result
from engine.demo.exchange import register
from engine.markets.source import MarketSource
from engine.server import Handler, Server
from utils.home import Home
from utils.wire import (
    BotReport,
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
    Request,
    Trade,
)

STOP_SECONDS = 8.0
_log = logging.getLogger("bot")


async def run(settings: Settings, home: Home, source: MarketSource, stopped: asyncio.Event, *, is_paused: bool) -> int:
    """Run until `stopped`, or until OctoBot asks for its end, and return the exit code.

    :raises Unusable: what is in the home cannot be run.
    """
    register(source)
    bot = Bot(home, may_trade_live=settings.live_trading_enabled)
    server = Server(_Handlers(bot).table(), {})
    starting = asyncio.ensure_future(bot.start(is_paused=is_paused))
    ending = asyncio.ensure_future(stopped.wait())
    await asyncio.wait([starting, ending], return_when=asyncio.FIRST_COMPLETED)
    try:
        if not starting.done():
            starting.cancel()
            return STOPPED
        starting.result()
        await server.start(settings.bot_socket)
        _log.info("bot ready")
        ends: list[asyncio.Future[Any]] = [ending, bot.asked]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        return bot.asked.result() if bot.asked.done() else STOPPED
    finally:
        await server.stop()
        await _stop(bot)


async def _stop(bot: Bot) -> None:
    """Stop OctoBot; whatever goes wrong with it, the process ends next, and not for that reason."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            await bot.stop()
    except TimeoutError:
        _log.warning("OctoBot did not stop within %.0f s", STOP_SECONDS)
    except Exception:
        _log.exception("OctoBot did not stop in order")


class _Handlers:
    """Answer for the bot."""

    def __init__(self, bot: Bot) -> None:
        self._bot = bot

    def table(self) -> dict[type[Request], Handler]:
        """Return what answers which request."""
        return {
            GetBotReport: self._report,
            PauseBot: self._pause,
            CancelBotOrders: self._cancel_orders,
            GetBotPortfolio: self._portfolio,
            GetBotOrders: self._orders,
            GetBotTrades: self._trades,
            GetBotResult: self._result,
            NotifyBot: self._bot.notifiers.notify,
        }

    async def _report(self, _query: GetBotReport) -> BotReport:
        return self._bot.report()

    async def _pause(self, command: PauseBot) -> BotReport:
        self._bot.pause(is_paused=command.is_paused)
        return self._bot.report()

    async def _cancel_orders(self, _command: CancelBotOrders) -> BotReport:
        self._bot.cancel_orders()
        return self._bot.report()

    async def _portfolio(self, query: GetBotPortfolio) -> Portfolio:
        return portfolio(self._bot.manager(query.exchange))

    async def _orders(self, query: GetBotOrders) -> list[Order]:
        return orders(self._bot.manager(query.exchange), query)

    async def _trades(self, query: GetBotTrades) -> list[Trade]:
        return trades(self._bot.manager(query.exchange), query)

    async def _result(self, query: GetBotResult) -> BotResult:
        return result(self._bot.manager(query.exchange), query.since)
