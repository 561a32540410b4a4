"""A trading mode and a notifier in OctoBot's own format, as packages that were unpacked into a home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.home_builder import LIVED_IN
from utils.home import Home

API_SECRET = "canary-of-the-exchange"
TOKEN = "canary-of-the-mode"
MODE = "SteadyTradingMode"
NOTIFIER = "FileNotifier"
NOTICES = "notices.jsonl"
"""What the notifier was handed, in the home; while `FAILING` is there too, it fails."""

FAILING = "notifier-fails"
ABSENT = "AbsentEvaluator"
"""Active in the profile, and not installed."""

CODE = '''
import asyncio
import os

import octobot.octobot_api as octobot_api
import octobot_trading.enums as enums
import octobot_trading.errors as errors
import octobot_trading.modes as modes
import octobot_trading.personal_data as personal_data


class SteadyTradingMode(modes.AbstractTradingMode):
    """Buys at the market once, and then asks for cheap buys far below it, again and again."""

    def get_mode_producer_classes(self):
        return [SteadyProducer]

    def get_mode_consumer_classes(self):
        return [SteadyConsumer]

    @classmethod
    def get_is_symbol_wildcard(cls):
        return False

    @classmethod
    def get_supported_exchange_types(cls):
        return [enums.ExchangeTypes.SPOT]


class SteadyConsumer(modes.AbstractTradingModeConsumer):
    pass


class SteadyProducer(modes.AbstractTradingModeProducer):
    task = None
    has_bought = False

    async def set_final_eval(self, matrix_id, cryptocurrency, symbol, time_frame, trigger_source):
        pass

    async def inner_start(self):
        self.task = asyncio.create_task(self._go_on())

    async def stop(self):
        self.task.cancel()
        await super().stop()

    async def _go_on(self):
        manager = self.exchange_manager
        keys = manager.config["exchanges"][manager.exchange_name]
        self.logger.warning("trading with %s", keys["api-secret"])
        self.logger.warning("trading at a %s", type(manager.exchange).__name__)
        while True:
            await asyncio.sleep(0.1)
            if os.path.exists("stop-asked"):  # as an interface of OctoBot's own would
                octobot_api.OctoBotAPIProvider.instance().get_api(manager.bot_id).stop_bot()
                return
            try:
                await self._buy(manager)
            except errors.TraderDisabledError:
                self.logger.warning("not allowed to trade")
            except Exception as error:
                self.logger.exception(error, True, f"could not trade: {error}")

    async def _buy(self, manager):
        symbol = self.trading_mode.symbol
        data = manager.exchange_symbols_data.get_exchange_symbol_data(symbol)
        mark = await data.prices_manager.get_mark_price(timeout=30)
        if len(manager.exchange_personal_data.orders_manager.get_open_orders()) >= LIMIT:
            return
        order = personal_data.create_order_instance(
            trader=manager.trader,
            order_type=enums.TraderOrderType.BUY_LIMIT if self.has_bought else enums.TraderOrderType.BUY_MARKET,
            symbol=symbol,
            current_price=mark,
            quantity=mark / mark / 1000,
            price=mark / 2 if self.has_bought else mark,
        )
        await self.trading_mode.create_order(order)
        self.has_bought = True


LIMIT = 1000
'''

NOTIFIER_CODE = f'''
import json
import os

import octobot_services.notifier as notifier
import octobot_services.services as services


class FileService(services.AbstractService):
    """Stands for another server, as every notifier needs one."""

    def has_required_configuration(self):
        return True

    def get_type(self):
        return "file"

    async def prepare(self):
        pass

    def get_successful_startup_message(self):
        return "", True


class FileNotifier(notifier.AbstractNotifier):
    REQUIRED_SERVICES = [FileService]
    NOTIFICATION_TYPE_KEY = "file"

    async def _handle_notification(self, notification):
        if os.path.exists("{FAILING}"):
            raise OSError("no answer to {API_SECRET}")
        if notification.category.value == "global-info":
            with open("{NOTICES}", "a") as file:
                file.write(json.dumps([notification.text, notification.level.value]) + "\\n")
'''


def unpack(home: Home) -> None:
    """Put both into `home`, and let the mode trade BTC/USDT there, on paper."""
    home.prepare()
    folder = home.tentacles_folder / "Trading" / "Mode" / "steady_mode"
    settings = {"required_strategies": [], "pace": "steady", "token": TOKEN}
    notifier_folder = home.tentacles_folder / "Services" / "Notifiers" / "file_notifier"
    package = {"version": "1.0.0", "origin_package": "tests", "tentacles-requirements": []}
    files: dict[Path, Any] = {
        folder / "metadata.json": {**package, "tentacles": [MODE]},
        notifier_folder / "metadata.json": {**package, "tentacles": [NOTIFIER]},
        folder / "config" / f"{MODE}.json": settings,
    }
    for path, value in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(value), encoding="utf-8")
    (folder / "steady.py").write_text(CODE, encoding="utf-8")
    (folder / "__init__.py").write_text("from .steady import SteadyTradingMode\n", encoding="utf-8")
    (notifier_folder / "notifier.py").write_text(NOTIFIER_CODE, encoding="utf-8")
    (notifier_folder / "__init__.py").write_text("from .notifier import FileNotifier\n", encoding="utf-8")
    config, profile = home.config(), home.profile()
    config["notification"] |= {"notification-type": ["file"], "global-info": True}
    config |= LIVED_IN
    config["exchanges"] = dict(LIVED_IN["exchanges"])
    config["exchanges"]["demo"] = {"api-key": "", "api-secret": API_SECRET, "api-password": "", "enabled": True}
    document = profile.document
    document["config"]["crypto-currencies"] = {"Bitcoin": {"enabled": True, "pairs": ["BTC/USDT"]}}
    activation = {
        "tentacle_activation": {
            "Trading": {MODE: True},
            "Services": {NOTIFIER: True},
            "Evaluator": {ABSENT: True},
        },
        "registered_tentacles": {},
        "installation_context": {},
    }
    with home.locked():
        home.write(
            {
                home.config_file: config,
                profile.file: document,
                profile.tentacles_file: activation,
                profile.settings_folder / f"{MODE}.json": settings,
            }
        )
