"""Performance of an account: gains, fees, trades, and risk figures of its equity curve."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

import models
from models import Database
from services.accounts.accounts import Account, Accounts
from services.accounts.equity import EquityCurves
from services.bot.readings import BotReadings
from services.principals import Principal
from utils import returns
from utils.money import PLACES, ZERO, percent, rounded
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Message, Mode

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
STEPS = {"1d": HOUR, "1w": HOUR}
"""The length of the returns that the ratios are computed from; a day where none is named."""


class Gain(Message, frozen=True, kw_only=True):
    """What was gained: `percent` of what was there at first and paid in since, None when that is nothing."""

    amount: Decimal
    percent: Decimal | None


class Fees(Message, frozen=True, kw_only=True):
    """What trading cost: `total` in the reference currency, None when a part of it has no known value."""

    total: Decimal | None
    by_currency: dict[str, Decimal]


class Basis(Message, frozen=True, kw_only=True):
    """What the ratios are computed from: `count` returns of `interval_seconds` each."""

    interval_seconds: int
    count: int
    periods_per_year: int
    risk_free_rate: Decimal


class Performance(Message, frozen=True, kw_only=True):
    """What became of an account in a period; amounts in the reference currency. None is what cannot be told."""

    account: str
    mode: Mode
    reference_currency: str
    period: str
    since: datetime
    until: datetime
    starting_value: Decimal
    ending_value: Decimal
    net_deposits: Decimal
    profit: Gain
    realized_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    fees: Fees
    trades: int
    closed_trades: int
    win_rate: Decimal | None
    profit_factor: Decimal | None
    best_trade: Decimal | None
    worst_trade: Decimal | None
    time_weighted_return: Decimal | None
    max_drawdown: Decimal | None
    sharpe_ratio: Decimal | None
    sortino_ratio: Decimal | None
    volatility: Decimal | None
    basis: Basis


@dataclass(frozen=True, kw_only=True)
class Trading:
    """What was traded in a period: `gains` are of trades of which it is known, `realized_pnl` None if not of all."""

    count: int
    gains: list[Decimal]
    realized_pnl: Decimal | None
    unrealized_pnl: Decimal | None
    fees: Fees


class Performances:
    """Compute how accounts did."""

    def __init__(
        self,
        database: Database,
        bridge: OctoBotBridge,
        accounts: Accounts,
        curves: EquityCurves,
        bot: BotReadings,
    ) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._curves = curves
        self._bot = bot

    def performance(self, principal: Principal, account: str | None, period: str) -> Performance:
        """Return how an account that the caller sees did, their main one for None.

        :raises NotFound: when they see no such account.
        :raises EngineUnavailable: when its present value cannot be told.
        """
        seen = self._accounts.get(principal, self._accounts.seen(principal, account).id)
        points = self._curves.curve(seen, period)
        first, last = points[0], points[-1]
        trading = self._of_bot(seen, first.at) if seen.kind == "bot" else self._of_account(seen, first.at)
        index, step = returns.growth(points), STEPS.get(period, DAY)
        periodic = returns.periodic_returns(points, index, step)
        ratios = returns.ratios(periodic, step)
        paid = last.deposited - first.deposited
        return Performance(
            account=seen.id,
            mode=seen.mode,
            reference_currency=seen.reference_currency,
            period=period,
            since=first.at,
            until=last.at,
            starting_value=first.value,
            ending_value=last.value,
            net_deposits=paid,
            profit=_gain(last.value - first.value - paid, first.value + paid),
            realized_pnl=trading.realized_pnl,
            unrealized_pnl=trading.unrealized_pnl,
            fees=trading.fees,
            trades=trading.count,
            closed_trades=len(trading.gains),
            **_of_trades(trading.gains),
            time_weighted_return=returns.time_weighted_return(index),
            max_drawdown=returns.max_drawdown(index),
            sharpe_ratio=ratios.sharpe,
            sortino_ratio=ratios.sortino,
            volatility=ratios.volatility_percent,
            basis=Basis(
                interval_seconds=int(step.total_seconds()),
                count=len(periodic),
                periods_per_year=int(returns.YEAR / step),
                risk_free_rate=ZERO,
            ),
        )

    def _of_bot(self, account: Account, since: datetime) -> Trading:
        result = self._bot.result(account.exchange, since)
        others = result.fees.keys() - {account.reference_currency}
        return Trading(
            count=result.trades,
            gains=result.gains,
            # OctoBot knows what a trade closed where one of its modes has tied both together
            realized_pnl=None if result.trades else ZERO,
            unrealized_pnl=result.unrealized_pnl,
            fees=Fees(total=None if others else sum(result.fees.values(), ZERO), by_currency=result.fees),
        )

    def _of_account(self, account: Account, since: datetime) -> Trading:
        gains, count = self._trades(account, since)
        return Trading(
            count=count,
            gains=gains,
            realized_pnl=sum(gains, ZERO),
            unrealized_pnl=self._unrealized(account),
            fees=self._fees(account, since),
        )

    def _trades(self, account: Account, since: datetime) -> tuple[list[Decimal], int]:
        """Return what each trade realised, of those that did, and how many trades there were."""
        trade = models.Trade
        query = select(trade.realized_pnl).where(trade.account_id == account.id, trade.created_at >= since)
        with self._database.read() as connection:
            found = connection.execute(query).scalars().all()
        return [gain for gain in found if gain is not None], len(found)

    def _fees(self, account: Account, since: datetime) -> Fees:
        entry = models.LedgerEntry
        query = select(entry.currency, entry.amount, entry.value).where(
            entry.account_id == account.id, entry.kind == "fee", entry.created_at >= since
        )
        by_currency: dict[str, Decimal] = defaultdict(Decimal)
        total: Decimal | None = ZERO
        with self._database.read() as connection:
            for currency, amount, value in connection.execute(query):
                by_currency[currency] -= amount
                worth = amount if currency == account.reference_currency else value
                total = None if total is None or worth is None else total - worth
        return Fees(total=total, by_currency=dict(by_currency))

    def _unrealized(self, account: Account) -> Decimal | None:
        total = ZERO
        for position in self._bridge.portfolio(account.id).positions:
            if position.unrealized_pnl is None:
                return None
            total += position.unrealized_pnl
        return rounded(total)


def _gain(amount: Decimal, basis: Decimal) -> Gain:
    return Gain(amount=amount, percent=percent(amount / basis) if basis > 0 else None)


def _of_trades(gains: Sequence[Decimal]) -> dict[str, Decimal | None]:
    """Return win rate (percent), profit factor (gross gain to gross loss), best and worst."""
    if not gains:
        return dict.fromkeys(("win_rate", "profit_factor", "best_trade", "worst_trade"))
    won, lost = sum((g for g in gains if g > 0), ZERO), -sum((g for g in gains if g < 0), ZERO)
    return {
        "win_rate": percent(Decimal(sum(g > 0 for g in gains)) / len(gains)),
        "profit_factor": (won / lost).quantize(PLACES) if lost else None,
        "best_trade": max(gains),
        "worst_trade": min(gains),
    }
