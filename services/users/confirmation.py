"""Let a caller who has signed in confirm with their password that it is they."""

from __future__ import annotations

from sqlalchemy import select

from models import Database, User
from services import audit
from services.audit import Origin
from services.principals import Principal
from services.users.passwords import Passwords
from utils.errors import FieldError, Refused


class Confirmation:
    """Check the password of callers before something that a stolen token shall not do."""

    def __init__(self, database: Database, hasher: Passwords) -> None:
        self._database = database
        self._hasher = hasher

    def check(self, principal: Principal, origin: Origin, action: str, password: str) -> str:
        """Go on when `password` is the caller's, and return its hash: `session_rows.lock` tells if it still is.

        :param action: what is asked for, as the audit log calls it.
        :raises Refused: `wrong_password`. :raises Overloaded: when too many passwords are checked at once.
        """
        with self._database.read() as connection:
            query = select(User.password_hash).where(User.id == principal.user_id)
            stored = connection.execute(query).scalar_one_or_none()
        if not self._hasher.verify(stored, password) or stored is None:
            with self._database.write() as session:
                who = principal.user_id
                audit.denied(session, origin, action, "wrong_password", user_id=who, target=who)
            error = FieldError(field="password", code="wrong_password", message="This is not your password.")
            raise Refused("The password is wrong.", code="wrong_password", errors=(error,))
        return stored
