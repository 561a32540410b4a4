"""KuCoin's public endpoints: time, symbols, tickers, order book, trades, candles, currencies."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from tests.exchanges.kucoin_errors import refuse
from tests.exchanges.market import Market, Quotes
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.kucoin import LoopbackKucoin

MINUTE = 60_000
DAY = 1440 * MINUTE
INTERVALS = {
    **{f"{minutes}min": minutes * MINUTE for minutes in (1, 3, 5, 15, 30)},
    **{f"{hours}hour": hours * 60 * MINUTE for hours in (1, 2, 4, 6, 8, 12)},
    **{"1day": DAY, "1week": 7 * DAY, "1month": 30 * DAY},
}
CANDLES = 1500


def text(value: Decimal) -> str:
    """Write an amount as KuCoin does, without trailing zeros."""
    return f"{value.normalize():f}"


def symbol_of(market: Market) -> str:
    return f"{market.base}-{market.quote}"


def quotes_of(exchange: LoopbackKucoin, symbol: object) -> Quotes:
    """Return the market that KuCoin calls `symbol`.

    :raises Refusal: 400600 when there is none
    """
    for quotes in exchange.book.quotes.values():
        if symbol_of(quotes.market) == symbol:
            return quotes
    raise refuse("400600")


def server_time(exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    return exchange.now()


def status(_exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    return {"status": "open", "msg": ""}


def symbols(exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    return [_describe(quotes.market) for quotes in exchange.book.quotes.values()]


def currencies(exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    markets = [quotes.market for quotes in exchange.book.quotes.values()]
    names = sorted({name for market in markets for name in (market.base, market.quote)})
    return [
        {
            **{"currency": name, "name": name, "fullName": name, "precision": 8, "confirms": None},
            **{"contractAddress": None, "isMarginEnabled": False, "isDebitEnabled": False},
            "chains": [
                {
                    **{"chainName": name, "chainId": name.lower(), "withdrawalMinSize": "1", "depositMinSize": None},
                    **{"withdrawFeeRate": "0", "withdrawalMinFee": "0.1", "isWithdrawEnabled": True},
                    **{"isDepositEnabled": True, "confirms": 1, "preConfirms": 1, "withdrawPrecision": 8},
                    **{"maxWithdraw": None, "maxDeposit": None, "needTag": False, "contractAddress": ""},
                }
            ],
        }
        for name in names
    ]


def all_tickers(exchange: LoopbackKucoin, _call: Call, _key: Key) -> Any:
    now = exchange.now()
    return {"time": now, "ticker": [_ticker(quotes, now) for quotes in exchange.book.quotes.values()]}


def stats(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    now = exchange.now()
    return {**_ticker(quotes_of(exchange, call.params.get("symbol")), now), "time": now}


def level_1(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    quotes = quotes_of(exchange, call.params.get("symbol"))
    size = text(_size(quotes))
    return {
        **{"time": exchange.now(), "sequence": str(len(quotes.times)), "price": text(quotes.price), "size": "1"},
        **{"bestBid": text(quotes.bid), "bestBidSize": size, "bestAsk": text(quotes.ask), "bestAskSize": size},
    }


def order_book(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    quotes = quotes_of(exchange, call.params.get("symbol"))
    size, tick = text(_size(quotes)), quotes.market.price_tick
    asks = [[text(quotes.ask + level * tick), size] for level in range(20)]
    bids = [[text(quotes.bid - level * tick), size] for level in range(20) if quotes.bid > level * tick]
    return {"time": exchange.now(), "sequence": str(len(quotes.times)), "bids": bids, "asks": asks}


def histories(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    """Every price that was set counts as one trade of one unit."""
    quotes = quotes_of(exchange, call.params.get("symbol"))
    rows = list(zip(itertools.count(), quotes.times, quotes.prices, strict=False))
    return [
        {"sequence": str(number), "side": "buy", "size": "1", "price": text(price), "time": moment * 1_000_000}
        for number, moment, price in rows[-100:]
    ]


def candles(exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    quotes, length = quotes_of(exchange, call.params.get("symbol")), INTERVALS.get(str(call.params.get("type")))
    if length is None:
        raise refuse("400100", "This type is not supported")
    since = int(call.params.get("startAt", 0)) * 1000 or None
    until = min(int(call.params.get("endAt", 1 << 40)) * 1000, exchange.now())
    return [
        [
            *(str(candle.start // 1000), text(candle.open), text(candle.close), text(candle.high), text(candle.low)),
            *(text(candle.volume), text(candle.volume * candle.close)),
        ]
        for candle in reversed(quotes.candles(length, limit=CANDLES, now=until, since=since))
    ]


def no_margin(_exchange: LoopbackKucoin, call: Call, _key: Key) -> Any:
    return [] if "isolated" in call.path else {"timestamp": 0, "items": []}


def _describe(market: Market) -> dict[str, Any]:
    return {
        **{"symbol": symbol_of(market), "name": symbol_of(market), "market": "USDS", "feeCurrency": market.quote},
        **{"baseCurrency": market.base, "quoteCurrency": market.quote, "enableTrading": True},
        **{"baseMinSize": text(market.amount_step), "baseMaxSize": text(market.max_amount)},
        **{"quoteMinSize": text(market.min_notional), "quoteMaxSize": "99999999"},
        **{"baseIncrement": text(market.amount_step), "quoteIncrement": text(market.price_tick)},
        **{"priceIncrement": text(market.price_tick), "priceLimitRate": "0.1", "minFunds": text(market.min_notional)},
        **{"isMarginEnabled": False, "feeCategory": 1, "makerFeeCoefficient": "1.00", "takerFeeCoefficient": "1.00"},
    }


def _size(quotes: Quotes) -> Decimal:
    return quotes.market.max_amount if quotes.liquidity is None else quotes.liquidity


def _ticker(quotes: Quotes, now: int) -> dict[str, Any]:
    day = quotes.candle(now - DAY, DAY + 1)
    change, size = day.close - day.open, text(_size(quotes))
    return {
        **{"symbol": symbol_of(quotes.market), "symbolName": symbol_of(quotes.market)},
        **{"buy": text(quotes.bid), "bestBidSize": size, "sell": text(quotes.ask), "bestAskSize": size},
        **{"changeRate": f"{change / day.open:.4f}", "changePrice": text(change)},
        **{"high": text(day.high), "low": text(day.low), "last": text(day.close), "averagePrice": text(day.open)},
        **{"vol": text(day.volume), "volValue": text(day.volume * day.close)},
        **{"takerFeeRate": text(quotes.market.taker), "makerFeeRate": text(quotes.market.maker)},
        **{"takerCoefficient": "1", "makerCoefficient": "1"},
    }


_PUBLIC = {
    "/api/v1/timestamp": server_time,
    "/api/v1/status": status,
    "/api/v2/symbols": symbols,
    "/api/v3/currencies": currencies,
    "/api/v1/market/allTickers": all_tickers,
    "/api/v1/market/stats": stats,
    "/api/v1/market/orderbook/level1": level_1,
    "/api/v1/market/orderbook/level2_20": order_book,
    "/api/v1/market/orderbook/level2_100": order_book,
    "/api/v1/market/histories": histories,
    "/api/v1/market/candles": candles,
}
ROUTES: list[Route[LoopbackKucoin]] = [
    *(Route("GET", path, "market", handler) for path, handler in _PUBLIC.items()),
    Route("GET", "/api/v3/market/orderbook/level2", "market", order_book, "read"),
    Route("GET", "/api/v3/margin/symbols", "account", no_margin, "read"),
    Route("GET", "/api/v1/isolated/symbols", "account", no_margin, "read"),
]
