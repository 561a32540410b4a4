"""The value of an account over time, from the engine's samples."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import select

import models
from models import Database
from services.accounts.accounts import Account, Accounts
from services.bot.readings import BotReadings
from services.principals import Principal
from utils import clock
from utils.errors import EngineUnavailable
from utils.octobot_bridge import OctoBotBridge
from utils.returns import Point
from utils.series import downsampled
from utils.wire import Message, Mode

MOST_POINTS = 300
LENGTHS: dict[str, timedelta] = {
    "1d": timedelta(days=1),
    "1w": timedelta(days=7),
    "1m": timedelta(days=30),
    "3m": timedelta(days=91),
    "1y": timedelta(days=365),
}


class EquityPoint(Message, frozen=True, kw_only=True):
    """A point of the equity curve; `profit` is what is there beyond what was paid in."""

    at: datetime
    value: Decimal
    deposited: Decimal
    profit: Decimal


class History(Message, frozen=True, kw_only=True):
    """The equity curve of an account, in its reference currency."""

    account: str
    mode: Mode
    reference_currency: str
    period: str
    points: list[EquityPoint]


class EquityCurves:
    """Read samples, and add what an account is worth now."""

    def __init__(self, database: Database, bridge: OctoBotBridge, accounts: Accounts, bot: BotReadings) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._bot = bot

    def history(self, principal: Principal, account: str | None, period: str) -> History:
        """Return the curve of an account that the caller sees, the main one for None, in at most `MOST_POINTS` points.

        :raises NotFound: when they see no such account. :raises EngineUnavailable: see `curve`.
        """
        # as it is now: a reset a moment ago is where the curve begins
        owned = self._accounts.get(principal, self._accounts.seen(principal, account).id)
        points = downsampled(
            self.curve(owned, period), MOST_POINTS, lambda each: each.at.timestamp(), lambda each: float(each.value)
        )
        return History(
            account=owned.id,
            mode=owned.mode,
            reference_currency=owned.reference_currency,
            period=period,
            points=[
                EquityPoint(at=each.at, value=each.value, deposited=each.deposited, profit=each.value - each.deposited)
                for each in points
            ],
        )

    def curve(self, account: Account, period: str) -> list[Point]:
        """Return the points of a period, ending now; it begins at the last reset at the earliest.

        What the account was worth when the period began is what the sample before says.

        :raises EngineUnavailable: when the present value cannot be told, or it is the bot's, as `BotReadings` does.
        """
        if account.kind == "bot":
            return self._of_bot(account, period)
        [now] = self._bridge.equity([account.id])
        if now.value is None:
            detail = f"What is held on {account.exchange} cannot be valued."
            raise EngineUnavailable(detail, code=now.missing)
        moment = clock.now()
        points = list(self._samples(account, self._start(account, period, moment), moment))
        deposited = now.deposited
        if deposited is None:
            deposited = points[-1].deposited if points else account.starting_balance
        return [*points, Point(moment, now.value, deposited)]

    def _of_bot(self, account: Account, period: str) -> list[Point]:
        """Return what OctoBot saw of its own account; what was there at first counts as all that was paid in."""
        result = self._bot.result(account.exchange)
        points = [Point(each.at, each.value, result.values[0].value) for each in result.values]
        length = LENGTHS.get(period)
        if length is None:
            return points
        start = points[-1].at - length
        before = [each for each in points if each.at < start]
        return [*(replace(each, at=start) for each in before[-1:]), *points[len(before) :]]

    def _start(self, account: Account, period: str, moment: datetime) -> datetime:
        birth = account.reset_at or account.created_at
        length = LENGTHS.get(period)
        return birth if length is None else max(birth, moment - length)

    def _samples(self, account: Account, start: datetime, end: datetime) -> Iterator[Point]:
        sample = models.EquitySample
        mine = select(sample.at, sample.value, sample.deposited).where(sample.account_id == account.id)
        birth = account.reset_at or account.created_at
        before = mine.where(sample.at < start, sample.at >= birth).order_by(sample.at.desc()).limit(1)
        within = mine.where(sample.at >= start, sample.at < end).order_by(sample.at)
        with self._database.read() as connection:
            earlier = connection.execute(before).first()
            rows = connection.execute(within).all()
        if earlier is not None and (not rows or rows[0].at > start):
            yield Point(start, earlier.value, earlier.deposited)
        for row in rows:
            yield Point(row.at, row.value, row.deposited)
