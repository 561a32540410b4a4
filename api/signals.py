"""Alerts from outside, and the keys under which they come in."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, PUBLIC, Blueprint
from api.context import origin, principal, services
from api.schemas.signals import AlertOrderSchema, AlertSchema, DeletedKeySchema, SignalKeySchema
from middleware.rate_limits import ALERT
from services.strategies.signals import SignalKey
from utils.wire import Alert

blueprint = Blueprint("signals", "Alerts that strategies act on")

KEYS = "/api/strategies/<strategy_name>/signal-keys"


@blueprint.route(KEYS, permission="strategies:read")
@blueprint.response(200, SignalKeySchema, many=True)
def list_signal_keys(strategy_name: str) -> list[SignalKey]:
    """List the keys under which alerts reach a strategy, oldest first."""
    return services.signals.keys(principal, strategy_name)


@blueprint.route(KEYS, method="POST", permission="strategies:write", errors=(409,))
@blueprint.response(201, SignalKeySchema)
def make_signal_key(strategy_name: str) -> tuple[SignalKey, int]:
    """Create a signal key; it is shown only once. Anyone who has it can let the strategy trade."""
    return services.signals.make_key(principal, origin(), strategy_name), 201


@blueprint.route(f"{KEYS}/<signal_key_id>", method="DELETE", permission="strategies:write")
@blueprint.response(200, DeletedKeySchema)
def delete_signal_key(strategy_name: str, signal_key_id: str) -> dict[str, str]:
    """Delete a signal key; it is refused from now on."""
    services.signals.delete_key(principal, origin(), strategy_name, signal_key_id)
    return {"id": signal_key_id}


@blueprint.route(
    "/api/webhooks/tradingview/<signal_key>", method="POST", permission=PUBLIC, limit=ALERT, errors=(409, *ENGINE)
)
@blueprint.arguments(AlertSchema)
@blueprint.response(200, AlertOrderSchema, many=True)
def receive_alert(alert: Alert, signal_key: str) -> list[dict[str, Any]]:
    """Let a running signal strategy act on an alert; at most 60 a minute and key."""
    orders = services.signals.send(origin(), signal_key, alert)
    return [{"id": order.id, "status": order.status} for order in orders]
