"""Adding a strategy: rows that web workers write; money moves when the engine is told to."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.accounts.accounts import Account, Accounts
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from services.strategies.strategies import not_funded, of_user, strategy_of
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, FieldError, Forbidden, Refused
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge
from utils.wire import CheckStrategy, Message, Strategy, StrategyDraft

ADD = "POST /api/strategies/"
PARENT_KINDS = frozenset({"main", "extra"})
RESERVED = frozenset({"updates", "holdings", "restore", "meta"})
"""Names that are paths of their own."""
NAME_LENGTH = 64
_ROW = models.Strategy


class NewStrategy(Message, frozen=True, kw_only=True):
    """A strategy to add; `account` is its parent, the main one for None, and `funding` in that one's currency.

    A live account is taken as a whole: there is no funding then.
    """

    strategy_class: str
    portfolio_name: str
    settings: dict[str, Any]
    funding: Decimal | None = None
    name: str | None = None
    account: str | None = None


class StrategyAdditions:
    """Add strategies."""

    def __init__(
        self,
        database: Database,
        bridge: OctoBotBridge,
        accounts: Accounts,
        idempotency: Idempotency,
        *,
        max_strategies: int,
        live_trading_enabled: bool,
    ) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._idempotency = idempotency
        self._max_strategies = max_strategies
        self._live_trading_enabled = live_trading_enabled

    def add(self, principal: Principal, origin: Origin, new: NewStrategy, key: str | None = None) -> Strategy:
        """Add a strategy; a repeated `key` gets the first outcome.

        On paper it gets an account of its own, which is empty at first; a live account becomes its own as a whole.

        :raises NotFound: the parent is not the caller's, or the market does not exist.
        :raises Refused: the class, the settings, the funding or the parent do not fit.
        :raises Forbidden: `live_trading_disabled`.
        :raises Conflict: `name_taken`, `too_many_strategies`, `account_archived`, `account_managed`, `orders_open`.
        """
        draft: StrategyDraft | None = None
        parent: Account | None = None

        def check() -> None:
            nonlocal draft, parent
            parent = self._parent(principal, new)
            draft = self._bridge.check_strategy(
                CheckStrategy(
                    exchange=parent.exchange,
                    reference_currency=parent.reference_currency,
                    strategy_class=new.strategy_class,
                    portfolio_name=new.portfolio_name,
                    settings=new.settings,
                    purpose=parent.mode,
                )
            )

        def write(session: Session) -> Strategy:
            if draft is None or parent is None:
                raise RuntimeError("a strategy was not checked before it was added")
            # the lock lets one adding of a user through at a time
            lock_user(session, principal.user_id)
            self._check_room(session, principal)
            name = _name(new, draft)
            if session.execute(of_user(principal).where(_ROW.name == name)).first() is not None:
                raise _name_taken()
            if parent.mode == "live":
                _take(session, parent)
                _insert(session, principal, parent, parent.id, draft, name=name, funding=ZERO)
            else:
                own = _open(session, principal, parent, name)
                _insert(session, principal, parent, own, draft, name=name, funding=new.funding or ZERO)
            audit.record(session, origin, "strategy.added", user_id=principal.user_id, target=name)
            return strategy_of(session.execute(of_user(principal).where(_ROW.name == name)).one())

        try:
            strategy = self._idempotency.once(Claim.of(principal, key, ADD, new), Strategy, write, check)
            self._accounts.forget(principal, strategy.account)
            return strategy
        except IntegrityError:  # somebody took the name between the look and the commit
            raise _name_taken() from None

    def _parent(self, principal: Principal, new: NewStrategy) -> Account:
        parent = self._accounts.owned(principal, new.account)
        if parent.kind not in PARENT_KINDS:
            raise Conflict(f"This is the account of a {parent.kind}.", code="account_managed")
        if parent.status != "active":
            raise Conflict("The account is archived.", code="account_archived")
        if parent.type != "spot":
            raise _refused("account", "not_a_spot_account", "Strategies trade on spot accounts.")
        if parent.mode == "live":
            self._check_live(new)
        elif new.funding is None:
            raise _refused("funding", "required", "Say what the strategy gets from its parent.")
        return parent

    def _check_live(self, new: NewStrategy) -> None:
        if not self._live_trading_enabled:
            raise Forbidden("Live trading is turned off on this installation.", code="live_trading_disabled")
        if new.funding is not None:
            raise not_funded()

    def _check_room(self, session: Session, principal: Principal) -> None:
        count = select(func.count()).select_from(_ROW).where(_ROW.user_id == principal.user_id)
        if session.execute(count).scalar_one() >= self._max_strategies:
            detail = f"You have {self._max_strategies} strategies, as many as this installation allows; delete one."
            raise Conflict(detail, code="too_many_strategies")


def _name(new: NewStrategy, draft: StrategyDraft) -> str:
    """Return the name a strategy gets: its own, or one made of its class and its markets."""
    name = new.name or f"{draft.strategy_class}_{draft.portfolio_name.replace('/', '-').replace(',', '.')}"
    if name.lower() in RESERVED:
        raise _refused("name", "name_reserved", "Choose another name; this one is a path of its own.")
    return name[:NAME_LENGTH]


def _take(session: Session, account: Account) -> None:
    """Make a live account the strategy's. :raises Conflict: `account_managed`, `orders_open`."""
    row = models.Account
    free = update(row).where(row.id == account.id, row.kind.in_(PARENT_KINDS), row.status == "active")
    if not session.connection().execute(free.values(kind="strategy", updated_at=clock.now())).rowcount:
        raise Conflict("Another strategy has taken the account.", code="account_managed")
    order = models.Order
    waiting = select(order.id).where(order.account_id == account.id, order.closed_at.is_(None)).limit(1)
    if session.execute(waiting).first() is not None:
        raise Conflict("The account has open orders; cancel them first.", code="orders_open")


def _open(session: Session, principal: Principal, parent: Account, name: str) -> str:
    """Open the account of a strategy on paper, and return its id."""
    added, account_id = clock.now(), ids.new_id()
    session.execute(
        insert(models.Account).values(
            id=account_id,
            user_id=principal.user_id,
            name=name,
            mode="paper",
            exchange=parent.exchange,
            type="spot",
            kind="strategy",
            reference_currency=parent.reference_currency,
            starting_balance=ZERO,
            status="active",
            created_at=added,
            updated_at=added,
        )
    )
    return account_id


def _insert(
    session: Session,
    principal: Principal,
    parent: Account,
    account_id: str,
    draft: StrategyDraft,
    *,
    name: str,
    funding: Decimal,
) -> None:
    added = clock.now()
    session.execute(
        insert(_ROW).values(
            id=ids.new_id(),
            user_id=principal.user_id,
            name=name,
            account_id=account_id,
            parent_id=parent.id,
            strategy_class=draft.strategy_class,
            portfolio_name=draft.portfolio_name,
            settings=msgspec.json.encode(draft.settings).decode(),
            funding=funding,
            state="created",
            # beyond every run of one that had the account before: the names of orders are used once
            run=int(added.timestamp()) if parent.mode == "live" else 0,
            created_at=added,
            updated_at=added,
        )
    )


def _name_taken() -> Conflict:
    detail = "You have a strategy of this name."
    return Conflict(detail, code="name_taken", errors=(FieldError(field="name", code="name_taken", message=detail),))


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
