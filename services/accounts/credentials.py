"""Exchange credentials: keys of users, stored sealed and never shown again."""

from __future__ import annotations

import builtins
from datetime import datetime
from typing import Any, Literal

import msgspec
from sqlalchemy import Select, delete, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

import models
from config import DEMO
from models import Database
from services import audit
from services.audit import Origin
from services.idempotency import Claim, Idempotency
from services.paging import oldest_first
from services.principals import Principal
from utils import clock, credentials, ids
from utils.credentials import ApiKeys
from utils.errors import Conflict, FieldError, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.pages import Cursor, Page
from utils.vault import Vault
from utils.wire import KeyPermission, Message, VerifyCredential

CREATE = "POST /api/credentials"
VERIFY_SECONDS = 12.0
"""How long the engine may take: exchanges are slower than engines."""

_ROW = models.Credential
_COLUMNS = (
    _ROW.id,
    _ROW.name,
    _ROW.exchange,
    _ROW.key_hint,
    _ROW.permissions,
    _ROW.status,
    _ROW.error_code,
    _ROW.verified_at,
    _ROW.created_at,
)
Status = Literal["unverified", "verified", "failed"]


class Credential(Message, frozen=True, kw_only=True):
    """A credential as its owner sees it; `permissions` is None until the exchange has told them."""

    id: str
    name: str
    exchange: str
    key_hint: str
    permissions: list[KeyPermission] | None
    status: Status
    error_code: str | None
    verified_at: datetime | None
    created_at: datetime


class NewCredential(Message, frozen=True, kw_only=True):
    """Keys that a user hands over; `exchange` is where they are good."""

    name: str
    exchange: str
    keys: ApiKeys


class Replacement(Message, frozen=True, kw_only=True):
    """Keys that take the place of others, and the new name, if any."""

    keys: ApiKeys
    name: str | None = None


class Credentials:
    """Keep the keys of users, sealed."""

    def __init__(
        self,
        database: Database,
        bridge: OctoBotBridge,
        vault: Vault,
        idempotency: Idempotency,
        configured: tuple[str, ...],
    ) -> None:
        self._database = database
        self._bridge = bridge.within(VERIFY_SECONDS)
        self._vault = vault
        self._idempotency = idempotency
        self._configured = configured

    def list(self, principal: Principal, *, limit: int, cursor: Cursor | None = None) -> Page[Credential]:
        """Return a page of the caller's credentials, oldest first."""
        query = oldest_first(_of(principal), _ROW, cursor).limit(limit + 1)
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        return Page.of([_credential(row) for row in rows], limit)

    def get(self, principal: Principal, credential_id: str) -> Credential:
        """Return one of the caller's credentials. :raises NotFound: `credential_not_found`."""
        with self._database.read() as connection:
            row = connection.execute(_of(principal).where(_ROW.id == credential_id)).first()
        if row is None:
            raise _not_found()
        return _credential(row)

    def create(self, principal: Principal, origin: Origin, new: NewCredential, key: str | None = None) -> Credential:
        """Seal and store keys, not verified yet; a repeated idempotency `key` is answered with the first outcome.

        :raises Refused: `unknown_exchange` when this installation does not have the exchange.
        :raises Conflict: `name_taken`.
        """
        body = (new.name, new.exchange, new.keys.api_key, new.keys.api_secret, new.keys.password)
        claim = Claim.of(principal, key, CREATE, body)

        def write(session: Session) -> Credential:
            self._check_exchange(session, new.exchange)
            _check_name(session, principal.user_id, new.name)
            made = _insert(session, self._vault, principal.user_id, new)
            audit.record(session, origin, "credential.created", user_id=principal.user_id, target=made.id)
            return made

        try:
            return self._idempotency.once(claim, Credential, write)
        except IntegrityError:  # somebody took the name between the look and the commit
            raise _name_taken() from None

    def replace(self, principal: Principal, origin: Origin, credential_id: str, replacement: Replacement) -> Credential:
        """Put other keys in the place of a credential's; they are not verified yet.

        :raises NotFound: `credential_not_found`. :raises Conflict: `name_taken`.
        """
        try:
            with self._database.write() as session:
                row = session.execute(_mine(principal, credential_id)).first()
                if row is None:
                    raise _not_found()
                name = replacement.name or row.name
                _check_name(session, principal.user_id, name, but=credential_id)
                sealed = credentials.seal(self._vault, replacement.keys, principal.user_id, row.exchange, credential_id)
                values = {"name": name, "key_hint": replacement.keys.hint, "sealed": sealed.blob}
                _set(session, credential_id, key_id=sealed.key_id, status="unverified", **_UNKNOWN, **values)
                audit.record(session, origin, "credential.replaced", user_id=principal.user_id, target=credential_id)
        except IntegrityError:
            raise _name_taken() from None
        return self.get(principal, credential_id)

    def rename(self, principal: Principal, origin: Origin, credential_id: str, name: str) -> Credential:
        """Give a credential another name. :raises NotFound: `credential_not_found`. :raises Conflict: `name_taken`."""
        try:
            with self._database.write() as session:
                if session.execute(_mine(principal, credential_id)).first() is None:
                    raise _not_found()
                _check_name(session, principal.user_id, name, but=credential_id)
                # `updated_at` stays: it tells when the keys themselves changed
                session.execute(update(_ROW).where(_ROW.id == credential_id).values(name=name))
                audit.record(session, origin, "credential.renamed", user_id=principal.user_id, target=credential_id)
        except IntegrityError:
            raise _name_taken() from None
        return self.get(principal, credential_id)

    def delete(self, principal: Principal, origin: Origin, credential_id: str) -> Credential:
        """Forget keys for good, and return what they were.

        :raises NotFound: `credential_not_found`.
        :raises Conflict: `credential_in_use` while an active account trades with them.
        """
        account, users = models.Account, models.Account.credential_id == credential_id
        with self._database.write() as session:
            # the lock keeps an account from being opened with these keys until this is over
            row = session.execute(_mine(principal, credential_id)).first()
            if row is None:
                raise _not_found()
            if session.execute(select(exists().where(users, account.status == "active"))).scalar():
                raise Conflict("An active account trades with these keys.", code="credential_in_use")
            session.execute(update(account).where(users).values(credential_id=None))
            session.execute(delete(_ROW).where(_ROW.id == credential_id))
            audit.record(session, origin, "credential.deleted", user_id=principal.user_id, target=credential_id)
        return _credential(row)

    def verify(self, principal: Principal, origin: Origin, credential_id: str) -> Credential:
        """Ask the exchange what the keys may do, and keep what it says.

        :raises NotFound: `credential_not_found`.
        :raises Conflict: `credential_changed` when other keys took their place meanwhile.
        :raises TradingError: the exchange or the engine could not be asked; what was known of the keys stays.
        """
        with self._database.read() as connection:
            row = connection.execute(_mine(principal, credential_id, lock=False)).first()
        if row is None:
            raise _not_found()
        check = self._bridge.verify_credential(
            VerifyCredential(
                user_id=principal.user_id,
                exchange=row.exchange,
                credential_id=credential_id,
                key_id=row.key_id,
                sealed=row.sealed,
            )
        )
        values: dict[str, Any] = {
            "status": "verified" if check.error_code is None else "failed",
            "error_code": check.error_code,
            "permissions": None if check.permissions is None else msgspec.json.encode(check.permissions).decode(),
            "verified_at": clock.now() if check.error_code is None else row.verified_at,
        }
        with self._database.write() as session:
            # what was asked about must still be there; sealing the same keys anew leaves this moment alone
            if not _set(session, credential_id, _ROW.updated_at == row.updated_at, **values):
                raise Conflict("The keys were replaced meanwhile; verify again.", code="credential_changed")
            action, who = "credential.verified", principal.user_id
            if check.error_code is None:
                audit.record(session, origin, action, user_id=who, target=credential_id)
            else:
                audit.denied(session, origin, action, check.error_code, user_id=who, target=credential_id)
        return self.get(principal, credential_id)

    def _check_exchange(self, session: Session, exchange: str) -> None:
        connected = models.connected_exchanges(session.connection(), self._configured)
        if exchange == DEMO or exchange not in connected:
            known = ", ".join(name for name in connected if name != DEMO) or "none"
            detail = f"Keys are taken for the exchanges of this installation: {known}."
            error = FieldError(field="exchange", code="unknown_exchange", message=detail)
            raise Refused(detail, code="unknown_exchange", errors=(error,))


_UNKNOWN: dict[str, Any] = {"permissions": None, "error_code": None, "verified_at": None}
"""What is known of keys that no exchange was asked about."""


def _insert(session: Session, vault: Vault, user_id: str, new: NewCredential) -> Credential:
    created = clock.now()
    made = Credential(
        id=ids.new_id(),
        name=new.name,
        exchange=new.exchange,
        key_hint=new.keys.hint,
        permissions=None,
        status="unverified",
        error_code=None,
        verified_at=None,
        created_at=created,
    )
    sealed = credentials.seal(vault, new.keys, user_id, new.exchange, made.id)
    session.execute(
        insert(_ROW).values(
            id=made.id,
            user_id=user_id,
            name=made.name,
            exchange=made.exchange,
            key_hint=made.key_hint,
            sealed=sealed.blob,
            key_id=sealed.key_id,
            status=made.status,
            created_at=created,
            updated_at=created,
            **_UNKNOWN,
        )
    )
    return made


def _set(session: Session, credential_id: str, *conditions: Any, **values: Any) -> bool:
    statement = update(_ROW).where(_ROW.id == credential_id, *conditions).returning(_ROW.id)
    return session.execute(statement.values(updated_at=clock.now(), **values)).first() is not None


def _of(principal: Principal) -> Select[*tuple[Any, ...]]:
    return select(*_COLUMNS).where(_ROW.user_id == principal.user_id)


def _mine(principal: Principal, credential_id: str, *, lock: bool = True) -> Select[*tuple[Any, ...]]:
    query = select(*_COLUMNS, _ROW.sealed, _ROW.key_id, _ROW.updated_at)
    query = query.where(_ROW.user_id == principal.user_id, _ROW.id == credential_id)
    return query.with_for_update() if lock else query


def _credential(row: Any) -> Credential:
    values = {column.key: getattr(row, column.key) for column in _COLUMNS}
    permissions = values.pop("permissions")
    told = None if permissions is None else msgspec.json.decode(permissions, type=builtins.list[KeyPermission])
    return Credential(permissions=told, **values)


def _check_name(session: Session, user_id: str, name: str, *, but: str | None = None) -> None:
    query = select(exists().where(_ROW.user_id == user_id, _ROW.name == name, _ROW.id != (but or "")))
    if session.execute(query).scalar():
        raise _name_taken()


def _name_taken() -> Conflict:
    error = FieldError(field="name", code="name_taken", message="You have a credential of this name.")
    return Conflict(error.message, code=error.code, errors=(error,))


def _not_found() -> NotFound:
    return NotFound("You have no such credential.", code="credential_not_found")
