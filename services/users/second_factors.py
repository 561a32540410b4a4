"""Second factors: one-time codes of an authenticator app (TOTP, RFC 6238), and recovery codes for its loss."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any

import msgspec
from cryptography.hazmat.primitives import constant_time
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.twofactor.totp import TOTP
from sqlalchemy import Connection, delete, exists, insert, select, update
from sqlalchemy.orm import Session

from models import Database, RecoveryCode, SecondFactor
from services import audit
from services.audit import Origin
from services.principals import Principal
from services.users.confirmation import Confirmation
from utils import clock
from utils.errors import Conflict, FieldError, Refused
from utils.vault import Sealed, Vault
from utils.wire import Message

ISSUER = "Trading Backend"
SECRET_BYTES = 20
DIGITS = 6
STEP_SECONDS = 30
SKEW = 1
"""How many steps the clock of a telephone may be off, either way."""

RECOVERY_CODES = 10
RECOVERY_BYTES = 10
"""80 random bits: nobody finds such a code from its hash."""

_CODE = re.compile(rf"[0-9]{{{DIGITS}}}")


class Enrollment(Message, frozen=True, kw_only=True):
    """What an authenticator app is told: the secret in Base32, also inside a URI to show as a QR code."""

    secret: str
    uri: str


class RecoveryCodes(Message, frozen=True, kw_only=True):
    """Codes that are each good for one login without the app; shown this once."""

    recovery_codes: list[str]


class SecondFactorState(Message, frozen=True, kw_only=True):
    """Whether a login needs a code."""

    enabled: bool


class SecondFactors:
    """Set second factors up and off, and check their codes."""

    def __init__(self, database: Database, vault: Vault, confirmation: Confirmation) -> None:
        self._database = database
        self._vault = vault
        self._confirmation = confirmation

    def enroll(self, principal: Principal, origin: Origin, password: str) -> Enrollment:
        """Draw a secret, which counts once a code of it was confirmed; an earlier unconfirmed one is forgotten.

        :raises Refused: `wrong_password`. :raises Conflict: `totp_enabled`.
        """
        user_id = principal.user_id
        self._confirmation.check(principal, origin, "totp.enrolled", password)
        secret = secrets.token_bytes(SECRET_BYTES)
        sealed = self._vault.seal(secret, context(user_id))
        row = {"user_id": user_id, "sealed": sealed.blob, "key_id": sealed.key_id, "last_step": 0}
        with self._database.write() as session:
            unconfirmed = (SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_(None))
            session.execute(delete(SecondFactor).where(*unconfirmed))
            made = self._database.insert(SecondFactor).on_conflict_do_nothing().returning(SecondFactor.user_id)
            if session.execute(made, {**row, "created_at": clock.now()}).first() is None:
                raise Conflict("A second factor is set up; disable it first.", code="totp_enabled")
            audit.record(session, origin, "totp.enrolled", user_id=user_id, target=user_id)
        uri = _totp(secret).get_provisioning_uri(principal.username, ISSUER)
        return Enrollment(secret=base64.b32encode(secret).decode(), uri=uri)

    def confirm(self, principal: Principal, origin: Origin, code: str) -> RecoveryCodes:
        """Turn the second factor on: the code shows that the app knows the secret.

        :raises Conflict: `totp_enabled`, or `totp_not_enrolled`. :raises Refused: `totp_invalid`.
        """
        user_id = principal.user_id
        with self._database.write() as session:
            row = _row(session, user_id)
            if row is None or row.confirmed_at is not None:
                raise _not_enrolled() if row is None else Conflict("It is set up already.", code="totp_enabled")
            right = self._spend_step(session, row, code)
            if right:
                confirmed = update(SecondFactor).where(SecondFactor.user_id == user_id)
                session.execute(confirmed.values(confirmed_at=clock.now()))
                codes = _draw_recovery_codes(session, user_id)
                audit.record(session, origin, "totp.enabled", user_id=user_id, target=user_id)
            else:
                audit.denied(session, origin, "totp.enabled", "totp_invalid", user_id=user_id, target=user_id)
        if not right:
            raise _invalid()
        return RecoveryCodes(recovery_codes=codes)

    def disable(self, principal: Principal, origin: Origin, password: str, code: str) -> SecondFactorState:
        """Let a login need the password alone; it takes the password and a code, of the app or for recovery.

        :raises Conflict: `totp_not_enrolled`. :raises Refused: `wrong_password`, or `totp_invalid`.
        """
        user_id = principal.user_id
        self._confirmation.check(principal, origin, "totp.disabled", password)
        with self._database.write() as session:
            if not is_on(session.connection(), user_id):
                raise _not_enrolled()
            right = self.spend(session, user_id, code)
            if right:
                forget(session, user_id)
                audit.record(session, origin, "totp.disabled", user_id=user_id, target=user_id)
            else:
                audit.denied(session, origin, "totp.disabled", "totp_invalid", user_id=user_id, target=user_id)
        if not right:
            raise _invalid()
        return SecondFactorState(enabled=False)

    def check(self, principal: Principal, origin: Origin, action: str, password: str, code: str | None) -> str:
        """Go on when the caller sends what a login of theirs needs, and return the hash of their password.

        :param action: what is asked for, as the audit log calls it.
        :raises Refused: `wrong_password`; with a second factor `totp_required` without a code, else `totp_invalid`.
        """
        user_id = principal.user_id
        password_hash = self._confirmation.check(principal, origin, action, password)
        with self._database.write() as session:
            refusal = self._refusal(session, user_id, code)
            if refusal is not None:
                audit.denied(session, origin, action, refusal.code, user_id=user_id, target=user_id)
        if refusal is not None:
            raise refusal
        return password_hash

    def _refusal(self, session: Session, user_id: str, code: str | None) -> Refused | None:
        if not is_on(session.connection(), user_id):
            return None
        if code is None:
            error = FieldError(field="totp", code="totp_required", message="Send the code of your app as totp.")
            return Refused(error.message, code="totp_required", errors=(error,))
        return None if self.spend(session, user_id, code) else _invalid()

    def spend(self, session: Session, user_id: str, code: str) -> bool:
        """Use a code up; tell whether it was the user's, of the app or for recovery, and not used before.

        :raises NotReady: `credential_unreadable` when the secret cannot be opened (recovery codes work all the same).
        """
        if not _CODE.fullmatch(code):
            return _spend_recovery_code(session, user_id, code)
        row = _row(session, user_id)
        return row is not None and row.confirmed_at is not None and self._spend_step(session, row, code)

    def _spend_step(self, session: Session, row: Any, code: str) -> bool:
        secret = self._vault.open(Sealed(row.key_id, row.sealed), context(row.user_id))
        present = int(time.time()) // STEP_SECONDS
        step = _step_of(secret, code, range(present - SKEW, present + SKEW + 1))
        if step is None:
            return False
        # of any number of logins at once with one code exactly one finds it unused
        unused = (SecondFactor.user_id == row.user_id, SecondFactor.last_step < step)
        spent = update(SecondFactor).where(*unused).values(last_step=step).returning(SecondFactor.user_id)
        return session.execute(spent).first() is not None


def context(user_id: str) -> bytes:
    """Return what the secret of a user is sealed for."""
    return msgspec.json.encode(["totp", user_id])


def is_on(connection: Connection, user_id: str) -> bool:
    """Tell whether a login of the user needs a code."""
    confirmed = (SecondFactor.user_id == user_id, SecondFactor.confirmed_at.is_not(None))
    return bool(connection.execute(select(exists().where(*confirmed))).scalar())


def forget(session: Session, user_id: str) -> bool:
    """Delete what is known of a user's second factor; return whether there was one."""
    session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user_id))
    gone = delete(SecondFactor).where(SecondFactor.user_id == user_id).returning(SecondFactor.user_id)
    return session.execute(gone).first() is not None


def _row(session: Session, user_id: str) -> Any:
    return session.execute(select(SecondFactor.__table__).where(SecondFactor.user_id == user_id)).one_or_none()


def _totp(secret: bytes) -> TOTP:
    return TOTP(secret, DIGITS, SHA1(), STEP_SECONDS)  # noqa: S303 - what authenticator apps know


def _step_of(secret: bytes, code: str, steps: Sequence[int]) -> int | None:
    """Return the step whose code it is; all are tried, so that the time tells nothing."""
    totp, given = _totp(secret), code.encode()
    found = [step for step in steps if constant_time.bytes_eq(totp.generate(step * STEP_SECONDS), given)]
    return found[-1] if found else None


def _draw_recovery_codes(session: Session, user_id: str) -> list[str]:
    codes = [base64.b32encode(secrets.token_bytes(RECOVERY_BYTES)).decode().lower() for _ in range(RECOVERY_CODES)]
    session.execute(insert(RecoveryCode), [{"user_id": user_id, "digest": _digest(code)} for code in codes])
    return ["-".join(code[start : start + 4] for start in range(0, len(code), 4)) for code in codes]


def _spend_recovery_code(session: Session, user_id: str, code: str) -> bool:
    theirs = (RecoveryCode.user_id == user_id, RecoveryCode.digest == _digest(code))
    return session.execute(delete(RecoveryCode).where(*theirs).returning(RecoveryCode.digest)).first() is not None


def _digest(code: str) -> str:
    return hashlib.sha256(re.sub(r"[\s-]", "", code).lower().encode()).hexdigest()


def _invalid() -> Refused:
    error = FieldError(field="totp", code="totp_invalid", message="The code is wrong, or was used before.")
    return Refused(error.message, code="totp_invalid", errors=(error,))


def _not_enrolled() -> Conflict:
    return Conflict("No second factor is set up.", code="totp_not_enrolled")
