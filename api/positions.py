"""Changes of positions: close them, choose their leverage."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import actor, principal, services
from api.schemas.portfolio import AccountQuery, LeverageChangeSchema, LeverageSchema
from api.schemas.trading import IdempotencyHeaders, OrderSchema
from services.market import symbol_of
from utils.wire import Leverage, Order

blueprint = Blueprint("positions", "Closing positions, and their leverage")

POSITION = "/api/trading/positions/<path:symbol>"


@blueprint.route(POSITION, method="DELETE", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(AccountQuery, location="query")
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, OrderSchema)
def close_position(query: dict[str, Any], headers: dict[str, str | None], symbol: str) -> Order:
    """Close a position at the market: the whole position in a perpetual, or what is free of a holding."""
    return services.positions.close(principal, actor(), symbol_of(symbol), query["account"], headers["key"])


@blueprint.route(f"{POSITION}/leverage", method="PUT", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(LeverageChangeSchema)
@blueprint.response(200, LeverageSchema)
def set_leverage(body: dict[str, Any], symbol: str) -> Leverage:
    """Choose the leverage of a perpetual; the margin of an open position is recomputed."""
    return services.positions.set_leverage(principal, actor(), symbol_of(symbol), **body)
