"""Risk limits and kill switches: set through the engine, which keeps them, and read from where it writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from msgspec.structs import replace
from sqlalchemy import and_, or_, select

import models
from models import Database
from models.records import limits_of
from services.accounts.accounts import Accounts
from services.principals import Principal
from utils.errors import FieldError, Forbidden, NotFound, Refused
from utils.octobot_bridge import OctoBotBridge
from utils.wire import (
    Actor,
    EngageKillSwitch,
    KillSwitch,
    KillSwitchState,
    LeftOrder,
    ReleaseKillSwitch,
    RiskLimits,
    SetRiskLimits,
    SwitchScope,
)

SWITCH_SECONDS = 12.0
"""A bridge call's deadline while hundreds of orders are canceled; the engine answers after eight at the latest."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """Whom a kill switch is for: an account (the main one for None), a user (oneself for None), or everybody."""

    scope: SwitchScope
    account: str | None = None
    user: str | None = None


class Risk:
    """Bound what accounts may do."""

    def __init__(
        self, database: Database, bridge: OctoBotBridge, accounts: Accounts, left_orders: Callable[[], list[LeftOrder]]
    ) -> None:
        self._database = database
        self._bridge = bridge
        self._accounts = accounts
        self._left_orders = left_orders

    def limits(self, principal: Principal, account: str | None) -> RiskLimits:
        """Return the limits of the caller's account. :raises NotFound: when it is not theirs."""
        owned = self._accounts.owned(principal, account)
        table = models.RiskLimits
        with self._database.read() as connection:
            row = connection.execute(select(table.__table__).where(table.account_id == owned.id)).one_or_none()
        return RiskLimits() if row is None else limits_of(row)

    def set_limits(self, principal: Principal, actor: Actor, account: str | None, limits: RiskLimits) -> RiskLimits:
        """Replace the limits of the caller's account; they hold from the next order on."""
        owned = self._accounts.owned(principal, account)
        return self._bridge.set_risk_limits(SetRiskLimits(actor=actor, account=owned.id, limits=limits))

    def switches(self, principal: Principal) -> list[KillSwitch]:
        """Return the engaged kill switches that hold for the caller; all of them for an admin."""
        table = models.KillSwitch
        mine = select(models.Account.id).where(models.Account.user_id == principal.user_id)
        holds = or_(
            table.scope == "installation",
            and_(table.scope == "user", table.target == principal.user_id),
            and_(table.scope == "account", table.target.in_(mine)),
        )
        query = select(table.__table__).order_by(table.engaged_at, table.scope, table.target)
        if not principal.is_admin:
            query = query.where(holds)
        with self._database.read() as connection:
            return [KillSwitch(**row._mapping) for row in connection.execute(query)]

    def engage(
        self, principal: Principal, actor: Actor, target: Target, reason: str | None, key: str | None
    ) -> KillSwitchState:
        """Refuse new orders of the target and cancel its open ones; repeating it does no harm.

        :raises Forbidden: the target is not the caller's. :raises NotFound: it does not exist.
        """
        command = EngageKillSwitch(
            actor=actor,
            scope=target.scope,
            target=self._id(principal, target),
            as_admin=principal.is_admin,
            reason=reason,
            idempotency_key=key,
        )
        state = self._bridge.within(SWITCH_SECONDS).engage_kill_switch(command)
        return replace(state, left_orders=self._left_orders()) if target.scope == "installation" else state

    def release(self, principal: Principal, actor: Actor, target: Target) -> KillSwitchState:
        """Take orders again; releasing what is not engaged does nothing.

        :raises Forbidden: the target is not the caller's, or an admin engaged the switch.
        """
        command = ReleaseKillSwitch(
            actor=actor, scope=target.scope, target=self._id(principal, target), as_admin=principal.is_admin
        )
        return self._bridge.release_kill_switch(command)

    def _id(self, principal: Principal, target: Target) -> str:
        _check_complete(target)
        if target.scope == "account":
            return self._accounts.owned(principal, target.account).id
        if target.scope == "installation":
            _require_admin(principal, "The kill switch of the installation is the administrators'.")
            return ""
        if target.user is None or target.user == principal.user_id:
            return principal.user_id
        _require_admin(principal, "The kill switch of another user is the administrators'.")
        with self._database.read() as connection:
            if connection.execute(select(models.User.id).where(models.User.id == target.user)).first() is None:
                raise NotFound("There is no such user.", code="user_not_found")
        return target.user


def _require_admin(principal: Principal, detail: str) -> None:
    if not principal.is_admin:
        raise Forbidden(detail)


def _check_complete(target: Target) -> None:
    for field, scope in (("account", "account"), ("user", "user")):
        if getattr(target, field) is not None and target.scope != scope:
            detail = f"{field} goes with the scope {scope}."
            raise Refused(detail, errors=(FieldError(field=field, code="not_applicable", message=detail),))
