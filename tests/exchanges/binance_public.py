"""Binance's public endpoints: time, symbols, tickers, depth, trades, candles."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.exchanges.binance_errors import refuse
from tests.exchanges.market import Market, Quotes
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.binance import LoopbackBinance
    from tests.exchanges.binance_futures import Usdm

MINUTE = 60_000
INTERVALS = {
    **{"1s": 1000, "1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE},
    **{f"{hours}h": hours * 60 * MINUTE for hours in (1, 2, 4, 6, 8, 12)},
    **{"1d": 1440 * MINUTE, "3d": 3 * 1440 * MINUTE, "1w": 7 * 1440 * MINUTE, "1M": 30 * 1440 * MINUTE},
}
DAY = INTERVALS["1d"]
PRICE_UP, PRICE_DOWN = Decimal(5), Decimal("0.2")


def money(value: Decimal) -> str:
    """Write an amount as Binance does, with eight decimals."""
    return f"{value:.8f}"


def symbol_of(market: Market) -> str:
    return market.base + market.quote


def quotes_of(exchange: LoopbackBinance | Usdm, symbol: object) -> Quotes:
    """Return the market that Binance calls `symbol`.

    :raises Refusal: -1121 when there is none, -1102 when it was not named
    """
    if not symbol:
        raise refuse(-1102, "Mandatory parameter 'symbol' was not sent, was empty/null, or malformed.")
    for quotes in exchange.book.quotes.values():
        if symbol_of(quotes.market) == symbol:
            return quotes
    raise refuse(-1121)


def describe(market: Market) -> dict[str, Any]:
    """Return a symbol's entry in `exchangeInfo`."""
    lot = {"minQty": money(market.amount_step), "maxQty": money(market.max_amount)}
    percent = {f"{side}MultiplierUp": str(PRICE_UP) for side in ("bid", "ask")}
    percent |= {f"{side}MultiplierDown": str(PRICE_DOWN) for side in ("bid", "ask")}
    tick = {"minPrice": money(market.price_tick), "maxPrice": money(market.max_price)}
    notional = {"minNotional": money(market.min_notional), "maxNotional": "9000000.00000000", "avgPriceMins": 5}
    return {
        "symbol": symbol_of(market),
        "status": "TRADING",
        "baseAsset": market.base,
        "baseAssetPrecision": 8,
        "quoteAsset": market.quote,
        "quotePrecision": 8,
        "quoteAssetPrecision": 8,
        "baseCommissionPrecision": 8,
        "quoteCommissionPrecision": 8,
        "orderTypes": ["LIMIT", "LIMIT_MAKER", "MARKET"],
        "icebergAllowed": False,
        "ocoAllowed": False,
        "quoteOrderQtyMarketAllowed": True,
        "allowTrailingStop": False,
        "cancelReplaceAllowed": True,
        "isSpotTradingAllowed": True,
        "isMarginTradingAllowed": False,
        "filters": [
            {"filterType": "PRICE_FILTER", **tick, "tickSize": money(market.price_tick)},
            {"filterType": "LOT_SIZE", **lot, "stepSize": money(market.amount_step)},
            {"filterType": "MARKET_LOT_SIZE", **lot, "minQty": money(Decimal(0)), "stepSize": money(Decimal(0))},
            {"filterType": "PERCENT_PRICE_BY_SIDE", **percent, "avgPriceMins": 5},
            {"filterType": "NOTIONAL", **notional, "applyMinToMarket": True, "applyMaxToMarket": False},
            {"filterType": "MAX_NUM_ORDERS", "maxNumOrders": market.max_open_orders},
        ],
        "permissions": [],
        "permissionSets": [["SPOT"]],
        "defaultSelfTradePreventionMode": "EXPIRE_MAKER",
        "allowedSelfTradePreventionModes": ["EXPIRE_TAKER", "EXPIRE_MAKER", "EXPIRE_BOTH"],
    }


def ping(_exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    return {}


def server_time(exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    return {"serverTime": exchange.now()}


def exchange_information(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    symbols = [describe(quotes.market) for quotes in _chosen(exchange, call)]
    limit = {"rateLimitType": "REQUEST_WEIGHT", "interval": "MINUTE", "intervalNum": 1, "limit": 6000}
    now = exchange.now()
    return {"timezone": "UTC", "serverTime": now, "rateLimits": [limit], "exchangeFilters": [], "symbols": symbols}


def no_contracts(exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    return {"timezone": "UTC", "serverTime": exchange.now(), "rateLimits": [], "exchangeFilters": [], "symbols": []}


def ticker_24h(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    return _one_or_all(exchange, call, [_ticker(quotes, exchange.now()) for quotes in _chosen(exchange, call)])


def ticker_price(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    rows = [{"symbol": symbol_of(q.market), "price": money(q.price)} for q in _chosen(exchange, call)]
    return _one_or_all(exchange, call, rows)


def book_ticker(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    rows = [{"symbol": symbol_of(q.market), **_touch(q)} for q in _chosen(exchange, call)]
    return _one_or_all(exchange, call, rows)


def depth(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    quotes = quotes_of(exchange, call.params.get("symbol"))
    levels = range(min(int(call.params.get("limit", 100)), 20))
    size, tick = money(_size(quotes)), quotes.market.price_tick
    asks = [[money(quotes.ask + level * tick), size] for level in levels]
    bids = [[money(quotes.bid - level * tick), size] for level in levels if quotes.bid > level * tick]
    return {"lastUpdateId": len(quotes.times), "bids": bids, "asks": asks}


def trades(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    rows = _public_trades(quotes_of(exchange, call.params.get("symbol")), call)
    return [
        {
            **{"id": number, "price": money(price), "qty": "1.00000000", "quoteQty": money(price), "time": moment},
            **{"isBuyerMaker": False, "isBestMatch": True},
        }
        for number, moment, price in rows
    ]


def aggregated_trades(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    rows = _public_trades(quotes_of(exchange, call.params.get("symbol")), call)
    return [
        {
            "a": number,
            "p": money(price),
            "q": "1.00000000",
            "f": number,
            "l": number,
            "T": moment,
            "m": False,
            "M": True,
        }
        for number, moment, price in rows
    ]


def klines(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    quotes, length = quotes_of(exchange, call.params.get("symbol")), INTERVALS.get(str(call.params.get("interval")))
    if length is None:
        raise refuse(-1120)
    since = int(call.params["startTime"]) if "startTime" in call.params else None
    limit = min(int(call.params.get("limit", 500)), 1000)
    until = int(call.params.get("endTime", exchange.now()))
    return [
        [
            *(candle.start, money(candle.open), money(candle.high), money(candle.low), money(candle.close)),
            *(money(candle.volume), candle.start + length - 1, money(candle.volume * candle.close), 1),
            *(money(candle.volume), money(candle.volume * candle.close), "0"),
        ]
        for candle in quotes.candles(length, limit=limit, now=min(until, exchange.now()), since=since)
    ]


def _chosen(exchange: LoopbackBinance, call: Call) -> list[Quotes]:
    if "symbol" in call.params:
        return [quotes_of(exchange, call.params["symbol"])]
    if "symbols" in call.params:
        return [quotes_of(exchange, symbol) for symbol in json.loads(call.params["symbols"])]
    return list(exchange.book.quotes.values())


def _one_or_all(_exchange: LoopbackBinance, call: Call, rows: list[dict[str, Any]]) -> Any:
    return rows[0] if "symbol" in call.params else rows


def _size(quotes: Quotes) -> Decimal:
    return quotes.market.max_amount if quotes.liquidity is None else quotes.liquidity


def _touch(quotes: Quotes) -> dict[str, str]:
    size = money(_size(quotes))
    return {"bidPrice": money(quotes.bid), "bidQty": size, "askPrice": money(quotes.ask), "askQty": size}


def _ticker(quotes: Quotes, now: int) -> dict[str, Any]:
    day = quotes.candle(now - DAY, DAY + 1)
    change = day.close - day.open
    return {
        "symbol": symbol_of(quotes.market),
        "priceChange": money(change),
        "priceChangePercent": f"{change / day.open * 100:.3f}",
        "weightedAvgPrice": money(day.close),
        "prevClosePrice": money(day.open),
        "lastPrice": money(day.close),
        "lastQty": "1.00000000",
        **_touch(quotes),
        "openPrice": money(day.open),
        "highPrice": money(day.high),
        "lowPrice": money(day.low),
        "volume": money(day.volume),
        "quoteVolume": money(day.volume * day.close),
        "openTime": now - DAY,
        "closeTime": now,
        "firstId": 0,
        "lastId": len(quotes.times) - 1,
        "count": len(quotes.times),
    }


def _public_trades(quotes: Quotes, call: Call) -> list[tuple[int, int, Decimal]]:
    """Every price that was set counts as one trade of one unit."""
    since, limit = int(call.params.get("startTime", 0)), min(int(call.params.get("limit", 500)), 1000)
    rows = zip(itertools.count(), quotes.times, quotes.prices, strict=False)
    return [row for row in rows if row[1] >= since][-limit:]


_SPOT = {
    "ping": ping,
    "time": server_time,
    "exchangeInfo": exchange_information,
    "ticker/24hr": ticker_24h,
    "ticker/price": ticker_price,
    "ticker/bookTicker": book_ticker,
    "depth": depth,
    "trades": trades,
    "historicalTrades": trades,
    "aggTrades": aggregated_trades,
    "klines": klines,
}
ROUTES: list[Route[LoopbackBinance]] = [
    Route("GET", f"/api/v3/{path}", "market", handler) for path, handler in _SPOT.items()
]
