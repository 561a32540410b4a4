"""Let users change the address that they sign in with and are told at."""

from __future__ import annotations

from contextlib import suppress

from sqlalchemy import exists, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from models import Database, User
from services import audit
from services.audit import Origin
from services.notifications.mail_addresses import MailAddresses, MailState
from services.principals import Principal
from services.users import session_rows
from services.users.second_factors import SecondFactors
from utils import clock
from utils.errors import Conflict, FieldError, TooMany, Unauthenticated
from utils.wire import Message

ACTION = "email.changed"


class ChangeEmail(Message, frozen=True, kw_only=True):
    """Another address, and what the caller proves with that it is they: a stolen token changes none."""

    email: str
    password: str
    totp: str | None = None


class EmailChanges:
    """Change addresses. Sessions and API keys go on; the new address is confirmed as the first one was."""

    def __init__(self, database: Database, second_factors: SecondFactors, addresses: MailAddresses) -> None:
        self._database = database
        self._second_factors = second_factors
        self._addresses = addresses

    def change(self, principal: Principal, origin: Origin, command: ChangeEmail) -> MailState:
        """Put another address in the place of the caller's; the same one again changes nothing.

        Where mail is configured, the former address is told if it was confirmed, and a code goes to the new one, unless
        too many were sent; the caller may ask for it later.

        :raises Refused: `wrong_password`; with a second factor `totp_required` or `totp_invalid`.
        :raises Conflict: `email_taken`. :raises Overloaded: when too many passwords are checked at once.
        """
        password_hash = self._second_factors.check(principal, origin, ACTION, command.password, command.totp)
        who = principal.user_id
        try:
            with self._database.write() as session:
                # the lock lets nothing be changed once the password was
                if not session_rows.lock(session, who, password_hash):
                    raise Unauthenticated("The session has ended; sign in again.", code="session_ended")
                if session.execute(select(User.email).where(User.id == who)).scalar_one() != command.email:
                    self._addresses.leave(session, who)
                    _change(session, who, command.email)
                    audit.record(session, origin, ACTION, user_id=who, target=who)
        except IntegrityError:  # somebody took the address between the look and the commit
            raise _taken() from None
        with suppress(Conflict, TooMany):
            return self._addresses.ask(principal, origin)
        return self._addresses.state(principal)


def _change(session: Session, user_id: str, email: str) -> None:
    key = email.casefold()
    if session.execute(select(exists().where(User.email_key == key, User.id != user_id))).scalar():
        raise _taken()
    values = {"email": email, "email_key": key, "updated_at": clock.now()}
    session.execute(update(User).where(User.id == user_id).values(**values))


def _taken() -> Conflict:
    error = FieldError(field="email", code="email_taken", message="There is a user with this address.")
    return Conflict(error.message, code="email_taken", errors=(error,))
