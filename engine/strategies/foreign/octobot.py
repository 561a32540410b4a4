"""OctoBot in a strategy's process: one installed trading mode, with a real trader at the engine."""

from __future__ import annotations

import asyncio
import logging
from datetime import datetime, timedelta
from importlib import import_module
from typing import Any

import octobot_evaluators.api as evaluator_api
import octobot_tentacles_manager.api as tentacles_api
import octobot_trading.api as trading_api
from octobot_commons.configuration import Configuration
from octobot_commons.databases import RunDatabasesIdentifier, RunDatabasesProvider
from octobot_commons.enums import TimeFrames
from octobot_trading.modes import AbstractTradingMode, modes_factory
from octobot_trading.personal_data.orders.channel.orders_updater import OrdersUpdater
from octobot_trading.personal_data.portfolios.channel.balance_updater import BalanceUpdater

from engine.accounts.octobot import bot_config
from engine.strategies.foreign.complaints import Complaints
from engine.strategies.foreign.exchange import EXCHANGE, EngineExchange
from utils import clock
from utils.home import Home
from utils.wire import Assignment

BOT_ID = "strategy"
ORDERS_SECONDS = 1
"""How often OctoBot looks for what became of its orders; asking the engine costs a millisecond."""
BALANCE_SECONDS = 30
PERIOD, TIME_BASED = "minutes_before_next_buy", "Time based"
"""How the official mode that buys by the clock calls its period, and that it is one."""
TIME_FRAMES = (TimeFrames.ONE_MINUTE, TimeFrames.ONE_HOUR)
"""Whose candles OctoBot follows."""


class UnknownMode(Exception):
    """The home has no such trading mode, or it cannot be imported."""


async def start(assignment: Assignment, home: Home, complaints: Complaints) -> Any:
    """Start the trading mode that is wanted, and return OctoBot's exchange manager.

    :param complaints: gets what is logged once the mode begins; before it OctoBot says much that is of no concern.
    :raises UnknownMode: it is not there. Whatever else is raised is the mode's own.
    """
    kind, setup = _kind(assignment.strategy_class), _setup(home)
    _hurry()
    config = _config(assignment)
    databases = RunDatabasesIdentifier(kind, live_id=1, enable_storage=False)
    await RunDatabasesProvider.instance().add_bot_id(BOT_ID, databases)
    builder = trading_api.create_exchange_builder(config, EXCHANGE)
    builder.is_real().is_rest_only().disable_trading_mode().enable_storage(False).is_spot_only(True)
    builder.use_tentacles_setup_config(setup).set_bot_id(BOT_ID).has_matrix(await _matrix())
    manager = await builder.build()
    await asyncio.sleep(left_of_period(assignment, clock.now()))
    logging.getLogger().addHandler(complaints)
    settings = {kind.get_name(): dict(assignment.settings)}
    manager.trading_modes = await modes_factory.create_trading_modes(config, manager, kind, BOT_ID, settings)
    for mode in manager.trading_modes:
        for producer in mode.producers:
            producer.produce_task.add_done_callback(complaints.hear)
    return manager


def left_of_period(assignment: Assignment, now: datetime) -> float:
    """Return the seconds until a mode that acts by the clock is due again.

    Such a mode acts at each of its starts. It has started before in this run when it has orders: to begin at once would
    be to buy once more because a process died.
    """
    minutes = assignment.settings.get(PERIOD)
    if assignment.last_order_at is None or not isinstance(minutes, int | float):
        return 0.0
    if assignment.settings.get("trigger_mode", TIME_BASED) != TIME_BASED:
        return 0.0
    due = assignment.last_order_at + timedelta(minutes=minutes)
    return max((due - now).total_seconds(), 0.0)


def _kind(name: str) -> Any:
    """Return the trading mode of a name; all tentacles are imported for it."""
    # OctoBot takes no exchange that is not a tentacle, and an active one (see `_setup`)
    tentacles_api.register_extra_tentacle_data(EngineExchange, "Trading/Exchange")
    tentacles_api.reload_tentacle_info()
    import_module("tentacles")  # what goes wrong in one of them is caught by OctoBot's own code there
    found = {kind.__name__: kind for kind in _below(AbstractTradingMode) if kind.__module__.startswith("tentacles.")}
    if name not in found:
        raise UnknownMode(f"{name} is not installed, or its code cannot be imported.")
    return found[name]


def _below(parent: Any) -> list[Any]:
    return [each for kind in parent.__subclasses__() for each in (kind, *_below(kind))]


def _setup(home: Home) -> Any:
    """Return what OctoBot knows of the home's tentacles; settings of others, such as evaluators, come from there."""
    configuration = Configuration(str(home.config_file), str(home.profiles_folder))
    configuration.read()
    setup = tentacles_api.get_tentacles_setup_config(configuration.get_tentacles_config_path())
    setup.tentacles_activation.setdefault("Trading", {})[EngineExchange.__name__] = True
    return setup


async def _matrix() -> str:
    """Return where evaluators would write what they think; none are run, but trading modes listen there."""
    matrix: str = evaluator_api.create_matrix()
    await evaluator_api.create_evaluator_channels(matrix)
    return matrix


def _config(assignment: Assignment) -> dict[str, Any]:
    config = bot_config(EXCHANGE, assignment.symbols, assignment.reference_currency)
    return {
        **config,
        "trader": {"enabled": True, "load-trade-history": True},
        "trader-simulator": {**config["trader-simulator"], "enabled": False},
        "time_frame": list(TIME_FRAMES),
        "required_candles_count": 0,  # beyond what OctoBot reads anyway
    }


def _hurry() -> None:
    """Let OctoBot look at its orders as often as a socket beside it allows, not as seldom as exchanges want it."""
    OrdersUpdater.ORDERS_STARTING_REFRESH_TIME = ORDERS_SECONDS
    OrdersUpdater.OPEN_ORDER_REFRESH_TIME = ORDERS_SECONDS
    OrdersUpdater.TIME_BETWEEN_ORDERS_REFRESH = ORDERS_SECONDS / 2
    BalanceUpdater.REGULAR_PORTFOLIO_UPDATE_TIME = BALANCE_SECONDS
    BalanceUpdater.EXPECTED_PORTFOLIO_UPDATE_TIME = ORDERS_SECONDS
    BalanceUpdater.TIME_BETWEEN_PORTFOLIO_UPDATES = ORDERS_SECONDS / 2
    OrdersUpdater._restore_required_virtual_orders = _nothing


async def _nothing(_updater: Any) -> None:
    """Restore no orders that OctoBot would have kept to itself: nothing is stored here."""
