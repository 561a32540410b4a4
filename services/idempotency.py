"""Idempotency keys of what web workers write: a repeated request is answered with the first one's outcome.

The engine keeps the keys of its own commands (`engine/journal/keys.py`) in the same table and by the same rules: one
key of a user belongs to one request.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple, NoReturn, TypeVar

import msgspec
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from models import Database, IdempotencyKey
from services.old_rows import delete_old
from services.principals import Principal
from utils import clock, replays
from utils.errors import Conflict, Fault, NotFound, Refused, TradingError, idempotency_key_reused

Result = TypeVar("Result")
FINAL_REFUSALS = (Refused, Conflict, NotFound)
"""Outcomes that belong to a key; after any other the same key may be tried again."""

RETRY_AFTER = 1
KEEP = timedelta(days=7)
"""How long a key is known."""


class Claim(NamedTuple):
    """A key of a user, and what identifies the request that came with it."""

    user_id: str
    key: str
    digest: str

    @classmethod
    def of(cls, principal: Principal, key: str | None, route: str, body: Any) -> Claim | None:
        """Return the claim of a request; None without a key.

        :param route: method and first path of the route, such as `POST /api/accounts`.
        :param body: what was read from the request, as messages or builtins; a digest alone of it is kept.
        """
        if key is None:
            return None
        request = msgspec.json.encode((route, body), order="deterministic")
        return cls(principal.user_id, key, hashlib.sha256(request).hexdigest())


class Idempotency:
    """Let each key of a user be used for one request."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def once(
        self,
        claim: Claim | None,
        kind: type[Result],
        write: Callable[[Session], Result],
        check: Callable[[], object] | None = None,
    ) -> Result:
        """Do `write` in one transaction with its outcome, or answer with the outcome that is stored for the key.

        A second request waits for the first. Answers are stored as they are: none may hold a secret.

        :param kind: what `write` returns; read back from JSON for a repetition.
        :param check: what has to be asked before, outside the transaction, such as the engine.
        :raises Refused: `idempotency_key_reused` when the key belongs to another request.
        :raises Conflict: `idempotency_key_in_flight` when the first one takes too long.
        :raises TradingError: what `check` or `write` raise, or raised the first time.
        """
        if claim is None:
            if check is not None:
                check()
            with self._database.write() as session:
                return write(session)
        stored = self._stored(claim)
        if stored is not None:
            return _replay(stored, claim, kind)
        try:
            if check is not None:
                check()
        except FINAL_REFUSALS as refusal:
            return self._settle(claim, kind, _raising(refusal))
        return self._settle(claim, kind, write)

    def forget(self) -> None:
        """Delete the keys that have outlived their time, those of the engine as well."""
        delete_old(self._database, IdempotencyKey, IdempotencyKey.created_at < clock.now() - KEEP)

    def _settle(self, claim: Claim, kind: type[Result], write: Callable[[Session], Result]) -> Result:
        """Take the key, do `write` and store what came of it, all in one transaction."""
        refusal: TradingError | None = None
        with self._database.write() as session:
            taken = self._take(session, claim)
            if taken:
                try:
                    with session.begin_nested():
                        result = write(session)
                except FINAL_REFUSALS as error:
                    refusal = error
                    _store(session, claim, fault=msgspec.json.encode(Fault.of(error)).decode())
                else:
                    _store(session, claim, answer=msgspec.json.encode(result).decode())
        if refusal is not None:
            raise refusal
        if taken:
            return result
        return _replay(self._stored(claim), claim, kind)

    def _take(self, session: Session, claim: Claim) -> bool:
        """Insert the key, after whoever is at it has ended; return False when it is there."""
        row = {
            "user_id": claim.user_id,
            "key": claim.key,
            "request_hash": claim.digest,
            "created_at": clock.now(),
        }
        statement = self._database.insert(IdempotencyKey).on_conflict_do_nothing().returning(IdempotencyKey.key)
        try:
            return session.execute(statement, row).first() is not None
        except OperationalError as error:
            if self._database.is_sqlite or getattr(error.orig, "sqlstate", None) != "55P03":  # lock_not_available
                raise
            raise _in_flight() from None

    def _stored(self, claim: Claim) -> Any:
        query = select(IdempotencyKey.__table__).where(
            IdempotencyKey.user_id == claim.user_id, IdempotencyKey.key == claim.key
        )
        with self._database.read() as connection:
            return connection.execute(query).one_or_none()


def _replay[Stored](stored: Any, claim: Claim, kind: type[Stored]) -> Stored:
    if stored is None:  # it has expired between two looks at it
        raise Conflict(
            "The idempotency key has just expired.", code="idempotency_key_in_flight", retry_after=RETRY_AFTER
        )
    if stored.request_hash != claim.digest:
        raise idempotency_key_reused()
    replays.mark()
    if stored.fault is not None:
        raise msgspec.json.decode(stored.fault, type=Fault).error()
    return msgspec.json.decode(stored.answer, type=kind)


def _in_flight() -> Conflict:
    detail = "A request with this idempotency key is under way."
    return Conflict(detail, code="idempotency_key_in_flight", retry_after=RETRY_AFTER)


def _store(session: Session, claim: Claim, **outcome: str) -> None:
    mine = (IdempotencyKey.user_id == claim.user_id, IdempotencyKey.key == claim.key)
    session.execute(update(IdempotencyKey).where(*mine).values(**outcome))


def _raising(refusal: TradingError) -> Callable[[Session], NoReturn]:
    def write(_session: Session) -> NoReturn:
        raise refusal

    return write
