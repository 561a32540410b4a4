"""OctoBot's own log lines."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from octobot_commons.logging import BotLogger
from octobot_trading.enums import StatesMessages
from octobot_trading.personal_data.orders.order_state import OrderState
from octobot_trading.personal_data.orders.states import open_order_state
from octobot_trading.personal_data.portfolios.portfolio import Portfolio


def only_warnings() -> None:
    """Let OctoBot log warnings and errors alone, without one that would mislead.

    It writes several lines about every order. Our handler drops them (see `utils.logs`), but only after each has been
    formatted and its caller looked up: a tenth of what placing an order takes. Another tenth is what it spells out for
    those lines alone: the order, and the whole portfolio three times.
    """
    BotLogger.debug = _silent
    BotLogger.info = _silent
    BotLogger.warning = _true(BotLogger.warning)
    OrderState.log_event_message = _errors_of(OrderState.log_event_message)
    Portfolio.log_portfolio_update_from_order = _silent
    # it serves two debug lines in that module, and nothing else
    open_order_state.portfolio_util = SimpleNamespace(portfolio_to_float=_nothing, filter_empty_values=_nothing)


def _silent(_source: object, _message: object, *_: Any, **__: Any) -> None:
    pass


def _nothing(_portfolio: object) -> None:
    pass


def _true(warn: Any) -> Any:
    """Leave out the one that is wrong here: keys of live accounts are not in OctoBot's configuration."""

    def warn_of(logger: BotLogger, message: object, *arguments: Any, **options: Any) -> None:
        if not str(message).startswith("No exchange API key set for"):
            warn(logger, message, *arguments, **options)

    return warn_of


def _errors_of(log: Any) -> Any:
    def log_errors(state: OrderState, message: StatesMessages, error: Exception | None = None) -> None:
        if error is not None:
            log(state, message, error)

    return log_errors
