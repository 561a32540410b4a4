"""Open, rename, fund and archive accounts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec
from sqlalchemy import exists, func, insert, or_, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.accounts.accounts import PAPER_BALANCE, PAPER_CURRENCY, PAPER_EXCHANGE, Account, Accounts
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.principals import Principal
from services.user_lock import lock_user
from utils import clock, ids
from utils.errors import Conflict, FieldError, Forbidden, NotFound, Refused
from utils.money import ZERO
from utils.octobot_bridge import OctoBotBridge
from utils.wire import (
    FUNDED_STATES,
    AccountType,
    Actor,
    ArchiveAccount,
    Deposit,
    DepositFunds,
    Message,
    Mode,
    ResetAccount,
)

OPEN = "POST /api/accounts"
OWN_KINDS = frozenset({"main", "extra"})
"""Accounts that their owner fills and ends; strategies, tournaments and the bot look after theirs themselves."""

_TRADED = {"spot": frozenset({"spot"}), "futures": frozenset({"swap"})}
"""The types of market that an account of each type trades."""
_NEEDED = {"spot": "trade", "futures": "futures"}
"""What keys must be allowed to trade with an account of each type."""

_ROW = models.Account


class NewAccount(Message, frozen=True, kw_only=True):
    """An account to open; `starting_balance` is a paper account's, `credential` a live one's."""

    name: str
    mode: Mode = "paper"
    exchange: str = PAPER_EXCHANGE
    type: AccountType = "spot"
    credential: str | None = None
    starting_balance: Decimal | None = None
    reference_currency: str = PAPER_CURRENCY


class AccountChanges:
    """Change the accounts of users. All methods raise `NotFound` for an account that is not the caller's."""

    def __init__(
        self,
        database: Database,
        bridge: OctoBotBridge,
        accounts: Accounts,
        idempotency: Idempotency,
        *,
        live_trading_enabled: bool,
        max_accounts: int,
    ) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._idempotency = idempotency
        self._live_trading_enabled = live_trading_enabled
        self._max_accounts = max_accounts

    def open(self, principal: Principal, origin: Origin, new: NewAccount, key: str | None = None) -> Account:
        """Open an account; a repeated idempotency `key` is answered with the first outcome.

        :raises Forbidden: `live_trading_disabled`.
        :raises NotFound: the exchange is not connected, or the credential is not the caller's.
        :raises Refused: the exchange has no such markets, or the credential is another exchange's.
        :raises Conflict: `too_many_accounts`, or the credential cannot be used (any more).
        """

        def check() -> None:
            if new.mode == "live" and not self._live_trading_enabled:
                detail = "Live trading is turned off on this installation."
                raise Forbidden(detail, code="live_trading_disabled")
            self._check_markets(new)

        def write(session: Session) -> Account:
            self._check_room(session, principal)
            if new.mode == "live":
                _check_credential(session, principal, new)
            account = _insert(session, principal, new)
            audit.record(session, origin, "account.opened", user_id=principal.user_id, target=account.id)
            return account

        claim = Claim.of(principal, key, OPEN, new)
        return self._idempotency.once(claim, Account, write, check)

    def rename(self, principal: Principal, origin: Origin, account_id: str, name: str) -> Account:
        """Give an account another name. :raises Conflict: `account_managed`: it is the bot's."""
        with self._database.write() as session:
            statement = update(_ROW).where(_ROW.id == account_id, _ROW.user_id == principal.user_id)
            changed = session.connection().execute(statement.values(name=name, updated_at=clock.now()))
            if not changed.rowcount:
                raise self._accounts.missing(principal, account_id)
            audit.record(session, origin, "account.renamed", user_id=principal.user_id, target=account_id)
        return self._read(principal, account_id)

    def archive(self, principal: Principal, actor: Actor, account_id: str) -> Account:
        """Cancel the account's open orders and let it trade no more.

        :raises Conflict: `main_account`, `account_managed`, `account_in_use` while a strategy holds money of it, or
            `orders_open` when an order could not be canceled.
        """
        account = self._own(principal, account_id)
        if account.kind == "main":
            raise Conflict("The main account stays; reset it instead.", code="main_account")
        self._check_no_parent(account)
        self._bridge.archive_account(ArchiveAccount(actor=actor, account=account.id))
        return self._read(principal, account_id)

    def reset(
        self,
        principal: Principal,
        actor: Actor,
        account_id: str,
        starting_balance: Decimal | None = None,
        key: str | None = None,
    ) -> Account:
        """Begin a paper account anew with its starting balance, or with the one that is given.

        :raises Conflict: it is live, archived, or not the caller's to fill.
        """
        account = self._own(principal, account_id)
        self._bridge.reset_account(
            ResetAccount(actor=actor, account=account.id, starting_balance=starting_balance, idempotency_key=key)
        )
        return self._read(principal, account_id)

    def deposit(
        self,
        principal: Principal,
        actor: Actor,
        account_id: str,
        *,
        currency: str,
        amount: Decimal,
        key: str | None = None,
    ) -> Deposit:
        """Pay into a paper account.

        :raises Conflict: it is live, archived, or not the caller's to fill. :raises Refused: `currency_not_valued`.
        """
        account = self._own(principal, account_id)
        return self._bridge.deposit(
            DepositFunds(actor=actor, account=account.id, currency=currency, amount=amount, idempotency_key=key)
        )

    def _check_no_parent(self, account: Account) -> None:
        row = models.Strategy
        query = select(row.name).where(row.parent_id == account.id, row.state.in_(FUNDED_STATES)).limit(1)
        with self._database.read() as connection:
            name = connection.execute(query).scalar()
        if name is not None:
            raise Conflict(f"The strategy {name} holds money of this account; stop it first.", code="account_in_use")

    def _own(self, principal: Principal, account_id: str) -> Account:
        account = self._accounts.owned(principal, account_id)
        if account.kind not in OWN_KINDS:
            raise Conflict(f"This is the account of a {account.kind}.", code="account_managed")
        return account

    def _read(self, principal: Principal, account_id: str) -> Account:
        self._accounts.forget(principal, account_id)
        return self._accounts.get(principal, account_id)

    def _check_markets(self, new: NewAccount) -> None:
        markets = [each for each in self._bridge.instruments(new.exchange) if each.type in _TRADED[new.type]]
        if not markets:
            raise _refused("type", "type_not_available", f"{new.exchange} has no {new.type} markets here.")
        currencies: set[str | None]
        if new.type == "spot":
            currencies = {currency for market in markets for currency in (market.base, market.quote)}
        else:
            currencies = {market.settle for market in markets if market.linear}
            if new.reference_currency not in currencies and new.reference_currency in {each.base for each in markets}:
                detail = "Contracts settled in what they trade are inverse; they cannot be traded."
                raise _refused("reference_currency", "inverse_not_supported", detail)
        if new.reference_currency not in currencies:
            detail = f"{new.exchange} has no {new.type} market in {new.reference_currency}."
            raise _refused("reference_currency", "unknown_currency", detail)

    def _check_room(self, session: Session, principal: Principal) -> None:
        # the lock lets one opening of a user through at a time
        lock_user(session, principal.user_id)
        own = or_(_ROW.kind.in_(OWN_KINDS), _ROW.mode == "live")  # also one that a strategy has taken
        mine = (_ROW.user_id == principal.user_id, _ROW.status == "active", own)
        if session.execute(select(func.count()).select_from(_ROW).where(*mine)).scalar_one() >= self._max_accounts:
            detail = f"You have {self._max_accounts} accounts, as many as this installation allows; archive one."
            raise Conflict(detail, code="too_many_accounts")


def _check_credential(session: Session, principal: Principal, new: NewAccount) -> None:
    keys = models.Credential
    query = select(keys.exchange, keys.status, keys.permissions)
    # the lock keeps the keys from being deleted, or taken by another account, until this is over
    row = session.execute(
        query.where(keys.id == new.credential, keys.user_id == principal.user_id).with_for_update()
    ).first()
    if row is None:
        raise NotFound("You have no such credential.", code="credential_not_found")
    if row.exchange != new.exchange:
        detail = f"These keys are for {row.exchange}."
        raise _refused("credential", "credential_exchange_mismatch", detail)
    if row.status != "verified":
        raise Conflict("Verify the keys first.", code="credential_not_verified")
    if _NEEDED[new.type] not in msgspec.json.decode(row.permissions or "[]"):
        raise Conflict(f"These keys may not trade {new.type} markets.", code="credential_cannot_trade")
    # the wallets of spot and of perpetuals are apart
    taken = exists().where(_ROW.credential_id == new.credential, _ROW.status == "active", _ROW.type == new.type)
    if session.execute(select(taken)).scalar():
        raise Conflict(f"Another {new.type} account trades with these keys.", code="credential_in_use")


def _insert(session: Session, principal: Principal, new: NewAccount) -> Account:
    opened = clock.now()
    account = Account(
        id=ids.new_id(),
        name=new.name,
        mode=new.mode,
        exchange=new.exchange,
        type=new.type,
        reference_currency=new.reference_currency,
        status="active",
        kind="extra",
        credential=new.credential,
        starting_balance=_starting_balance(new),
        deposited=None,
        reset_at=None,
        created_at=opened,
    )
    values: dict[str, Any] = msgspec.structs.asdict(account)
    credential = values.pop("credential")
    session.execute(
        insert(_ROW).values(**values, user_id=principal.user_id, credential_id=credential, updated_at=opened)
    )
    return account


def _starting_balance(new: NewAccount) -> Decimal:
    if new.mode == "live":
        return ZERO
    return PAPER_BALANCE if new.starting_balance is None else new.starting_balance


def _refused(field: str, code: str, detail: str) -> Refused:
    return Refused(detail, code=code, errors=(FieldError(field=field, code=code, message=detail),))
