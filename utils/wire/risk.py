"""Risk limits and kill switches, and the result of engaging one."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Literal

from utils.wire.base import Command, Message
from utils.wire.bot import LeftOrder

SwitchScope = Literal["account", "user", "installation"]


class RiskLimits(Message, frozen=True, kw_only=True):
    """The limits of an account; None is no limit. Values are in its reference currency.

    `price_collar` is a percentage: how far a price may be from the mark, either way.
    """

    max_order_value: Decimal | None = None
    max_open_orders: int | None = None
    max_position_value: Decimal | None = None
    max_daily_loss: Decimal | None = None
    price_collar: Decimal | None = None
    allowed_symbols: list[str] | None = None
    updated_at: datetime | None = None


class KillSwitch(Message, frozen=True, kw_only=True):
    """An engaged kill switch; `target` is an account's or a user's id, or empty for the installation."""

    scope: SwitchScope
    target: str
    engaged_by: str
    reason: str | None
    engaged_at: datetime


class KillSwitchState(Message, frozen=True, kw_only=True):
    """A kill switch after a command: the orders that it canceled, and those that are still open.

    What is still open is tried again, every second, until it is canceled or the switch released. `left_orders` are
    those of the operator's bot, at real exchanges, that nobody cancels because it does not run.
    """

    scope: SwitchScope
    target: str
    engaged: bool
    engaged_by: str | None
    reason: str | None
    engaged_at: datetime | None
    canceled: list[str]
    open: list[str]
    left_orders: list[LeftOrder] = []


class SetRiskLimits(Command, frozen=True, kw_only=True):
    """Replace the limits of an account."""

    limits: RiskLimits


class EngageKillSwitch(Command, frozen=True, kw_only=True):
    """Refuse new orders of `target` (an account, a user; empty: the installation) and cancel those that are open."""

    account: str = ""
    scope: SwitchScope
    target: str
    as_admin: bool = False
    reason: str | None = None


class ReleaseKillSwitch(Command, frozen=True, kw_only=True):
    """Take orders again; what an admin engaged, only an admin releases."""

    account: str = ""
    scope: SwitchScope
    target: str
    as_admin: bool = False
