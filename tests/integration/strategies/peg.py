"""A tentacle of our own: a trading mode that buys at a price and sells what it bought at another one."""

from __future__ import annotations

from typing import Any

from tests.home_builder import put
from utils.home import Home
from utils.home.schemas import fingerprint, keep

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "buy_price": {"type": "number", "exclusiveMinimum": 0},
        "sell_price": {"type": "number", "exclusiveMinimum": 0},
        "amount": {"type": "number", "exclusiveMinimum": 0},
        "breaks": {"type": "string", "enum": ["never", "at_start", "at_fill"]},
    },
    "required": ["buy_price", "sell_price", "amount"],
}
DEFAULTS = {"breaks": "never", "amount": 0.01}
CODE = """
import octobot_trading.constants as constants
import octobot_trading.enums as enums
import octobot_trading.exchange_channel as channels
import octobot_trading.modes as modes
import octobot_trading.personal_data as personal_data


class PegProducer(modes.AbstractTradingModeProducer):
    async def inner_start(self):
        self.settings = self.trading_mode.trading_config
        channel = channels.get_chan(constants.ORDERS_CHANNEL, self.exchange_manager.id)
        consumer = await channel.new_consumer(self.follow, symbol=self.trading_mode.symbol)
        self.trading_mode.consumers.append(consumer)
        await self._wait_for_bot_init(240)
        if self.settings["breaks"] == "at_start":
            raise ValueError("the peg is broken")
        if not self.exchange_manager.exchange_personal_data.orders_manager.get_open_orders():
            await self.place(enums.TraderOrderType.BUY_LIMIT, self.settings["buy_price"])
        self.logger.warning("the peg stands")

    async def follow(self, exchange, exchange_id, cryptocurrency, symbol, order, update_type, is_from_bot):
        if order["status"] in ("filled", "closed") and order["side"] == "buy":
            if self.settings["breaks"] == "at_fill":
                raise ValueError("the peg is broken")
            await self.place(enums.TraderOrderType.SELL_LIMIT, self.settings["sell_price"])

    async def place(self, kind, price):
        price, amount = (constants.decimal.Decimal(str(each)) for each in (price, self.settings["amount"]))
        order = personal_data.create_order_instance(
            trader=self.exchange_manager.trader, order_type=kind, symbol=self.trading_mode.symbol,
            current_price=price, quantity=amount, price=price,
        )
        await self.trading_mode.create_order(order)


class PegConsumer(modes.AbstractTradingModeConsumer):
    pass


class PegTradingMode(modes.AbstractTradingMode):
    MODE_PRODUCER_CLASSES = [PegProducer]
    MODE_CONSUMER_CLASSES = [PegConsumer]

    @classmethod
    def get_is_symbol_wildcard(cls):
        return False
"""


def install_peg(home: Home) -> None:
    """Install the trading mode as OctoBot's installer leaves it, with a schema of its own."""
    home.prepare()
    folder = home.tentacles_folder / "Trading" / "Mode" / "peg_mode"
    described = {"version": "1.0.0", "origin_package": "own", "tentacles": ["PegTradingMode"]}
    put(folder / "metadata.json", {**described, "tentacles-requirements": []})
    put(folder / "__init__.py", "from .peg import PegTradingMode\n")
    put(folder / "peg.py", CODE)
    put(folder / "config" / "PegTradingMode.json", DEFAULTS)
    put(folder / "config" / "PegTradingMode_schema.json", SCHEMA)
    put(folder / "resources" / "PegTradingMode.md", "# Peg\n\nBuys low,\nsells high.\n")
    put(home.tentacles_folder / "__init__.py", "import tentacles.Trading.Mode.peg_mode\n")
    code = fingerprint(home)
    assert code is not None
    keep(home, code, {})
