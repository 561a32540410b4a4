"""Deletion of users: who they were is forgotten, what they traded stays under a pseudonym, for the books."""

from __future__ import annotations

import time
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

import models
from models import Database
from services import audit
from services.audit import Origin
from services.notifications import mail_addresses
from services.principals import Principal
from services.tournaments import participation
from services.users import api_keys, second_factors
from services.users.administration import keep_an_admin, lock
from services.users.api_keys import ApiKeys
from services.users.confirmation import Confirmation
from services.users.deactivation import Deactivation
from services.users.sessions import Sessions
from utils import clock
from utils.errors import Conflict, StorageBusy
from utils.octobot_bridge import OctoBotBridge
from utils.wire import Actor, ArchiveAccount, Message

ACTION = "user.deleted"
ARCHIVE_SECONDS = 12.0
"""How long the engine may take to archive an account, whose open orders it cancels first."""

FORGET_SECONDS = 10.0
"""How long others may go first."""
PAUSE_SECONDS = 0.05


class Deleted(Message, frozen=True, kw_only=True):
    """A user who is gone; their id stays in the books."""

    user_id: str


class Deletion:
    """Delete users. It may be repeated when a part of it failed."""

    def __init__(
        self,
        database: Database,
        bridge: OctoBotBridge,
        *,
        confirmation: Confirmation,
        deactivation: Deactivation,
        sessions: Sessions,
        keys: ApiKeys,
    ) -> None:
        self._database = database
        self._bridge = bridge.within(ARCHIVE_SECONDS)
        self._confirmation = confirmation
        self._deactivation = deactivation
        self._sessions = sessions
        self._keys = keys

    def delete(
        self, principal: Principal, actor: Actor, origin: Origin, password: str, user_id: str | None = None
    ) -> Deleted:
        """Delete the caller, or the user `user_id`; `password` is the caller's.

        Trading is stopped first: open paper orders are canceled and accounts archived. Then names, address, profile,
        settings, sessions, keys and exchange keys are forgotten at once, and the name and address are free again.

        :raises Refused: `wrong_password`. :raises NotFound: `user_not_found`.
        :raises Conflict: `orders_open` while live orders are open, `strategies_running`, `last_admin`, `user_deleted`.
        :raises BridgeError: the engine is away; the user is still there.
        :raises StorageBusy: others write for the user all the time; the user is still there.
        """
        whom = user_id or principal.user_id
        self._confirmation.check(principal, origin, ACTION, password)
        with self._database.write() as session:
            _check(session, whom, models.Order.mode == "live")
        pulled = self._deactivation.pull_switch(actor, whom)
        try:
            self._archive(actor, whom)
            self._forget(principal, origin, whom)
        except (Conflict, StorageBusy):
            if pulled:
                self._deactivation.resume_trading(actor, whom)
            raise
        self._sessions.forget(whom)
        self._keys.forget(whom)
        return Deleted(user_id=whom)

    def _forget(self, principal: Principal, origin: Origin, whom: str) -> None:
        """Forget a user. What they, or the engine and the worker for them, write meanwhile goes first."""
        deadline = time.monotonic() + FORGET_SECONDS
        while True:
            try:
                with self._database.yielding() as session:
                    _check(session, whom)
                    _forget(session, whom)
                    api_keys.end_all(session, origin, whom, by=principal.user_id)
                    audit.record(session, origin, ACTION, user_id=principal.user_id, target=whom)
            except StorageBusy:
                if time.monotonic() > deadline:
                    raise
                time.sleep(PAUSE_SECONDS)
            else:
                return

    def _archive(self, actor: Actor, user_id: str) -> None:
        account = models.Account
        extra = select(account.id).where(account.user_id == user_id, account.status == "active", account.kind != "main")
        with self._database.read() as connection:
            accounts = connection.execute(extra).scalars().all()
        for each in accounts:
            self._bridge.archive_account(ArchiveAccount(actor=actor, account=each))


def _check(session: Session, user_id: str, *conditions: Any) -> None:
    """Refuse to delete the last administrator, and who has running strategies or open orders as the conditions say."""
    lock(session, user_id, also_rows=True)
    keep_an_admin(session, user_id)
    order = models.Order
    query = select(order.id).where(order.user_id == user_id, order.closed_at.is_(None), *conditions).limit(1)
    if session.execute(query).first() is not None:
        raise Conflict("There are open orders; cancel them first.", code="orders_open")
    strategy = models.Strategy
    running = select(strategy.id).where(strategy.user_id == user_id, strategy.state == "running").limit(1)
    if session.execute(running).first() is not None:
        raise Conflict("There are running strategies; stop them first.", code="strategies_running")


def _forget(session: Session, user_id: str) -> None:
    sessions = select(models.Session.id).where(models.Session.user_id == user_id)
    for table in (models.RefreshToken, models.StreamTicket):
        session.execute(delete(table).where(table.session_id.in_(sessions)))
    session.execute(
        update(models.Account).where(models.Account.user_id == user_id).values(name="Account", credential_id=None)
    )
    strategies = select(models.Strategy.id).where(models.Strategy.user_id == user_id)
    session.execute(delete(models.SignalKey).where(models.SignalKey.strategy_id.in_(strategies)))
    # that codes were sent to an address is remembered without its user: deleting users is no way to send more
    sent = (models.Job.user_id == user_id, models.Job.kind == mail_addresses.JOB)
    session.execute(update(models.Job).where(*sent).values(user_id=None))
    for owned in (
        models.Session,
        models.Credential,
        models.UserSettings,
        models.IdempotencyKey,
        models.BacktestRun,
        models.DataFile,
        models.SweepPoint,
        models.BacktestSweep,
        models.Job,
        models.Webhook,
        models.MailAddress,
        models.MailDelivery,
        models.Notification,
        models.NotificationSetting,
        models.PriceAlert,
    ):
        session.execute(delete(owned).where(owned.user_id == user_id))
    session.execute(update(models.KillSwitch).where(models.KillSwitch.engaged_by == user_id).values(reason=None))
    # a prize, and the reference of its payment, is the operator's record; the note may be about the person
    session.execute(update(models.Award).where(models.Award.user_id == user_id).values(note=None))
    participation.leave_all(session, user_id)
    second_factors.forget(session, user_id)
    now = clock.now()
    # a name and an address that nobody can sign up with
    pseudonym = f"~{user_id}"
    values: dict[str, Any] = {
        **dict.fromkeys(("username", "username_key", "email", "email_key"), pseudonym),
        **dict.fromkeys(("display_name", "avatar_url", "locale", "time_zone"), None),
        "leaderboard_opt_in": False,
        "password_hash": "!",
        "role": "user",
        "is_active": False,
        "updated_at": now,
        "deleted_at": now,
    }
    session.execute(update(models.User).where(models.User.id == user_id).values(**values))
