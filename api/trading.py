"""Orders and trades."""

from __future__ import annotations

from typing import Any

from flask import Response

from api.blueprint import ENGINE, Blueprint
from api.context import actor, principal, services
from api.schemas.batch import BatchSchema, PlacementSchema
from api.schemas.preview import PreviewSchema
from api.schemas.trades import ExportQuery, TradeQuery, TradeSchema
from api.schemas.trading import (
    CancelQuery,
    IdempotencyHeaders,
    OptionalAccountQuery,
    OrderChangesSchema,
    OrderQuery,
    OrderSchema,
    OrderTicketSchema,
    TradedOrderSchema,
)
from middleware.errors import body
from services.trading.filters import Filters
from services.trading.order_trades import TradedOrder
from services.trading.orders import Changes, Wish
from services.trading.trade_export import COLUMNS, ExportFilters
from utils.pages import Page
from utils.problems import status_of
from utils.wire import UNCERTAIN_STATUSES, Order, OrderTicket, Placement, Preview, Trade

blueprint = Blueprint("trading", "Orders and trades")

Headers = dict[str, str]
ORDERS = ("/api/trading/orders", "/api/orders")
LOCATION = {"Location": {"$ref": "#/components/headers/Location"}}
ORDER = tuple(f"{path}/<order_id>" for path in ORDERS)


@blueprint.route(*ORDERS, method="POST", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(OrderTicketSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.unsettled(OrderSchema, headers=LOCATION)
@blueprint.response(201, OrderSchema, headers=LOCATION)
def place_order(
    body: tuple[str | None, OrderTicket], headers: dict[str, str | None]
) -> tuple[Order, int, dict[str, str]]:
    """Place an order; it is stored before it is answered.

    202: a live order is on its way and nobody knows yet whether the exchange has it. It is looked up until that is
    certain and never sent again; follow it at `Location`.
    """
    account, ticket = body
    order = services.orders.place(principal, actor(), account, ticket, headers["key"])
    return order, _status(order, 201), {"Location": f"{ORDERS[0]}/{order.id}"}


@blueprint.route(
    *(f"{path}/preview" for path in ORDERS), method="POST", permission="orders:read", errors=(409, *ENGINE)
)
@blueprint.arguments(OrderTicketSchema)
@blueprint.response(200, PreviewSchema)
def preview_order(body: tuple[str | None, OrderTicket]) -> Preview:
    """Tell what placing an order would do now; nothing is changed."""
    account, ticket = body
    return services.orders.preview(principal, account, ticket)


@blueprint.route(*(f"{path}/batch" for path in ORDERS), method="POST", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(BatchSchema)
@blueprint.arguments(IdempotencyHeaders, location="headers")
@blueprint.response(207, PlacementSchema, many=True)
def place_orders(wishes: list[Wish], headers: dict[str, str | None]) -> list[dict[str, Any]]:
    """Place up to 50 orders, one after the other; a refused one does not affect the others.

    With an `Idempotency-Key`, a batch that was cut off can be sent again: nothing of it is placed twice.
    """
    return [outcome(each) for each in services.orders.place_many(principal, actor(), wishes, headers["key"])]


@blueprint.route(*ORDERS, permission="orders:read", errors=(409, *ENGINE))
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, OrderSchema, paged=True)
def list_orders(filters: Filters) -> Page[Order]:
    """List the caller's orders, newest first; of an account of the operator's bot those that are open."""
    return services.orders.list(principal, filters)


@blueprint.route("/api/orders-trades", permission="orders:read", errors=(409,))
@blueprint.arguments(OrderQuery, location="query")
@blueprint.response(200, TradedOrderSchema, paged=True)
def list_orders_with_trades(filters: Filters) -> Page[TradedOrder]:
    """List the caller's orders with the trades that each led to, newest order first."""
    return services.order_trades.list(principal, filters)


@blueprint.route(*ORDERS, method="DELETE", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(CancelQuery, location="query")
@blueprint.response(200, OrderSchema, many=True)
def cancel_orders(query: dict[str, Any]) -> list[Order]:
    """Cancel every open order that matches, and return them."""
    return services.orders.cancel_all(principal, actor(), **query)


@blueprint.route(
    *(f"{path}/by-client-id/<client_order_id>" for path in ORDERS), permission="orders:read", errors=(409,)
)
@blueprint.arguments(OptionalAccountQuery, location="query")
@blueprint.response(200, OrderSchema)
def get_order_by_client_id(query: dict[str, Any], client_order_id: str) -> Order:
    """Return the order that was placed with this client_order_id."""
    return services.orders.by_client_id(principal, client_order_id, **query)


@blueprint.route(*ORDER, permission="orders:read")
@blueprint.response(200, OrderSchema)
def get_order(order_id: str) -> Order:
    """Return one of the caller's orders."""
    return services.orders.get(principal, order_id)


@blueprint.route(*ORDER, method="PATCH", permission="orders:write", errors=(409, *ENGINE))
@blueprint.arguments(OrderChangesSchema)
@blueprint.unsettled(OrderSchema)
@blueprint.response(200, OrderSchema)
def edit_order(changes: Changes, order_id: str) -> tuple[Order, int]:
    """Change an open order: it keeps its id; one at an exchange is replaced, and the answer is its successor."""
    order = services.orders.edit(principal, actor(), order_id, changes)
    return order, _status(order, 200)


@blueprint.route(*ORDER, method="DELETE", permission="orders:write", errors=(409, *ENGINE))
@blueprint.unsettled(OrderSchema)
@blueprint.response(200, OrderSchema)
def cancel_order(order_id: str) -> tuple[Order, int]:
    """Cancel an open order; 202 while the exchange of a live one has not confirmed it."""
    order = services.orders.cancel(principal, actor(), order_id)
    return order, _status(order, 200)


def _status(order: Order, certain: int) -> int:
    """Return 202 while nobody knows what the exchange has made of an order, else `certain`."""
    return 202 if order.status in UNCERTAIN_STATUSES else certain


@blueprint.route("/api/trading/trades", "/api/trades/history", permission="orders:read", errors=(409, *ENGINE))
@blueprint.arguments(TradeQuery, location="query")
@blueprint.response(200, TradeSchema, paged=True)
def list_trades(filters: Filters) -> Page[Trade]:
    """List the caller's trades, newest first."""
    return services.orders.trades(principal, filters)


_CSV_EXAMPLE = (
    f"{','.join(COLUMNS)}\r\n2026-11-20T12:00:05.586272Z,01a1f8c8-ff6b-7a40-9c55-4b7e0d1c2f66,"
    "01a1f8c8-ff6a-7515-b3b0-923a264e7b8f,01a1f8c8-ff6a-7515-b3b0-923a264e7b8f,01a1f8c8-ff46-7e86-8313-e3953a8614d8,"
    "Paper,paper,demo,BTC/USDT,buy,60000,0.01,600,USDT,0.9,USDT,0.9,BTC,0.01,600.9,,average,,,,,,\r\n"
)
CSV = {
    "description": "The trades, oldest first, account by account. Gains are in the account's reference currency.",
    "content": {"text/csv": {"schema": {"type": "string"}, "example": _CSV_EXAMPLE}},
}


@blueprint.route("/api/trading/trades/export", permission="orders:read", errors=(409,))
@blueprint.arguments(ExportQuery, location="query")
@blueprint.doc(responses={200: CSV})
def export_trades(filters: ExportFilters) -> Response:
    """Write the caller's trades as CSV (RFC 4180), with cost basis, proceeds and gain."""
    lines = services.trade_exports.export(principal, filters)
    headers = {"Content-Disposition": 'attachment; filename="trades.csv"', "Cache-Control": "no-store"}
    return Response(lines, mimetype="text/csv", headers=headers)


def outcome(placement: Placement) -> dict[str, Any]:
    """Return what is told of one order of a batch."""
    if placement.fault is None:
        return {"status": 201, "data": placement.order}
    error = placement.fault.error()
    status = status_of(error)
    return {"status": status, "error": body(status, error.code, error.detail, fields=error.errors)}
