"""Binance's USDⓈ-M futures API (`/fapi`): orders, own trades, wallet, positions, incomes and their settings.

Faults strike orders as on spot (`place`, `cancel`, `query`); `balance` is the wallet, positions and incomes, `account`
leverage, margin mode and position mode.
"""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, cast

from tests.exchanges.binance_errors import refuse
from tests.exchanges.binance_orders import (
    SIGNED,
    STATUS,
    find_order,
    number_in,
    page,
    time_in_force_of,
)
from tests.exchanges.binance_public import PRICE_DOWN, PRICE_UP, money, quotes_of, symbol_of
from tests.exchanges.futures_book import FuturesBook
from tests.exchanges.market import Quotes
from tests.exchanges.orders import Order, Rejected, Side, Ticket, Trade
from tests.exchanges.perpetual import CURRENCY, Income, Position
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.binance import LoopbackBinance
    from tests.exchanges.binance_futures import Usdm

ORDER = {
    *("symbol", "side", "type", "timeInForce", "quantity", "price", "newClientOrderId", "reduceOnly"),
    *("newOrderRespType", "positionSide", *SIGNED),
}
REJECTIONS = {
    "duplicate": (-4116, "ClientOrderId is duplicated."),
    "funds": (-2019, "Margin is insufficient."),
    "unknown": (-2022, "ReduceOnly Order is rejected."),
    "too_many": (-4045, "Reach max open order limit."),
}


def place(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    book = exchange.usdm.book
    if key.account in book.hedged:
        raise refuse(-4061, "Order's position side does not match user's setting.")
    unknown = set(call.params) - ORDER
    if unknown:
        raise refuse(-1104, f"Not all sent parameters were read; {', '.join(sorted(unknown))} were not.")
    ticket, reduce_only = _ticket(exchange, call), call.params.get("reduceOnly") == "true"
    try:
        order = book.place(key.account, ticket, reduce_only=reduce_only)
    except Rejected as rejected:
        raise refuse(*REJECTIONS[rejected.reason]) from None
    return _view(book, order)


def query(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    order = find_order(exchange.usdm, call, key, "orderId", "origClientOrderId")
    seen = exchange.usdm.book.seen_order(key.account, order.id) if order else None
    if seen is None:
        raise refuse(-2013)
    return _view(exchange.usdm.book, seen)


def cancel(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    order = find_order(exchange.usdm, call, key, "orderId", "origClientOrderId")
    if order is None:
        raise refuse(-2011)
    try:
        return _view(exchange.usdm.book, exchange.usdm.book.cancel(key.account, order.id))
    except Rejected:
        raise refuse(-2011) from None


def open_orders(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    return [each for each in _listed(exchange, call, key) if each["status"] in ("NEW", "PARTIALLY_FILLED")]


def all_orders(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    rows = _listed(exchange, call, key)
    return page(call, rows, [row["time"] for row in rows], from_start="orderId")


def user_trades(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    book = exchange.usdm.book
    symbol = quotes_of(exchange.usdm, call.params.get("symbol")).market.symbol
    wanted, first = int(call.params.get("orderId", 0)), int(call.params.get("fromId", 0))
    seen = [trade for trade in book.seen_trades(key.account) if trade.symbol == symbol and trade.id >= first]
    seen = [trade for trade in seen if wanted in (0, trade.order_id)]
    rows = [_trade_view(book, trade) for trade in seen]
    return page(call, rows, [trade.time for trade in seen], from_start="fromId")


def account(exchange: LoopbackBinance, _call: Call, key: Key) -> Any:
    """Binance's `/fapi/v3/account`: the wallet, unrealised gains not in it."""
    book = exchange.usdm.book
    held = book.seen_balances(key.account).get(CURRENCY, (Decimal(0), Decimal(0)))[0]
    asset = {"asset": CURRENCY, "walletBalance": money(held), "crossWalletBalance": money(held)}
    asset |= {"unrealizedProfit": "0", "marginBalance": money(held), "availableBalance": money(book.free(key.account))}
    return {"totalWalletBalance": money(held), "assets": [asset], "positions": []}


def positions(exchange: LoopbackBinance, _call: Call, key: Key) -> Any:
    """Binance's `/fapi/v3/positionRisk`: the markets in which there is a position or an order."""
    book = exchange.usdm.book
    hedged = key.account in book.hedged
    return [
        _position_view(book, each, hedged=hedged)
        for each in book.seen_positions(key.account)
        if each.amount or book.has_open_orders(key.account, each.symbol)
    ]


def incomes(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    """Answer oldest first, from `startTime` on."""
    since, until = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 1 << 62))
    seen = [each for each in exchange.usdm.book.seen_incomes(key.account) if since <= each.time <= until]
    return [_income_view(exchange.usdm, each) for each in seen[: min(int(call.params.get("limit", 100)), 1000)]]


def symbol_settings(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    book = exchange.usdm.book
    return [
        {
            **{"symbol": symbol_of(quotes.market), "marginType": book.margin_type(key.account, symbol)},
            **{"isAutoAddMargin": False, "leverage": book.leverage(key.account, symbol)},
            "maxNotionalValue": "1000000",
        }
        for symbol, quotes in book.quotes.items()
        if call.params.get("symbol") in (None, symbol_of(quotes.market))
    ]


def set_leverage(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    book, symbol = exchange.usdm.book, _symbol(exchange, call)
    leverage = int(call.params.get("leverage", 0))
    if not 1 <= leverage <= 125:
        raise refuse(-4028, f"Leverage {leverage} is not valid")
    if leverage < book.leverage(key.account, symbol) and book.position(key.account, symbol).amount:
        raise refuse(-4161, "Leverage reduction is not supported in Isolated Margin Mode with open positions")
    try:
        book.set_leverage(key.account, symbol, leverage)
    except Rejected:
        raise refuse(-2019, "Margin is insufficient.") from None
    return {"leverage": leverage, "maxNotionalValue": "1000000", "symbol": call.params["symbol"]}


def set_margin_type(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    book, symbol, wanted = exchange.usdm.book, _symbol(exchange, call), call.params.get("marginType")
    if book.margin_type(key.account, symbol) == wanted:
        raise refuse(-4046, "No need to change margin type.")
    if book.has_open_orders(key.account, symbol):
        raise refuse(-4047, "Margin type cannot be changed if there exists open orders.")
    if book.position(key.account, symbol).amount:
        raise refuse(-4048, "Margin type cannot be changed if there exists position.")
    book.margin_types[key.account, symbol] = cast("Any", wanted)
    return {"code": 200, "msg": "success"}


def position_mode(exchange: LoopbackBinance, _call: Call, key: Key) -> Any:
    return {"dualSidePosition": key.account in exchange.usdm.book.hedged}


def _symbol(exchange: LoopbackBinance, call: Call) -> str:
    return quotes_of(exchange.usdm, call.params.get("symbol")).market.symbol


def _listed(exchange: LoopbackBinance, call: Call, key: Key) -> list[dict[str, Any]]:
    symbol = _symbol(exchange, call)
    seen = exchange.usdm.book.seen_orders(key.account)
    return [_view(exchange.usdm.book, order) for order in seen if order.market.symbol == symbol]


def _ticket(exchange: LoopbackBinance, call: Call) -> Ticket:
    params = call.params
    quotes = quotes_of(exchange.usdm, params.get("symbol"))
    kind, side = str(params.get("type", "")), str(params.get("side", ""))
    if kind not in ("LIMIT", "MARKET"):
        raise refuse(-1116)
    if side not in ("BUY", "SELL"):
        raise refuse(-1117)
    for name in ["quantity", *(["price", "timeInForce"] if kind == "LIMIT" else [])]:
        if not params.get(name):
            raise refuse(-1102, f"Mandatory parameter '{name}' was not sent, was empty/null, or malformed.")
    ticket = Ticket(
        quotes.market,
        cast("Side", side.lower()),
        "market" if kind == "MARKET" else "limit",
        str(params["newClientOrderId"]),
        amount=number_in(params, "quantity"),
        price=number_in(params, "price") if kind == "LIMIT" else None,
        time_in_force=time_in_force_of(call),
    )
    _check_filters(quotes, ticket, reduces=params.get("reduceOnly") == "true")
    return ticket


def _check_filters(quotes: Quotes, ticket: Ticket, *, reduces: bool) -> None:
    market, price, amount = ticket.market, ticket.price, ticket.amount or Decimal(0)
    if price is not None:
        if price % market.price_tick:
            raise refuse(-4014, "Price not increased by tick size.")
        if not quotes.price * PRICE_DOWN <= price <= quotes.price * PRICE_UP:
            raise refuse(-4016, "Limit price can't be higher than the cap.")
    if amount % market.amount_step or not market.amount_step <= amount <= market.max_amount:
        raise refuse(-1111, "Precision is over the maximum defined for this asset.")
    if not reduces and amount * (price or quotes.price) < market.min_notional:
        raise refuse(-4164, f"Order's notional must be no smaller than {market.min_notional}.")


def _view(book: FuturesBook, order: Order) -> dict[str, Any]:
    kind = order.ticket.kind.upper()
    average = order.cost / order.filled if order.filled else Decimal(0)
    return {
        **{"symbol": symbol_of(order.market), "orderId": order.id, "clientOrderId": order.client_id},
        **{"price": str(order.ticket.price or 0), "avgPrice": money(average), "origQty": str(order.amount)},
        **{"executedQty": str(order.filled), "cumQty": str(order.filled), "cumQuote": money(order.cost)},
        "status": STATUS.get(order.status) or ("PARTIALLY_FILLED" if order.filled else "NEW"),
        **{"timeInForce": order.ticket.time_in_force.upper(), "type": kind, "origType": kind},
        **{"reduceOnly": book.is_reduce_only(order.id), "closePosition": False, "positionSide": "BOTH"},
        **{"side": order.side.upper(), "stopPrice": "0", "workingType": "CONTRACT_PRICE", "priceProtect": False},
        **{"time": order.created, "updateTime": order.updated},
    }


def _trade_view(book: FuturesBook, trade: Trade) -> dict[str, Any]:
    return {
        **{"symbol": trade.symbol.partition(":")[0].replace("/", ""), "id": trade.id, "orderId": trade.order_id},
        **{"side": trade.side.upper(), "price": str(trade.price), "qty": str(trade.amount)},
        **{"realizedPnl": money(book.gains[trade.id]), "quoteQty": money(trade.cost)},
        **{"commission": money(trade.fee), "commissionAsset": trade.fee_currency, "time": trade.time},
        **{"positionSide": "BOTH", "buyer": trade.side == "buy", "maker": trade.maker},
    }


def _position_view(book: FuturesBook, position: Position, *, hedged: bool) -> dict[str, Any]:
    market, mark = book.quotes[position.symbol].market, book.mark(position.symbol)
    gain = position.amount * (mark - position.entry)
    return {
        **{"symbol": symbol_of(market), "positionSide": "LONG" if hedged else "BOTH"},
        **{"positionAmt": str(position.amount), "entryPrice": str(position.entry), "markPrice": money(mark)},
        **{"breakEvenPrice": str(position.entry), "unRealizedProfit": money(gain)},
        **{"liquidationPrice": str(position.liquidation), "isolatedMargin": money(position.margin + gain)},
        **{"notional": money(position.amount * mark), "marginAsset": market.quote},
        **{"isolatedWallet": money(position.margin), "initialMargin": money(position.margin), "maintMargin": "0"},
        **{"positionInitialMargin": money(position.margin), "openOrderInitialMargin": "0", "adl": 1},
        **{"bidNotional": "0", "askNotional": "0", "updateTime": position.updated},
    }


def _income_view(usdm: Usdm, income: Income) -> dict[str, Any]:
    market = usdm.book.quotes[income.symbol].market if income.symbol else None
    return {
        **{"symbol": symbol_of(market) if market else "", "incomeType": income.kind, "income": money(income.amount)},
        **{"asset": CURRENCY, "info": income.kind, "time": income.time, "tranId": income.id},
        "tradeId": "" if income.trade_id is None else str(income.trade_id),
    }


ROUTES: list[Route[LoopbackBinance]] = [
    Route("POST", "/fapi/v1/order", "place", place, "futures"),
    Route("GET", "/fapi/v1/order", "query", query, "read"),
    Route("DELETE", "/fapi/v1/order", "cancel", cancel, "futures"),
    Route("GET", "/fapi/v1/openOrders", "query", open_orders, "read"),
    Route("GET", "/fapi/v1/allOrders", "query", all_orders, "read"),
    Route("GET", "/fapi/v1/userTrades", "query", user_trades, "read"),
    Route("GET", "/fapi/v3/account", "balance", account, "read"),
    Route("GET", "/fapi/v3/positionRisk", "balance", positions, "read"),
    Route("GET", "/fapi/v1/income", "balance", incomes, "read"),
    Route("GET", "/fapi/v1/symbolConfig", "account", symbol_settings, "read"),
    Route("POST", "/fapi/v1/leverage", "account", set_leverage, "futures"),
    Route("POST", "/fapi/v1/marginType", "account", set_margin_type, "futures"),
    Route("GET", "/fapi/v1/positionSide/dual", "account", position_mode, "read"),
]
