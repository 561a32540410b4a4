"""Risk limits and kill switches."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import actor, principal, services
from api.schemas.risk import (
    KillSwitchOrderSchema,
    KillSwitchSchema,
    KillSwitchStateSchema,
    LimitsQuery,
    RiskLimitsSchema,
    StoredLimitsSchema,
    TargetQuery,
)
from api.schemas.trading import IdempotencyHeaders
from services.trading.risk import Target
from utils.wire import KillSwitch, KillSwitchState, RiskLimits

blueprint = Blueprint("risk", "Risk limits and kill switches")

LIMITS = "/api/trading/risk-limits"
SWITCH = "/api/trading/kill-switch"


@blueprint.route(LIMITS, permission="orders:read", errors=(404, 409))
@blueprint.arguments(LimitsQuery, location="query")
@blueprint.response(200, StoredLimitsSchema)
def get_risk_limits(query: dict[str, Any]) -> RiskLimits:
    """Return the limits of an account."""
    return services.risk.limits(principal, query["account"])


@blueprint.route(LIMITS, method="PUT", permission="orders:write", errors=(404, 409, *ENGINE))
@blueprint.arguments(RiskLimitsSchema)
@blueprint.arguments(LimitsQuery, location="query")
@blueprint.response(200, StoredLimitsSchema)
def set_risk_limits(limits: RiskLimits, query: dict[str, Any]) -> RiskLimits:
    """Replace the limits of an account; an absent one is no limit. They apply from the next order on."""
    return services.risk.set_limits(principal, actor(), query["account"], limits)


@blueprint.route(SWITCH, permission="orders:read")
@blueprint.response(200, KillSwitchSchema, many=True)
def list_kill_switches() -> list[KillSwitch]:
    """List the engaged kill switches that hold for the caller; an administrator sees all."""
    return services.risk.switches(principal)


@blueprint.route(SWITCH, method="POST", permission="orders:write", errors=(404, 409, *ENGINE))
@blueprint.arguments(KillSwitchOrderSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, KillSwitchStateSchema)
def engage_kill_switch(body: tuple[Target, str | None], headers: dict[str, str | None]) -> KillSwitchState:
    """Refuse new orders (422 `kill_switch`) and cancel the open ones, until it is released.

    The installation's kill switch also pauses the operator's bot within a second, which then cancels its orders. A bot
    that does not run cancels nothing: `left_orders` are what it left at real exchanges.
    """
    target, reason = body
    return services.risk.engage(principal, actor(), target, reason, headers["key"])


@blueprint.route(SWITCH, method="DELETE", permission="orders:write", errors=(404, 409, *ENGINE))
@blueprint.arguments(TargetQuery, location="query")
@blueprint.response(200, KillSwitchStateSchema)
def release_kill_switch(target: Target) -> KillSwitchState:
    """Release a kill switch. One that an administrator engaged can only be released by an administrator."""
    return services.risk.release(principal, actor(), target)
