"""Accounts, and who owns them."""

from __future__ import annotations

import builtins
import threading
import time
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Select, insert, select
from sqlalchemy.orm import Session

import models
from models import Database
from services.bot.accounts import BotAccount, BotAccounts, managed
from services.paging import oldest_first
from services.principals import Principal
from utils import clock, ids
from utils.errors import Conflict, NotFound
from utils.money import ZERO
from utils.pages import Cursor, Page
from utils.wire import Message, Mode

PAPER_EXCHANGE = "demo"
PAPER_CURRENCY = "USDT"
PAPER_BALANCE = Decimal(10_000)
CACHE_SECONDS = 3.0
"""How long an account that was looked up is taken as it was; its owner never changes."""

CACHE_SIZE = 10_000
_COLUMNS = (
    models.Account.id,
    models.Account.name,
    models.Account.mode,
    models.Account.exchange,
    models.Account.type,
    models.Account.reference_currency,
    models.Account.status,
    models.Account.kind,
    models.Account.credential_id.label("credential"),
    models.Account.starting_balance,
    models.Account.deposited,
    models.Account.reset_at,
    models.Account.created_at,
)


class Account(Message, frozen=True, kw_only=True):
    """An account as its owner sees it.

    `deposited` is what was paid in since `reset_at` (the opening when None), in the reference currency; None before the
    engine first opened the account.
    """

    id: str
    name: str
    mode: Mode
    exchange: str
    type: str
    reference_currency: str
    status: str
    kind: str
    credential: str | None
    starting_balance: Decimal
    deposited: Decimal | None
    reset_at: datetime | None
    created_at: datetime


class Accounts:
    """Read the accounts of users. Administrators see those of the operator's bot besides their own."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._bots = BotAccounts(database)
        self._found: dict[tuple[str, str | None], tuple[float, Account]] = {}
        self._lock = threading.Lock()

    def list(
        self, principal: Principal, *, limit: int, cursor: Cursor | None = None, status: str = "all"
    ) -> Page[Account]:
        """Return a page of the accounts that the caller sees, oldest first."""
        query = _of(principal)
        if status != "all":
            query = query.where(models.Account.status == status)
        query = oldest_first(query, models.Account, cursor).limit(limit + 1)
        with self._database.read() as connection:
            own = [_account(row) for row in connection.execute(query)]
        bots = [
            account
            for account in map(_of_bot, self._bots.list(principal))
            if status in {"all", account.status} and (cursor is None or (account.created_at, account.id) > cursor)
        ]
        return Page.of(sorted([*own, *bots], key=lambda each: (each.created_at, each.id)), limit)

    def active(self, principal: Principal) -> builtins.list[Account]:
        """Return all of the caller's accounts that are not archived, oldest first."""
        return [account for account in self.all(principal) if account.status == "active"]

    def all(self, principal: Principal) -> builtins.list[Account]:
        """Return all of the caller's accounts, oldest first."""
        query = _of(principal).order_by(models.Account.created_at, models.Account.id)
        with self._database.read() as connection:
            return [_account(row) for row in connection.execute(query)]

    def get(self, principal: Principal, account_id: str) -> Account:
        """Return an account that the caller sees, as it is now. :raises NotFound: `account_not_found`."""
        bot = self._bots.find(principal, account_id)
        if bot is not None:
            return _of_bot(bot)
        with self._database.read() as connection:
            row = connection.execute(_of(principal).where(models.Account.id == account_id)).first()
        if row is None:
            raise not_found()
        return _account(row)

    def missing(self, principal: Principal, account_id: str | None) -> Conflict | NotFound:
        """Return the error for an account that is not the caller's: the bot's they see, but have no hand in."""
        return not_found() if self._bots.find(principal, account_id) is None else managed()

    def check_owner(self, user_id: str, account_id: str) -> None:
        """Make sure that an account is this user's. :raises NotFound: `account_not_found`."""
        query = select(models.Account.id).where(models.Account.id == account_id, models.Account.user_id == user_id)
        with self._database.read() as connection:
            if connection.execute(query).first() is None:
                raise not_found()

    def forget(self, principal: Principal, account_id: str) -> None:
        """Look the account up anew next time."""
        with self._lock:
            self._found.pop((principal.user_id, account_id), None)

    def owned(self, principal: Principal, account_id: str | None = None) -> Account:
        """Return the caller's account `account_id`, the main one for None.

        :raises NotFound: `account_not_found`, also when it is somebody else's.
        :raises Conflict: `account_managed`: it is one of the bot's, and the caller may look at it alone.
        """
        key = (principal.user_id, account_id)
        kept = self._found.get(key)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        mine = models.Account.kind == "main" if account_id is None else models.Account.id == account_id
        query = _of(principal).where(mine).order_by(models.Account.created_at, models.Account.id).limit(1)
        with self._database.read() as connection:
            row = connection.execute(query).first()
        if row is None:
            raise self.missing(principal, account_id)
        account = _account(row)
        with self._lock:
            if len(self._found) >= CACHE_SIZE:
                self._found.clear()
            self._found[key] = (time.monotonic() + CACHE_SECONDS, account)
        return account

    def seen(self, principal: Principal, account_id: str | None = None) -> Account:
        """Return an account as `owned` does, or one of the bot's for who may look at it."""
        bot = self._bots.find(principal, account_id)
        return self.owned(principal, account_id) if bot is None else _of_bot(bot)

    def tradable(self, principal: Principal, account_id: str | None = None) -> Account:
        """Return an account as `owned` does, unless a strategy trades on it. :raises Conflict: `account_managed`."""
        account = self.owned(principal, account_id)
        if account.mode == "live":
            account = self.get(principal, account.id)  # a strategy may have taken it meanwhile
        if account.kind == "strategy":
            raise Conflict("A strategy trades on this account.", code="account_managed")
        return account


def open_main(session: Session, user_id: str) -> None:
    """Add the paper account that every user gets; the engine books its balance when it first opens it."""
    opened = clock.now()
    session.execute(
        insert(models.Account).values(
            id=ids.new_id(),
            user_id=user_id,
            name="Paper",
            mode="paper",
            exchange=PAPER_EXCHANGE,
            type="spot",
            kind="main",
            reference_currency=PAPER_CURRENCY,
            starting_balance=PAPER_BALANCE,
            status="active",
            created_at=opened,
            updated_at=opened,
        )
    )


def not_found() -> NotFound:
    """Return the error for an account that the caller does not have."""
    return NotFound("You have no such account.", code="account_not_found")


def _of(principal: Principal) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(models.Account.user_id == principal.user_id)


def _account(row: Any) -> Account:
    return Account(**row._mapping)


def _of_bot(kept: BotAccount) -> Account:
    return Account(
        id=kept.id,
        name=f"Bot at {kept.exchange}",
        mode=kept.mode,
        exchange=kept.exchange,
        type=kept.type,
        reference_currency=kept.reference_currency,
        status="active" if kept.is_traded else "archived",
        kind="bot",
        credential=None,
        starting_balance=ZERO,
        deposited=None,
        reset_at=None,
        created_at=kept.opened_at,
    )
