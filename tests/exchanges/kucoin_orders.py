"""KuCoin's endpoints for orders and own trades, high-frequency and classic."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

from tests.exchanges.kucoin_errors import NOT_CANCELLABLE, NOT_FOUND, refuse
from tests.exchanges.kucoin_public import quotes_of, symbol_of, text
from tests.exchanges.market import places
from tests.exchanges.orders import Order, Rejected, Side, Ticket, TimeInForce, Trade
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.kucoin import LoopbackKucoin

CLIENT_ID = re.compile(r"[A-Za-z0-9_-]{1,40}")
REJECTIONS = {
    "duplicate": ("400100", "validation.createOrder.clientOidDuplicated"),
    "funds": ("200004", None),
    "would_match": ("300000", None),
    "too_many": ("300000", "The number of active orders has reached the limit."),
    "unknown": ("400100", NOT_FOUND),
}


def place(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    ticket = _ticket(exchange, call)
    try:
        order = exchange.book.place(key.account, ticket)
    except Rejected as rejected:
        raise refuse(*REJECTIONS[rejected.reason]) from None
    return {"orderId": written(order.id), "clientOid": order.client_id}


def test_order(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    return {"orderId": written(0), "clientOid": _ticket(exchange, call).client_id}


def alter(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    old = _find(exchange, call, key)
    if old is None or old.status != "open" or old.ticket.kind != "limit":
        raise refuse("400100", NOT_FOUND)
    kept = {"size": text(old.amount), "price": text(old.ticket.price or Decimal(0))}
    changed = {"size": call.params.get("newSize", kept["size"]), "price": call.params.get("newPrice", kept["price"])}
    order = {"clientOid": old.client_id, "side": old.side, "type": "limit", "symbol": symbol_of(old.market), **changed}
    ticket = _ticket(exchange, Call(call.method, call.path, call.target, call.body, order, call.headers))
    try:
        new = exchange.book.replace(key.account, old.id, ticket)
    except Rejected as rejected:
        raise refuse(*REJECTIONS[rejected.reason]) from None
    return {"newOrderId": written(new.id), "clientOid": new.client_id}


def cancel(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    order = _find(exchange, call, key)
    try:
        gone = exchange.book.cancel(key.account, order.id if order else 0)
    except Rejected:
        raise refuse("400100", NOT_CANCELLABLE) from None
    by_client_id = "clientOid" in call.params
    if "/hf/" in call.path:
        return {"clientOid": gone.client_id} if by_client_id else {"orderId": written(gone.id)}
    if by_client_id:
        return {"cancelledOrderId": written(gone.id), "clientOid": gone.client_id, "cancelledOcoOrderIds": None}
    return {"cancelledOrderIds": [written(gone.id)]}


def cancel_all(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    symbol = call.params.get("symbol")
    market = quotes_of(exchange, symbol).market if symbol else None
    gone = []
    for order in exchange.book.orders(key.account):
        if order.status == "open" and market in (None, order.market):
            gone.append(exchange.book.cancel(key.account, order.id))
    if call.path.endswith("/cancelAll"):
        return {"succeedSymbols": sorted({symbol_of(order.market) for order in gone}), "failedSymbols": []}
    return "success" if "/hf/" in call.path else {"cancelledOrderIds": [written(order.id) for order in gone]}


def query(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    order = _find(exchange, call, key)
    seen = exchange.book.seen_order(key.account, order.id) if order else None
    if seen is None:
        raise refuse("400100", NOT_FOUND)
    return _view(exchange, seen)


def active(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    return [_view(exchange, order) for order in _seen(exchange, call, key) if order.status == "open"]


def done(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    rows = [order for order in reversed(_seen(exchange, call, key)) if order.status != "open"]
    rows = rows[: min(int(call.params.get("limit", call.params.get("pageSize", 20))), 100)]
    return {"lastId": rows[-1].id if rows else 0, "items": [_view(exchange, order) for order in rows]}


def orders(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    wanted = call.params.get("status", "done")
    rows = [order for order in reversed(_seen(exchange, call, key)) if (order.status == "open") == (wanted == "active")]
    return _page(call, [_view(exchange, order) for order in rows])


def fills(exchange: LoopbackKucoin, call: Call, key: Key) -> Any:
    symbol, order_id = call.params.get("symbol"), call.params.get("orderId")
    since, until = int(call.params.get("startAt", 0)), int(call.params.get("endAt", 1 << 62))
    rows = [
        _trade_view(trade, exchange)
        for trade in reversed(exchange.book.seen_trades(key.account))
        if symbol in (None, trade.symbol.replace("/", "-"))
        and order_id in (None, written(trade.order_id))
        and since <= trade.time <= until
    ]
    if "/hf/" in call.path:
        before = int(call.params.get("lastId", 1 << 62))
        rows = [row for row in rows if row["id"] < before][: min(int(call.params.get("limit", 20)), 100)]
        return {"items": rows, "lastId": rows[-1]["id"] if rows else 0}
    return _page(call, rows)


def written(order_id: int) -> str:
    """Return an order's id as KuCoin writes it: 24 hexadecimal digits."""
    return f"{order_id:024x}"


def _page(call: Call, rows: list[dict[str, Any]]) -> dict[str, Any]:
    size = min(max(int(call.params.get("pageSize", 50)), 10), 500)
    current = int(call.params.get("currentPage", 1))
    pages = -(-len(rows) // size)
    shown = rows[(current - 1) * size : current * size]
    return {"currentPage": current, "pageSize": size, "totalNum": len(rows), "totalPage": pages, "items": shown}


def _seen(exchange: LoopbackKucoin, call: Call, key: Key) -> list[Order]:
    symbol = call.params.get("symbol")
    market = quotes_of(exchange, symbol).market if symbol else None
    since, until = int(call.params.get("startAt", 0)), int(call.params.get("endAt", 1 << 62))
    seen = exchange.book.seen_orders(key.account)
    return [order for order in seen if market in (None, order.market) and since <= order.created <= until]


def _find(exchange: LoopbackKucoin, call: Call, key: Key) -> Order | None:
    """Return the order that is meant, as it truly stands."""
    if "clientOid" in call.params:
        return exchange.book.find(key.account, str(call.params["clientOid"]))
    digits = str(call.params.get("orderId", ""))
    return exchange.book.get(key.account, int(digits, 16)) if re.fullmatch(r"[0-9a-f]{24}", digits) else None


def _ticket(exchange: LoopbackKucoin, call: Call) -> Ticket:
    """Return the order that is asked for.

    :raises Refusal: with KuCoin's code, when a parameter or an increment says no
    """
    params = call.params
    client_id = str(params.get("clientOid") or "")
    if not client_id:
        raise refuse("400100", "validation.createOrder.clientOidIsRequired")
    if not CLIENT_ID.fullmatch(client_id):
        raise refuse("400100", "validation.createOrder.clientOidIllegal")
    quotes = quotes_of(exchange, params.get("symbol"))
    side, kind, time_in_force = params.get("side"), params.get("type", "limit"), params.get("timeInForce", "GTC")
    if side not in ("buy", "sell") or kind not in ("limit", "market") or time_in_force not in ("GTC", "IOC", "FOK"):
        raise refuse("400100", "validation.createOrder.invalidParameter")
    size, funds, price = (_number(params.get(name)) for name in ("size", "funds", "price"))
    if (kind == "limit" and (size is None or price is None)) or (
        kind == "market" and (size is None) == (funds is None)
    ):
        raise refuse("400100", "validation.createOrder.sizeAndPriceIsRequired")
    ticket = Ticket(
        quotes.market,
        cast("Side", side),
        "market" if kind == "market" else "limit",
        client_id,
        amount=size,
        quote_amount=funds if kind == "market" else None,
        price=price if kind == "limit" else None,
        time_in_force=cast("TimeInForce", time_in_force.lower()),
        post_only=bool(params.get("postOnly")),
    )
    _check_increments(ticket, quotes.price)
    return ticket


def _number(value: object) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite() or number <= 0:
        raise refuse("400100", "validation.createOrder.numberIllegal")
    return number


def _check_increments(ticket: Ticket, last: Decimal) -> None:
    market = ticket.market
    if ticket.price is not None and ticket.price % market.price_tick:
        raise refuse("400100", "Price increment invalid.")
    if ticket.amount is not None:
        if ticket.amount < market.amount_step:
            raise refuse("400100", "Order size below the minimum requirement.")
        if ticket.amount % market.amount_step:
            raise refuse("600100")
    funds = ticket.quote_amount if ticket.amount is None else ticket.amount * (ticket.price or last)
    if funds is None or funds < market.min_notional:
        raise refuse("600101", f"The order funds should more then {text(market.min_notional)} {market.quote}.")


def _view(exchange: LoopbackKucoin, order: Order) -> dict[str, Any]:
    ticket, is_open = order.ticket, order.status == "open"
    fee = sum((trade.fee for trade in exchange.book.trades_of(order.id)), Decimal(0))
    funds = ticket.quote_amount or Decimal(0)
    view = {
        **{"id": written(order.id), "symbol": symbol_of(order.market), "opType": "DEAL", "type": ticket.kind},
        **{"side": order.side, "price": text(ticket.price or Decimal(0)), "size": text(order.amount)},
        **{"funds": text(funds), "dealFunds": text(order.cost), "dealSize": text(order.filled)},
        **{"fee": text(places(fee)), "feeCurrency": order.market.quote, "stp": None},
        **{"timeInForce": ticket.time_in_force.upper(), "postOnly": ticket.post_only, "hidden": False},
        **{"iceberg": False, "visibleSize": "0", "cancelAfter": 0, "channel": "API", "clientOid": order.client_id},
        **{"remark": None, "tags": None, "cancelExist": order.status in ("cancelled", "expired")},
        **{"createdAt": order.created, "tradeType": "TRADE"},
    }
    if not exchange.high_frequency:
        return {**view, "isActive": is_open, "stop": "", "stopTriggered": False, "stopPrice": "0"}
    remains = order.left if is_open else Decimal(0)
    return {
        **view,
        **{"lastUpdatedAt": order.updated, "inOrderBook": is_open, "active": is_open},
        **{"cancelledSize": text(Decimal(0) if is_open else order.left), "cancelledFunds": "0"},
        **{"remainSize": text(remains), "remainFunds": text(remains * (ticket.price or Decimal(0)))},
    }


def _trade_view(trade: Trade, exchange: LoopbackKucoin) -> dict[str, Any]:
    market = exchange.book.quotes[trade.symbol].market
    return {
        **{"id": trade.id, "symbol": symbol_of(market), "tradeId": str(trade.id), "orderId": written(trade.order_id)},
        **{"counterOrderId": written(0), "side": trade.side, "liquidity": "maker" if trade.maker else "taker"},
        **{"forceTaker": False, "price": text(trade.price), "size": text(trade.amount), "funds": text(trade.cost)},
        **{"fee": text(trade.fee), "feeRate": text(market.maker if trade.maker else market.taker)},
        **{"feeCurrency": trade.fee_currency, "stop": "", "type": exchange.book.order(trade.order_id).ticket.kind},
        **{"createdAt": trade.time, "tradeType": "TRADE"},
    }


ONE_ORDER = [
    *("/api/v1/hf/orders/client-order/{clientOid}", "/api/v1/hf/orders/{orderId}"),
    *("/api/v1/order/client-order/{clientOid}", "/api/v1/orders/{orderId}"),
]
ROUTES: list[Route[LoopbackKucoin]] = [
    *(Route("POST", f"/api/v1/{path}", "place", place, "trade") for path in ("hf/orders", "hf/orders/sync", "orders")),
    *(Route("POST", f"/api/v1/{path}/test", "query", test_order, "trade") for path in ("hf/orders", "orders")),
    Route("POST", "/api/v1/hf/orders/alter", "place", alter, "trade"),
    Route("GET", "/api/v1/hf/orders/active", "query", active, "read"),
    Route("GET", "/api/v1/hf/orders/done", "query", done, "read"),
    Route("GET", "/api/v1/orders", "query", orders, "read"),
    *(Route("GET", f"/api/v1/{path}", "query", fills, "read") for path in ("hf/fills", "fills")),
    Route("DELETE", "/api/v1/hf/orders/cancelAll", "cancel", cancel_all, "trade"),
    *(Route("DELETE", f"/api/v1/{path}", "cancel", cancel_all, "trade") for path in ("hf/orders", "orders")),
    *(Route("GET", path, "query", query, "read") for path in ONE_ORDER),
    *(Route("DELETE", path, "cancel", cancel, "trade") for path in ONE_ORDER),
]
