"""The gateway to the exchanges."""

from __future__ import annotations

from api.blueprint import ENGINE, Blueprint
from api.context import services
from api.schemas.gateway import GatewayStatusSchema
from services.gateway import GatewayStatus

blueprint = Blueprint("gateway", "The lines to the exchanges")


@blueprint.route("/api/gateway/status", permission="gateway:read", errors=ENGINE)
@blueprint.response(200, GatewayStatusSchema)
def get_gateway_status() -> GatewayStatus:
    """Tell how each exchange's feed is: connected, mute or away, how old its prices are, and what failed last."""
    return services.gateway.status()
