"""The gateway to the exchanges."""

from __future__ import annotations

from api.blueprint import ENGINE, Blueprint
from api.context import origin, principal, services
from api.schemas.gateway import DisconnectedExchangeSchema, ExchangeSchema, FeedStatusSchema, GatewayStatusSchema
from services.operations.gateway import GatewayStatus
from utils.wire import DisconnectedExchange, FeedStatus

blueprint = Blueprint("gateway", "The lines to the exchanges")


@blueprint.route("/api/gateway/status", permission="gateway:read", errors=ENGINE)
@blueprint.response(200, GatewayStatusSchema)
def get_gateway_status() -> GatewayStatus:
    """Return the state of each exchange's feed: connected, mute or away, the age of its prices, and the last error."""
    return services.gateway.status()


@blueprint.route("/api/gateway/connect", method="POST", permission="gateway:write", errors=ENGINE)
@blueprint.arguments(ExchangeSchema)
@blueprint.response(200, FeedStatusSchema)
def connect_exchange(exchange: str) -> FeedStatus:
    """Connect an exchange from now on, also after a restart; it is tried until it answers. For admins."""
    return services.gateway.connect(principal, origin(), exchange)


@blueprint.route("/api/gateway/disconnect", method="POST", permission="gateway:write", errors=(404, 409, *ENGINE))
@blueprint.arguments(ExchangeSchema)
@blueprint.response(200, DisconnectedExchangeSchema)
def disconnect_exchange(exchange: str) -> DisconnectedExchange:
    """Disconnect an exchange; refused while orders or positions are open there or strategies run. For admins."""
    return services.gateway.disconnect(principal, origin(), exchange)
