"""Binance's endpoints for orders and own trades."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, cast

from tests.exchanges.binance_errors import error, refuse
from tests.exchanges.binance_public import PRICE_DOWN, PRICE_UP, money, quotes_of, symbol_of
from tests.exchanges.market import Quotes
from tests.exchanges.orders import Order, Reason, Rejected, Side, Ticket, TimeInForce, Trade
from tests.exchanges.protocol import Answer, Call, Key, Refusal, Route

if TYPE_CHECKING:
    from tests.exchanges.binance import LoopbackBinance
    from tests.exchanges.binance_futures import Usdm

CLIENT_ID = re.compile(r"[a-zA-Z0-9-_]{1,36}")
SIGNED = {"timestamp", "recvWindow", "signature"}
TICKET = {"symbol", "side", "type", "timeInForce", "quantity", "quoteOrderQty", "price", "newClientOrderId"}
ORDER = {*TICKET, *SIGNED, "newOrderRespType", "selfTradePreventionMode", "strategyId", "strategyType"}
REPLACE = {*ORDER, "cancelReplaceMode", "cancelOrderId", "cancelOrigClientOrderId", "cancelNewClientOrderId"}
STATUS = {"filled": "FILLED", "cancelled": "CANCELED", "expired": "EXPIRED"}
REJECTIONS: dict[Reason, str] = {
    "duplicate": "Duplicate order sent.",
    "funds": "Account has insufficient balance for requested action.",
    "would_match": "Order would immediately match and take.",
    "too_many": "Filter failure: MAX_NUM_ORDERS",
}


def place(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    ticket = _ticket(exchange, call, ORDER)
    return _placed(exchange, key, ticket, call)


def test_order(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    _ticket(exchange, call, ORDER)
    return {}


def query(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    order = find_order(exchange, call, key, "orderId", "origClientOrderId")
    seen = exchange.book.seen_order(key.account, order.id) if order else None
    if seen is None:
        raise refuse(-2013)
    return _view(seen)


def cancel(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    return _cancelled(exchange, key, find_order(exchange, call, key, "orderId", "origClientOrderId"), call)


def cancel_all(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    market = quotes_of(exchange, call.params.get("symbol")).market
    found = [o for o in exchange.book.orders(key.account) if o.market == market and o.status == "open"]
    if not found:
        raise refuse(-2011)
    return [_cancelled(exchange, key, order, call) for order in found]


def replace(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    """Cancel an order, and place another one if that worked (`STOP_ON_FAILURE`)."""
    ticket = _ticket(exchange, call, REPLACE)
    try:
        cancelled = _cancelled(
            exchange, key, find_order(exchange, call, key, "cancelOrderId", "cancelOrigClientOrderId"), call
        )
    except Refusal as refusal:
        answers = {"cancelResult": "FAILURE", "newOrderResult": "NOT_ATTEMPTED"}
        body = {**answers, "cancelResponse": refusal.answer.body, "newOrderResponse": None}
        return Answer({"code": -2022, "msg": "Order cancel-replace failed.", "data": body}, 400)
    try:
        placed = _placed(exchange, key, ticket, call)
    except Refusal as refusal:
        answers = {"cancelResult": "SUCCESS", "newOrderResult": "FAILURE"}
        body = {**answers, "cancelResponse": cancelled, "newOrderResponse": refusal.answer.body}
        return Answer({"code": -2021, "msg": "Order cancel-replace partially failed.", "data": body}, 409)
    answers = {"cancelResult": "SUCCESS", "newOrderResult": "SUCCESS"}
    return {**answers, "cancelResponse": cancelled, "newOrderResponse": placed}


def open_orders(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    market = quotes_of(exchange, call.params["symbol"]).market if "symbol" in call.params else None
    seen = exchange.book.seen_orders(key.account)
    return [_view(order) for order in seen if order.status == "open" and market in (None, order.market)]


def all_orders(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    market, first = quotes_of(exchange, call.params.get("symbol")).market, int(call.params.get("orderId", 0))
    seen = [order for order in exchange.book.seen_orders(key.account) if order.market == market and order.id >= first]
    return [_view(order) for order in page(call, seen, [order.created for order in seen], from_start="orderId")]


def my_trades(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    symbol = quotes_of(exchange, call.params.get("symbol")).market.symbol
    wanted = int(call.params.get("orderId", 0))
    first = int(call.params.get("fromId", 0))
    seen = [trade for trade in exchange.book.seen_trades(key.account) if trade.symbol == symbol and trade.id >= first]
    seen = [trade for trade in seen if wanted in (0, trade.order_id)]
    return [_trade_view(trade) for trade in page(call, seen, [trade.time for trade in seen], from_start="fromId")]


def page[T](call: Call, rows: list[T], times: list[int], *, from_start: str) -> list[T]:
    """Return the latest rows, or with a start (`startTime` or an id) the first ones from there on."""
    since, until = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 1 << 62))
    limit = min(int(call.params.get("limit", 500)), 1000)
    chosen = [row for row, moment in zip(rows, times, strict=True) if since <= moment <= until]
    return chosen[:limit] if since or from_start in call.params else chosen[-limit:]


def _ticket(exchange: LoopbackBinance, call: Call, known: set[str]) -> Ticket:
    """Return the order that is asked for.

    :raises Refusal: with Binance's code, when a parameter or a filter says no
    """
    params = call.params
    unknown = len(set(params) - known)
    if unknown:
        read = len(params) - unknown
        message = f"Not all sent parameters were read; read '{read}' parameter(s) but was sent '{len(params)}'."
        raise refuse(-1104, message)
    quotes = quotes_of(exchange, params.get("symbol"))
    side, kind = str(params.get("side", "")), str(params.get("type", ""))
    if side not in ("BUY", "SELL"):
        raise refuse(-1117)
    if kind not in ("LIMIT", "LIMIT_MAKER", "MARKET"):
        raise refuse(-1116)
    needed = {"LIMIT": ["timeInForce", "quantity", "price"], "LIMIT_MAKER": ["quantity", "price"]}.get(kind, [])
    if kind == "MARKET" and "quoteOrderQty" not in params:
        needed = ["quantity"]
    for name in needed:
        if not params.get(name):
            raise refuse(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    if kind != "LIMIT" and "timeInForce" in params:
        raise refuse(-1106, "Parameter 'timeInForce' sent when not required.")
    time_in_force = time_in_force_of(call)
    client_id = params.get("newClientOrderId") or f"web-{len(exchange.book.orders())}"
    if not CLIENT_ID.fullmatch(client_id):
        message = "Illegal characters found in parameter 'newClientOrderId'; legal range is '^[a-zA-Z0-9-_]{1,36}$'."
        raise refuse(-1100, message)
    ticket = Ticket(
        quotes.market,
        cast("Side", side.lower()),
        "market" if kind == "MARKET" else "limit",
        client_id,
        amount=number_in(params, "quantity"),
        quote_amount=number_in(params, "quoteOrderQty"),
        price=number_in(params, "price") if kind != "MARKET" else None,
        time_in_force=time_in_force,
        post_only=kind == "LIMIT_MAKER",
    )
    _check_filters(quotes, ticket)
    return ticket


def time_in_force_of(call: Call) -> TimeInForce:
    """Return how long an order is good, GTC unless it says; refuse what is none of these."""
    said = call.params.get("timeInForce", "GTC")
    if said not in ("GTC", "IOC", "FOK"):
        raise refuse(-1115)
    return cast("TimeInForce", said.lower())


def number_in(params: Any, name: str) -> Decimal | None:
    if not params.get(name):
        return None
    try:
        value = Decimal(params[name])
    except InvalidOperation:
        value = Decimal("NaN")
    if not value.is_finite() or value < 0:
        message = (
            f"Illegal characters found in parameter '{name}'; legal range is '^([0-9]{{1,20}})(\\.[0-9]{{1,20}})?$'."
        )
        raise refuse(-1100, message)
    if value != round(value, 8):
        raise refuse(-1111, f"Parameter '{name}' has too much precision.")
    return value


def _check_filters(quotes: Quotes, ticket: Ticket) -> None:
    market, price, amount = ticket.market, ticket.price, ticket.amount
    if price is not None:
        if not market.price_tick <= price <= market.max_price or price % market.price_tick:
            raise refuse(-1013, "Filter failure: PRICE_FILTER")
        if not quotes.price * PRICE_DOWN <= price <= quotes.price * PRICE_UP:
            raise refuse(-1013, "Filter failure: PERCENT_PRICE_BY_SIDE")
    if amount is not None and (not market.amount_step <= amount <= market.max_amount or amount % market.amount_step):
        raise refuse(-1013, "Filter failure: LOT_SIZE")
    notional = ticket.quote_amount if amount is None else amount * (price or quotes.price)
    if notional is None or notional < market.min_notional:
        raise refuse(-1013, "Filter failure: NOTIONAL")


def _placed(exchange: LoopbackBinance, key: Key, ticket: Ticket, call: Call) -> dict[str, Any]:
    try:
        order = exchange.book.place(key.account, ticket)
    except Rejected as rejected:
        raise refuse(-2010, REJECTIONS[rejected.reason]) from None
    view = {name: value for name, value in _view(order).items() if name not in ("time", "updateTime", "isWorking")}
    view["transactTime"] = order.updated
    detail = call.params.get("newOrderRespType", "FULL")
    if detail == "ACK":
        return {name: view[name] for name in ("symbol", "orderId", "orderListId", "clientOrderId", "transactTime")}
    if detail == "FULL":
        view["fills"] = [
            {
                **{"price": money(trade.price), "qty": money(trade.amount), "commission": money(trade.fee)},
                **{"commissionAsset": trade.fee_currency, "tradeId": trade.id},
            }
            for trade in exchange.book.trades_of(order.id)
        ]
    return view


def find_order(exchange: LoopbackBinance | Usdm, call: Call, key: Key, by_id: str, by_client_id: str) -> Order | None:
    """Return the order that is meant, as it truly stands."""
    market, number = quotes_of(exchange, call.params.get("symbol")).market, call.params.get(by_id)
    if number:
        order = exchange.book.get(key.account, int(number)) if str(number).isdecimal() else None
    elif call.params.get(by_client_id):
        order = exchange.book.find(key.account, call.params[by_client_id])
    else:
        raise refuse(-1102, f"Param '{by_client_id}' or '{by_id}' must be sent, but both were empty/null!")
    return order if order is not None and order.market == market else None


def _cancelled(exchange: LoopbackBinance, key: Key, order: Order | None, call: Call) -> dict[str, Any]:
    if order is None:
        raise refuse(-2011)
    try:
        gone = exchange.book.cancel(key.account, order.id)
    except Rejected:
        raise Refusal(error(-2011)) from None
    own_id = f"cancel-{gone.id}"
    view = {name: value for name, value in _view(gone).items() if name not in ("time", "updateTime", "isWorking")}
    return {**view, "origClientOrderId": gone.client_id, "clientOrderId": own_id, "transactTime": gone.updated}


def _view(order: Order) -> dict[str, Any]:
    ticket = order.ticket
    status = STATUS.get(order.status) or ("PARTIALLY_FILLED" if order.filled else "NEW")
    kind = "LIMIT_MAKER" if ticket.post_only else ticket.kind.upper()
    return {
        "symbol": symbol_of(order.market),
        "orderId": order.id,
        "orderListId": -1,
        "clientOrderId": order.client_id,
        "price": money(ticket.price or Decimal(0)),
        "origQty": money(order.amount),
        "executedQty": money(order.filled),
        "cummulativeQuoteQty": money(order.cost),
        "status": status,
        "timeInForce": ticket.time_in_force.upper(),
        "type": kind,
        "side": order.side.upper(),
        "stopPrice": "0.00000000",
        "icebergQty": "0.00000000",
        "time": order.created,
        "updateTime": order.updated,
        "isWorking": True,
        "workingTime": order.created,
        "origQuoteOrderQty": money(ticket.quote_amount or Decimal(0)),
        "selfTradePreventionMode": "EXPIRE_MAKER",
    }


def _trade_view(trade: Trade) -> dict[str, Any]:
    return {
        **{"symbol": trade.symbol.replace("/", ""), "id": trade.id, "orderId": trade.order_id, "orderListId": -1},
        **{"price": money(trade.price), "qty": money(trade.amount), "quoteQty": money(trade.cost)},
        **{"commission": money(trade.fee), "commissionAsset": trade.fee_currency, "time": trade.time},
        **{"isBuyer": trade.side == "buy", "isMaker": trade.maker, "isBestMatch": True},
    }


ROUTES: list[Route[LoopbackBinance]] = [
    Route("POST", "/api/v3/order", "place", place, "trade"),
    Route("POST", "/api/v3/order/test", "query", test_order, "trade"),
    Route("POST", "/api/v3/order/cancelReplace", "place", replace, "trade"),
    Route("GET", "/api/v3/order", "query", query, "read"),
    Route("DELETE", "/api/v3/order", "cancel", cancel, "trade"),
    Route("DELETE", "/api/v3/openOrders", "cancel", cancel_all, "trade"),
    Route("GET", "/api/v3/openOrders", "query", open_orders, "read"),
    Route("GET", "/api/v3/allOrders", "query", all_orders, "read"),
    Route("GET", "/api/v3/myTrades", "query", my_trades, "read"),
]
