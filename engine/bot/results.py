"""The profit of the bot at an exchange, as far back as OctoBot remembers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from decimal import Decimal
from typing import Any

import octobot_trading.api as trading_api
from octobot_commons.enums import TimeFrames
from octobot_trading.enums import FeePropertyColumns
from octobot_trading.errors import IncompletePNLError

from engine.bot.reads import executed, moment_of, number, positions
from utils import clock
from utils.money import ZERO
from utils.wire import BotResult, BotValue


def result(manager: Any, since: datetime | None) -> BotResult:
    """Return what became of what was there at first."""
    done = [each for each in executed(manager) if since is None or moment_of(each.executed_time) >= since]
    return BotResult(
        values=list(_values(manager)),
        trades=len(done),
        fees=_fees(done),
        gains=list(_gains(manager, since)),
        unrealized_pnl=sum((each.unrealized_pnl or ZERO for each in positions(manager)), ZERO)
        if manager.is_future
        else None,
    )


def _values(manager: Any) -> Iterator[BotValue]:
    """Yield what was there at first, when each day began that OctoBot has seen the beginning of, and now."""
    now = clock.now()
    history = manager.exchange_personal_data.portfolio_manager.historical_portfolio_value_manager
    begun = now if history is None else min(moment_of(history.starting_time), now)
    yield BotValue(at=begun, value=number(trading_api.get_origin_portfolio_value(manager)))
    if history is not None:
        reference = trading_api.get_portfolio_reference_market(manager)
        # not through `trading_api`, which gives the present value for that of the beginning of today
        told = history.get_historical_values(reference, TimeFrames.ONE_DAY)
        for at, value in sorted((moment_of(timestamp), value) for timestamp, value in told.items()):
            if begun < at < now:
                yield BotValue(at=at, value=number(value))
    yield BotValue(at=now, value=number(trading_api.get_current_portfolio_value(manager)))


def _fees(trades: list[Any]) -> dict[str, Decimal]:
    paid: dict[str, Decimal] = defaultdict(Decimal)
    for trade in trades:
        currency = (trade.fee or {}).get(FeePropertyColumns.CURRENCY.value)
        if currency is not None:
            paid[currency] += number(trade.fee[FeePropertyColumns.COST.value])
    return dict(paid)


def _gains(manager: Any, since: datetime | None) -> Iterator[Decimal]:
    """Yield what was won with each entry that was closed since then, where both are known to belong together."""
    quote = trading_api.get_portfolio_reference_market(manager)
    for each in trading_api.get_completed_pnl_history(manager, quote=quote):
        with suppress(IncompletePNLError):
            if since is None or moment_of(each.get_close_time()) >= since:
                yield number(each.get_profits()[0])
