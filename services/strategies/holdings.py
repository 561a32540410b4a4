"""What strategies hold, what they can trade, and what has become of them since."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from decimal import Decimal

import msgspec
from sqlalchemy import select

import models
from models import Database
from models.events import RESET
from services.accounts.events import AccountEvents
from services.principals import Principal
from services.strategies.strategies import Strategies
from utils import clock
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Equity, Message, Mode, Stake, Strategy, StrategyState

TOLD = ("strategy", RESET)
MOST_UPDATES = 500


class StrategyHolding(Message, frozen=True, kw_only=True):
    """What a strategy's account holds, and is worth in its currency; None is what cannot be told now."""

    strategy: str
    account: str
    mode: Mode
    exchange: str
    portfolio_name: str
    state: StrategyState
    currency: str
    currencies: list[Stake]
    value: Decimal | None
    profit: Decimal | None


class StrategyPortfolio(Message, frozen=True, kw_only=True):
    """What all strategies of one portfolio name on one exchange hold together."""

    name: str
    exchange: str
    mode: Mode
    currency: str
    strategies: list[str]
    currencies: list[Stake]
    value: Decimal | None


class PortfolioName(Message, frozen=True, kw_only=True):
    """What a strategy can trade."""

    name: str
    exchange: str
    base: str
    quote: str


class Update(Message, frozen=True, kw_only=True):
    """A strategy as it was after an event; `reset` says that all has to be read anew."""

    id: int
    type: str
    strategy: Strategy | None
    created_at: datetime


class Updates(Message, frozen=True, kw_only=True):
    """What happened to strategies, the oldest first, and the id to ask from next time."""

    last_id: int
    updates: list[Update]


class StrategyHoldings:
    """Look at the strategies of a user from outside."""

    def __init__(self, database: Database, bridge: OctoBotBridge, strategies: Strategies) -> None:
        self._database = database
        self._events = AccountEvents(database)
        self._bridge = bridge
        self._strategies = strategies

    def names(self, exchange: str) -> list[PortfolioName]:
        """Return the markets that strategies can trade. :raises NotFound: the exchange is not connected."""
        return [
            PortfolioName(name=each.symbol, exchange=each.exchange, base=each.base, quote=each.quote)
            for each in self._bridge.instruments(exchange)
            if each.type == "spot"
        ]

    def holdings(self, principal: Principal) -> list[StrategyHolding]:
        """Return what each of the caller's strategies holds now."""
        strategies = self._strategies.all(principal)
        if not strategies:
            return []
        worth = self._bridge.equity([each.account for each in strategies])
        return [_holding(strategy, equity) for strategy, equity in zip(strategies, worth, strict=True)]

    def portfolios(self, principal: Principal) -> list[StrategyPortfolio]:
        """Return what the caller's strategies hold, those that trade the same together."""
        groups: defaultdict[tuple[str, str, str], list[StrategyHolding]] = defaultdict(list)
        for holding in self.holdings(principal):
            groups[holding.exchange, holding.portfolio_name, holding.currency].append(holding)
        return [_together(group) for _, group in sorted(groups.items())]

    def updates(self, principal: Principal, since_id: int | None) -> Updates:
        """Return what happened to the caller's strategies after an event; nothing but where to begin for None."""
        event, span = models.Event, self._events.span(principal.user_id)
        if since_id is None:
            return Updates(last_id=span.newest, updates=[])
        if not span.holds(since_id):
            lost = Update(id=span.newest, type=RESET, strategy=None, created_at=clock.now())
            return Updates(last_id=span.newest, updates=[lost])
        query = select(event.id, event.type, event.payload, event.created_at).where(
            event.user_id == principal.user_id,
            event.id > since_id,
            event.id <= span.newest,
            event.type.in_(TOLD),
        )
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(event.id).limit(MOST_UPDATES)).all()
        updates = [
            Update(
                id=row.id,
                type=row.type,
                strategy=None if row.type == RESET else msgspec.json.decode(row.payload, type=Strategy),
                created_at=row.created_at,
            )
            for row in rows
        ]
        return Updates(last_id=updates[-1].id if len(updates) == MOST_UPDATES else span.newest, updates=updates)


def _holding(strategy: Strategy, equity: Equity) -> StrategyHolding:
    known = equity.value is not None and equity.deposited is not None
    return StrategyHolding(
        strategy=strategy.name,
        account=strategy.account,
        mode=strategy.mode,
        exchange=strategy.exchange,
        portfolio_name=strategy.portfolio_name,
        state=strategy.state,
        currency=equity.currency,
        currencies=[stake for stake in equity.stakes if stake.amount],
        value=equity.value,
        profit=(equity.value or ZERO) - (equity.deposited or ZERO) if known else None,
    )


def _together(group: list[StrategyHolding]) -> StrategyPortfolio:
    first = group[0]
    amounts: defaultdict[str, Decimal] = defaultdict(Decimal)
    values: dict[str, Decimal | None] = {}
    for stake in (stake for holding in group for stake in holding.currencies):
        amounts[stake.currency] += stake.amount
        before = values.get(stake.currency, ZERO)
        values[stake.currency] = None if before is None or stake.value is None else before + stake.value
    known = [holding.value for holding in group if holding.value is not None]
    return StrategyPortfolio(
        name=first.portfolio_name,
        exchange=first.exchange,
        mode=first.mode,
        currency=first.currency,
        strategies=[holding.strategy for holding in group],
        currencies=[
            Stake(currency=name, amount=amount, value=values[name]) for name, amount in sorted(amounts.items())
        ],
        value=sum(known, ZERO) if len(known) == len(group) else None,
    )
