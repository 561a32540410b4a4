"""Figures of the installation: how many there are, what they do, and how that goes over time.

What is counted over time is found by ids, which sort by the time they were made, so that a query reads the days it is
asked for and no others; each is broken off after `SECONDS`.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Select, String, and_, case, cast, func, select
from sqlalchemy.orm import aliased

from models import Account, ApiKey, Database, EquitySample, Order, Trade, User
from models import Session as SessionRow
from models.sums import exact_sum
from utils import clock, ids
from utils.errors import BridgeError
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Message, Mode

SECONDS = 10.0
ENGINE_SECONDS = 1.0
DAY = timedelta(days=1)
MODES: tuple[Mode, ...] = ("paper", "live")
BOUNDS = tuple(Decimal(each) for each in (-50, -20, -10, -5, 0, 5, 10, 20, 50))
"""Where one bucket of profits, in percent, ends and the next begins."""


class UserCounts(Message, frozen=True, kw_only=True):
    """How many users there are; `seen` are those with a session or key used in the last 24 hours."""

    total: int
    active: int
    admins: int
    new: int
    seen: int


class Activity(Message, frozen=True, kw_only=True):
    """What is traded: open orders now, and what was placed and filled in the last 24 hours, by quote currency."""

    open_orders: int
    orders: int
    trades: int
    traders: int
    volume: dict[str, Decimal]


class Bucket(Message, frozen=True, kw_only=True):
    """How many accounts have a profit from `above` (None: anything less) up to `to` percent (None: anything more)."""

    above: Decimal | None
    to: Decimal | None
    accounts: int


class Profits(Message, frozen=True, kw_only=True):
    """How profits over what was deposited are spread over active accounts, as last sampled."""

    accounts: int
    gaining: int
    losing: int
    median_percent: Decimal | None
    buckets: list[Bucket]


class FeedState(Message, frozen=True, kw_only=True):
    """How the prices of an exchange come in; `tick_age` is in seconds, None before the first."""

    exchange: str
    connected: bool
    symbols: int
    tick_age: float | None


class EngineState(Message, frozen=True, kw_only=True):
    """How the engine is; `loop_lag` is how late its event loop last ran, in seconds."""

    pid: int
    octobot_version: str
    started_at: datetime
    accounts_in_memory: int
    open_orders: int
    loop_lag: float
    feeds: list[FeedState]


class Statistics(Message, frozen=True, kw_only=True):
    """The installation now; `engine` is None while it is away."""

    users: UserCounts
    paper: Activity
    live: Activity
    profits: dict[Mode, Profits]
    engine: EngineState | None
    as_of: datetime


class Day(Message, frozen=True, kw_only=True):
    """What happened on a UTC day; `users` is how many there were at its end."""

    date: date
    users: int
    new_users: int
    signed_in: int
    traders: int
    orders: int
    trades: int
    volume: dict[str, Decimal]


class Figures:
    """Count things; for administrators, whose permission the routes check."""

    def __init__(self, database: Database, bridge: OctoBotBridge) -> None:
        self._database = database
        self._bridge = bridge.within(ENGINE_SECONDS)

    def now(self) -> Statistics:
        """Return the figures of this moment. :raises StorageUnavailable: when counting takes too long."""
        moment = clock.now()
        with self._database.bounded(SECONDS) as connection:
            return Statistics(
                users=_users(connection, moment),
                paper=_activity(connection, "paper", moment),
                live=_activity(connection, "live", moment),
                profits={mode: _profits(connection, mode) for mode in MODES},
                engine=self._engine(),
                as_of=moment,
            )

    def days(self, count: int) -> list[Day]:
        """Return the last `count` UTC days, today included, oldest first.

        :raises StorageUnavailable: when counting takes too long; ask for fewer days.
        """
        today = clock.now().replace(hour=0, minute=0, second=0, microsecond=0)
        since = today - (count - 1) * DAY
        with self._database.bounded(SECONDS) as connection:
            new = _by_day(connection, User.created_at, (User.created_at >= since,), func.count())
            signed_in = _by_day(connection, SessionRow.created_at, _since(SessionRow, since), _distinct(SessionRow))
            placed = _by_day(connection, Order.created_at, _since(Order, since), func.count(), _distinct(Order))
            filled = _filled(connection, since)
            before = select(func.count()).select_from(User).where(User.created_at < since)
            total = connection.execute(before).scalar_one()
        days = []
        for number in range(count):
            day = (since + number * DAY).date()
            total += new.get(day, (0,))[0]
            orders, traders = placed.get(day, (0, 0))
            trades, volume = filled.get(day, (0, {}))
            days.append(
                Day(
                    date=day,
                    users=total,
                    new_users=new.get(day, (0,))[0],
                    signed_in=signed_in.get(day, (0,))[0],
                    traders=traders,
                    orders=orders,
                    trades=trades,
                    volume=volume,
                )
            )
        return days

    def _engine(self) -> EngineState | None:
        try:
            return msgspec.convert(self._bridge.status(), EngineState, from_attributes=True)
        except BridgeError:
            return None


def _users(connection: Connection, moment: datetime) -> UserCounts:
    def how_many(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    lately = moment - DAY
    seen = (
        select(SessionRow.user_id)
        .where(SessionRow.last_used_at > lately)
        .union(select(ApiKey.user_id).where(ApiKey.last_used_at > lately))
        .subquery()
    )
    there = User.deleted_at.is_(None)
    counted = select(
        func.count(),
        how_many(User.is_active),
        how_many(and_(User.is_active, User.role == "admin")),
        how_many(User.created_at > lately),
    ).where(there)
    total, active, admins, new = connection.execute(counted).one()
    at_work = connection.execute(select(func.count()).select_from(seen)).scalar_one()
    return UserCounts(total=total, active=active, admins=admins, new=new, seen=at_work)


def _activity(connection: Connection, mode: Mode, moment: datetime) -> Activity:
    open_orders = select(func.count()).select_from(Order).where(Order.mode == mode, Order.closed_at.is_(None))
    placed = select(func.count(), _distinct(Order)).where(Order.mode == mode, *_since(Order, moment - DAY))
    filled = (
        select(Trade.symbol, func.count(), exact_sum(Trade.cost))
        .where(Trade.mode == mode, *_since(Trade, moment - DAY))
        .group_by(Trade.symbol)
    )
    orders, traders = connection.execute(placed).one()
    symbols = connection.execute(filled).all()
    return Activity(
        open_orders=connection.execute(open_orders).scalar_one(),
        orders=orders,
        trades=sum(row[1] for row in symbols),
        traders=traders,
        volume=_volume((row[0], row[2]) for row in symbols),
    )


def _profits(connection: Connection, mode: Mode) -> Profits:
    sample = aliased(EquitySample)
    newest = select(func.max(sample.at)).where(sample.account_id == Account.id).scalar_subquery()
    query = (
        select(EquitySample.value, EquitySample.deposited)
        .join(Account, and_(EquitySample.account_id == Account.id, EquitySample.at == newest))
        .where(Account.status == "active", Account.mode == mode)
    )
    percents = [(value / deposited - 1) * 100 for value, deposited in connection.execute(query) if deposited > 0]
    edges: list[Decimal | None] = [None, *BOUNDS, None]
    buckets = [
        Bucket(
            above=above,
            to=to,
            accounts=sum((above is None or each >= above) and (to is None or each < to) for each in percents),
        )
        for above, to in pairwise(edges)
    ]
    return Profits(
        accounts=len(percents),
        gaining=sum(each > 0 for each in percents),
        losing=sum(each < 0 for each in percents),
        median_percent=round(statistics.median(percents), 2) if percents else None,
        buckets=buckets,
    )


def _filled(connection: Connection, since: datetime) -> dict[date, tuple[int, dict[str, Decimal]]]:
    day = _day(connection, Trade.created_at)
    query = select(day, Trade.symbol, func.count(), exact_sum(Trade.cost)).where(*_since(Trade, since))
    trades: dict[date, int] = defaultdict(int)
    costs: dict[date, list[tuple[str, Decimal]]] = defaultdict(list)
    for text, symbol, count, cost in connection.execute(query.group_by(day, Trade.symbol)):
        trades[date.fromisoformat(text)] += count
        costs[date.fromisoformat(text)].append((symbol, cost))
    return {each: (trades[each], _volume(costs[each])) for each in trades}


def _by_day(
    connection: Connection, column: Any, conditions: tuple[ColumnElement[bool], ...], *counts: Any
) -> dict[date, tuple[int, ...]]:
    """Return what is counted of each day."""
    day = _day(connection, column)
    query: Select[Any] = select(day, *counts).where(*conditions).group_by(day)
    return {date.fromisoformat(row[0]): tuple(row[1:]) for row in connection.execute(query)}


def _day(connection: Connection, column: Any) -> ColumnElement[str]:
    """Return the UTC day of a time, as text."""
    if connection.dialect.name == "sqlite":
        return func.substr(cast(column, String), 1, 10)
    return func.to_char(func.timezone("UTC", column), "YYYY-MM-DD")


def _distinct(table: Any) -> Any:
    return func.count(table.user_id.distinct())


def _since(table: Any, moment: datetime) -> tuple[ColumnElement[bool], ...]:
    """Bound a table's rows by their ids, which the primary key finds, and to the microsecond by their time."""
    return table.id >= ids.first_id(moment.astimezone(UTC) - timedelta(minutes=1)), table.created_at >= moment


def _volume(costs: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    """Return what was paid and received in each quote currency."""
    volume: dict[str, Decimal] = {}
    for symbol, cost in costs:
        quote = symbol.partition("/")[2].partition(":")[0]
        volume[quote] = volume.get(quote, ZERO) + cost
    return dict(sorted(volume.items()))
