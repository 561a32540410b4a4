"""The caller's price alerts."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.alerts import DeletedAlertSchema, NewPriceAlertSchema, PriceAlertSchema
from api.schemas.envelope import PageQuery
from api.schemas.trading import IdempotencyHeaders
from services.notifications.alerts import NewAlert, PriceAlert
from utils.pages import Page

blueprint = Blueprint("alerts", "Prices that users wait for")

ALERTS = "/api/alerts"


@blueprint.route(ALERTS, permission="notifications:read")
@blueprint.arguments(PageQuery, location="query")
@blueprint.response(200, PriceAlertSchema, paged=True)
def list_price_alerts(query: dict[str, Any]) -> Page[PriceAlert]:
    """List the caller's price alerts, newest first."""
    return services.alerts.list(principal, **query)


@blueprint.route(ALERTS, method="POST", permission="notifications:write", errors=(409, *ENGINE))
@blueprint.arguments(NewPriceAlertSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, PriceAlertSchema)
def create_price_alert(new: NewAlert, headers: dict[str, str | None]) -> tuple[PriceAlert, int]:
    """Create a price alert; it fires once, also for a price that came while the server was down."""
    return services.alerts.create(principal, origin(), new, headers["key"]), 201


@blueprint.route(f"{ALERTS}/<alert_id>", method="DELETE", permission="notifications:write")
@blueprint.response(200, DeletedAlertSchema)
def delete_price_alert(alert_id: str) -> dict[str, str]:
    """Delete a price alert."""
    services.alerts.delete(principal, origin(), alert_id)
    return {"id": alert_id}
