"""OctoBot as its home wants it: started, paused, asked, stopped. Never through `octobot.cli` or `octobot.commands`."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import octobot.community
import octobot.constants
import octobot.logger
import octobot_evaluators.api as evaluator_api
import octobot_trading.api as trading_api
from octobot.octobot import OctoBot

from engine.bot import tentacles
from engine.bot.configuration import configuration_of
from engine.bot.endings import AGAIN, STOPPED
from engine.bot.exchanges import DemoInitializer
from engine.bot.notifiers import Notifiers
from engine.bot.reads import exchange_of
from utils.errors import NotFound
from utils.home import Home
from utils.wire import BotReport

OPEN_SECONDS = 45.0
"""How long OctoBot may take to open its exchanges."""
CANCEL_SECONDS = 2.0
"""How long orders that could not be canceled are left alone."""
_log = logging.getLogger("bot")


class Bot:
    """Hold the one OctoBot of this process."""

    def __init__(self, home: Home, *, may_trade_live: bool) -> None:
        self._home = home
        self._may_trade_live = may_trade_live
        self._octobot: Any = None
        self._is_paused = False
        self._evaluators: list[str] = []
        self._cancelling: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.notifiers = Notifiers(lambda: self._octobot)
        self.asked: asyncio.Future[int] = self._loop.create_future()
        """Has the exit code when OctoBot asks for the end of the process."""

    async def start(self, *, is_paused: bool) -> None:
        """Start OctoBot, and return when its exchanges are there.

        :raises Unusable: what is in the home cannot be run. :raises RuntimeError: no exchange could be opened.
        """
        self._is_paused = is_paused
        await tentacles.load(self._home)
        octobot.logger.init_bot_channel_logger()
        configuration = configuration_of(self._home, may_trade_live=self._may_trade_live, is_paused=is_paused)
        octobot.community.IdentifiersProvider.use_environment_from_config(configuration)
        # its own code expects it from the one who starts it
        self._octobot = OctoBot(configuration)
        self._octobot.task_manager.async_loop = self._loop
        self._octobot.initializer = DemoInitializer(self._octobot)
        self._take_over(self._octobot.octobot_api)
        await self._octobot.initialize()
        active = evaluator_api.get_activated_evaluators(self._octobot.tentacles_setup_config)
        self._evaluators = sorted(evaluator.get_name() for evaluator in active)
        await self._exchanges(trading_api.get_enabled_exchanges_names(configuration.config))

    async def stop(self) -> None:
        """Stop OctoBot."""
        if self._octobot is not None and self._octobot.stopped is not None:
            await self._octobot.stop()

    def pause(self, *, is_paused: bool) -> None:
        """Let OctoBot make, change and cancel orders, or not; open ones may fill in both cases."""
        self._is_paused = is_paused
        # an exchange that is opened later looks there
        self._octobot.config["trading"]["paused"] = is_paused
        for manager in self.managers():
            trading_api.set_trading_enabled(manager, not is_paused)
        _log.info("trading is %s", "paused" if is_paused else "on")

    def cancel_orders(self) -> None:
        """Begin to cancel all open orders, unless that is under way; a paused OctoBot does it too."""
        if self._cancelling is None or self._cancelling.done():
            self._cancelling = asyncio.ensure_future(self._cancel_orders())

    async def _cancel_orders(self) -> None:
        for manager in self.managers():
            try:
                await manager.trader.cancel_all_open_orders(force_if_disabled=True)
            except Exception:
                _log.exception("the orders at %s could not be canceled", manager.exchange_name)
        if self.open_orders():
            # whoever waits for it asks again and again; an exchange that refuses is not asked as often
            await asyncio.sleep(CANCEL_SECONDS)

    def open_orders(self) -> int:
        """Return how many orders rest at all exchanges."""
        return sum(len(trading_api.get_open_orders(manager)) for manager in self.managers())

    def managers(self) -> list[Any]:
        """Return what OctoBot knows of its exchanges."""
        ids = self._octobot.exchange_producer.exchange_manager_ids
        found = trading_api.get_exchange_managers_from_exchange_ids(ids)
        return [manager for manager in found if manager.trader is not None]

    def manager(self, exchange: str) -> Any:
        """Return what OctoBot knows of an exchange. :raises NotFound: `unknown_exchange`."""
        for manager in self.managers():
            if manager.exchange_name == exchange:
                return manager
        raise NotFound(f"The bot does not trade at {exchange}.", code="unknown_exchange")

    def report(self) -> BotReport:
        """Return how it is."""
        return BotReport(
            pid=os.getpid(),
            octobot_version=version("octobot"),
            started_at=datetime.fromtimestamp(self._octobot.start_time, UTC),
            is_paused=self._is_paused,
            open_orders=self.open_orders(),
            profile=self._octobot.get_startup_config(octobot.constants.CONFIG_KEY, dict_only=False).profile.profile_id,
            exchanges=[exchange_of(manager) for manager in self.managers()],
            evaluators=self._evaluators,
            notifiers=self.notifiers.names(),
        )

    def _take_over(self, api: Any) -> None:
        """Let OctoBot's own interfaces end this process in order; by themselves they would replace or kill it."""
        api.stop_bot = lambda: self._ask(STOPPED)
        api.restart_bot = lambda: self._ask(AGAIN)
        api.update_bot = lambda: _log.warning("OctoBot is updated with this installation alone")

    def _ask(self, code: int) -> None:
        def settle() -> None:
            if not self.asked.done():
                self.asked.set_result(code)

        _log.info("OctoBot asks for its end" if code == STOPPED else "OctoBot asks to be started anew")
        self._loop.call_soon_threadsafe(settle)

    async def _exchanges(self, wanted: list[str]) -> None:
        if not wanted:
            _log.warning("no exchange is enabled")
            return
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._octobot.exchange_producer.created_all_exchanges.wait()
        except TimeoutError:
            missing = sorted(set(wanted) - set(self._names()))
            if len(missing) == len(set(wanted)):
                detail = f"No exchange could be opened ({', '.join(missing)}); the log says why."
                raise RuntimeError(detail) from None
            _log.warning("not opened within %.0f s: %s", OPEN_SECONDS, ", ".join(missing))

    def _names(self) -> Iterator[str]:
        return (manager.exchange_name for manager in self.managers())
