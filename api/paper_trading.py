"""Trading on paper: the same orders, positions and balances as the other routes, of one paper account."""

from __future__ import annotations

from typing import Any

from api.blueprint import ENGINE, Blueprint
from api.context import actor, principal, services
from api.schemas.paper_trading import PaperOrderSchema, PaperPositionSchema, WalletSchema
from api.schemas.portfolio import AccountQuery
from api.schemas.trading import IdempotencyHeaders, OrderQuery, OrderTicketSchema
from services.market import symbol_of
from services.trading.filters import Filters
from utils.pages import Page
from utils.wire import OrderTicket

blueprint = Blueprint("paper trading", "Orders and positions of a paper account alone")

PAPER = "/api/paper-trading"
Headers = dict[str, str | None]


@blueprint.route(f"{PAPER}/orders", method="POST", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(OrderTicketSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(201, PaperOrderSchema, headers={"Location": {"$ref": "#/components/headers/Location"}})
def place_paper_order(
    body: tuple[str | None, OrderTicket], headers: Headers
) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Place an order on a paper account; the same as on `/api/trading/orders`, and never on a live account."""
    order = services.paper_trading.place(principal, actor(), *body, headers["key"])
    return order, 201, {"Location": f"/api/trading/orders/{order['id']}"}


@blueprint.route(f"{PAPER}/orders", permission="orders:read", errors=(409,))
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, PaperOrderSchema, paged=True)
def list_paper_orders(filters: Filters) -> Page[dict[str, Any]]:
    """List the orders of a paper account, the main one unless another is named; newest first."""
    return services.paper_trading.orders(principal, filters)


@blueprint.route(f"{PAPER}/positions", permission="portfolio:read", errors=(409, *ENGINE))
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, PaperPositionSchema, many=True)
def list_paper_positions(query: dict[str, Any]) -> list[dict[str, Any]]:
    """List the positions of a paper account, or its holdings."""
    return services.paper_trading.positions(principal, **query)


@blueprint.route(
    f"{PAPER}/positions/<path:position_id>", method="DELETE", permission="orders:write", errors=(409, *ENGINE)
)
@blueprint.arguments(AccountQuery, location="query")
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(200, PaperOrderSchema)
def close_paper_position(query: dict[str, Any], headers: Headers, position_id: str) -> dict[str, Any]:
    """Close a position of a paper account at the market, and return the order that did it."""
    return services.paper_trading.close(principal, actor(), symbol_of(position_id), query["account"], headers["key"])


@blueprint.route(f"{PAPER}/wallet", permission="portfolio:read", errors=(409, *ENGINE))
@blueprint.arguments(AccountQuery, location="query")
@blueprint.response(200, WalletSchema)
def get_paper_wallet(query: dict[str, Any]) -> dict[str, Any]:
    """Return the balances of a paper account, and how much of its reference currency is free."""
    return services.paper_trading.wallet(principal, **query)
