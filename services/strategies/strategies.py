"""Strategies: added here, run by the engine, and read from where it writes them."""

from __future__ import annotations

import builtins
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, select
from sqlalchemy.orm import aliased

import models
from models import Database
from services.accounts.performance import Performance, Performances
from services.paging import newest_first, oldest_first
from services.principals import Principal
from utils.errors import FieldError, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Cursor, Page
from utils.wire import (
    Actor,
    EditStrategy,
    Message,
    MoveStrategy,
    Strategy,
    StrategyAction,
    StrategyClass,
    StrategyState,
)

MOVE_SECONDS = 30.0
"""A bridge call's deadline while a strategy ends what it is at, and its orders are canceled."""
LogLevel = Literal["info", "warning", "error"]
_ROW = models.Strategy
_ACCOUNT = aliased(models.Account)


class LogEntry(Message, frozen=True, kw_only=True):
    """What a strategy had to say."""

    id: str
    level: LogLevel
    message: str
    created_at: datetime


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which strategies a list holds: all that are not removed for None."""

    state: StrategyState | None = None
    limit: int
    cursor: Cursor | None = None


class Strategies:
    """Look after the strategies of users. All methods raise `NotFound` for one that is not the caller's."""

    def __init__(self, database: Database, bridge: OctoBotBridge, performances: Performances) -> None:
        self._database = database
        self._bridge = bridge
        self._performances = performances

    def classes(self) -> builtins.list[StrategyClass]:
        """Return what strategies can be."""
        return self._bridge.strategy_classes()

    def list(self, principal: Principal, wanted: Wanted) -> Page[Strategy]:
        """Return a page of the caller's strategies, oldest first."""
        state = _ROW.state != "removed" if wanted.state is None else _ROW.state == wanted.state
        query = oldest_first(of_user(principal).where(state), _ROW, wanted.cursor).limit(wanted.limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        last = rows[wanted.limit - 1] if len(rows) > wanted.limit else None
        cursor = None if last is None else Cursor(last.created_at, last.id).encode()
        return Page([strategy_of(row) for row in rows[: wanted.limit]], wanted.limit, cursor)

    def all(self, principal: Principal) -> builtins.list[Strategy]:
        """Return all of the caller's strategies that are not removed, oldest first."""
        query = of_user(principal).where(_ROW.state != "removed").order_by(_ROW.created_at, _ROW.id)
        with self._database.read() as connection:
            return [strategy_of(row) for row in connection.execute(query)]

    def get(self, principal: Principal, name: str) -> Strategy:
        """Return one of the caller's strategies. :raises NotFound: `strategy_not_found`."""
        return strategy_of(self._row(principal, name))

    def move(
        self, principal: Principal, actor: Actor, name: str, action: StrategyAction, key: str | None = None
    ) -> Strategy:
        """Bring a strategy into another state.

        :raises Conflict: `strategy_<state>` when the action does not go with the state it is in.
        :raises Refused: `insufficient_funds` when its parent has not what it is to be funded with.
        """
        account = self._row(principal, name).account_id
        command = MoveStrategy(actor=actor, account=account, action=action, idempotency_key=key)
        return self._bridge.within(MOVE_SECONDS).move_strategy(command)

    def edit(
        self, principal: Principal, actor: Actor, name: str, settings: dict[str, Any], funding: Decimal | None
    ) -> Strategy:
        """Change settings, and what the strategy is funded with next time; a running one goes on with them.

        :raises Refused: `invalid_settings`, `whole_account` for funding of a live one.
        :raises Conflict: `strategy_removed`.
        """
        row = self._row(principal, name)
        if row.mode == "live" and funding is not None:
            raise not_funded()
        account = row.account_id
        command = EditStrategy(actor=actor, account=account, settings=settings, funding=funding)
        return self._bridge.within(MOVE_SECONDS).edit_strategy(command)

    def performance(self, principal: Principal, name: str, period: str) -> Performance:
        """Return how a strategy did."""
        return self._performances.performance(principal, self._row(principal, name).account_id, period)

    def log(
        self, principal: Principal, name: str, *, limit: int, cursor: Cursor | None = None, level: str | None = None
    ) -> Page[LogEntry]:
        """Return a page of what a strategy had to say, the newest first."""
        entry = models.StrategyLogEntry
        query = select(entry.id, entry.level, entry.message, entry.created_at)
        query = query.where(entry.strategy_id == self._row(principal, name).id)
        if level is not None:
            query = query.where(entry.level == level)
        query = newest_first(query, entry, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([LogEntry(**row._mapping) for row in rows], limit)

    def id_of(self, principal: Principal, name: str) -> str:
        """Return the id of a strategy."""
        found: str = self._row(principal, name).id
        return found

    def _row(self, principal: Principal, name: str) -> Any:
        with self._database.read() as connection:
            row = connection.execute(of_user(principal).where(_ROW.name == name)).first()
        if row is None:
            raise NotFound("You have no such strategy.", code="strategy_not_found")
        return row


def of_user(principal: Principal) -> Select[Any]:
    """Return the query of a user's strategies."""
    query = select(*_ROW.__table__.columns, _ACCOUNT.mode, _ACCOUNT.exchange)
    return query.join(_ACCOUNT, _ACCOUNT.id == _ROW.account_id).where(_ROW.user_id == principal.user_id)


def strategy_of(row: Any) -> Strategy:
    """Return the strategy that a row holds."""
    return Strategy(
        name=row.name,
        strategy_class=row.strategy_class,
        account=row.account_id,
        parent=row.parent_id,
        mode=row.mode,
        exchange=row.exchange,
        portfolio_name=row.portfolio_name,
        settings=msgspec.json.decode(row.settings),
        funding=row.funding,
        state=row.state,
        error=row.error,
        error_code=row.error_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def not_funded() -> Refused:
    """Return the refusal of funding for a strategy that has a whole live account."""
    detail = "A strategy has the whole of a live account; send no funding."
    error = FieldError(field="funding", code="whole_account", message=detail)
    return Refused(detail, code="whole_account", errors=(error,))
