"""Binance's USDⓈ-M futures API (`/fapi`), as far as ccxt's `binance` class uses it: public endpoints.

The orders' and the account's are in `binance_futures_account`. Handlers that spot has as well work on `Usdm`, which has
the book of the perpetuals where the exchange has that of the spot markets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tests.exchanges import binance_public as spot
from tests.exchanges.binance_public import money, symbol_of
from tests.exchanges.futures_book import FuturesBook
from tests.exchanges.market import Market
from tests.exchanges.perpetual import Perpetual
from tests.exchanges.protocol import Call, Key, Route

if TYPE_CHECKING:
    from tests.exchanges.binance import LoopbackBinance

HOUR_MS = 3_600_000


class Usdm:
    """The futures side of a loopback Binance."""

    def __init__(self, exchange: LoopbackBinance, markets: Sequence[Perpetual]) -> None:
        self.book = FuturesBook(list(markets), exchange.now)
        self.now = exchange.now


def on_futures(handler: Any) -> Any:
    """Return a handler of the spot API as it works on the perpetuals."""
    return lambda exchange, call, key: handler(exchange.usdm, call, key)


def exchange_information(exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    symbols = [_describe(quotes.market) for quotes in exchange.usdm.book.quotes.values()]
    return {
        "timezone": "UTC",
        "serverTime": exchange.now(),
        "rateLimits": [],
        "exchangeFilters": [],
        "symbols": symbols,
    }


def tickers(exchange: LoopbackBinance, call: Call, key: Key) -> Any:
    found = spot.ticker_24h(exchange.usdm, call, key)  # type: ignore[arg-type]
    rows = found if isinstance(found, list) else [found]
    bare = [{name: value for name, value in row.items() if not name.startswith(("bid", "ask"))} for row in rows]
    return bare if isinstance(found, list) else bare[0]


def premium_index(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    now, book = exchange.now(), exchange.usdm.book
    rows = []
    for quotes in book.quotes.values():
        market = quotes.market
        assert isinstance(market, Perpetual)
        step = market.funding_hours * HOUR_MS
        rows.append(
            {
                **{"symbol": symbol_of(market), "markPrice": money(book.mark(market.symbol))},
                **{"indexPrice": money(quotes.price), "estimatedSettlePrice": money(quotes.price)},
                **{"lastFundingRate": money(book.rates[market.symbol]), "interestRate": "0.00010000"},
                **{"nextFundingTime": (now // step + 1) * step, "time": now},
            }
        )
    chosen = [row for row in rows if call.params.get("symbol") in (None, row["symbol"])]
    return chosen[0] if "symbol" in call.params else chosen


def funding_rates(exchange: LoopbackBinance, call: Call, _key: Key) -> Any:
    market = spot.quotes_of(exchange.usdm, call.params.get("symbol")).market
    since, until = int(call.params.get("startTime", 0)), int(call.params.get("endTime", 1 << 62))
    return [
        {
            **{"symbol": symbol_of(market), "fundingTime": moment, "fundingRate": money(rate)},
            **{"markPrice": money(mark)},
        }
        for symbol, rate, mark, moment in exchange.usdm.book.fundings
        if symbol == market.symbol and since <= moment <= until
    ][: int(call.params.get("limit", 100))]


def funding_information(exchange: LoopbackBinance, _call: Call, _key: Key) -> Any:
    """Binance lists the symbols alone whose interval was changed."""
    markets = [quotes.market for quotes in exchange.usdm.book.quotes.values()]
    return [
        {
            **{"symbol": symbol_of(market), "adjustedFundingRateCap": "0.02", "adjustedFundingRateFloor": "-0.02"},
            **{"fundingIntervalHours": market.funding_hours, "disclaimer": False},
        }
        for market in markets
        if isinstance(market, Perpetual) and market.funding_hours != 8
    ]


def _describe(market: Market) -> dict[str, Any]:
    lot = {"minQty": str(market.amount_step), "maxQty": str(market.max_amount), "stepSize": str(market.amount_step)}
    tick = {"minPrice": str(market.price_tick), "maxPrice": str(market.max_price), "tickSize": str(market.price_tick)}
    bounds = {"multiplierUp": str(spot.PRICE_UP), "multiplierDown": str(spot.PRICE_DOWN), "multiplierDecimal": "4"}
    return {
        **{"symbol": symbol_of(market), "pair": symbol_of(market), "contractType": "PERPETUAL"},
        **{"deliveryDate": 4133404800000, "onboardDate": 1569398400000, "status": "TRADING"},
        **{"maintMarginPercent": "2.5000", "requiredMarginPercent": "5.0000"},
        **{"baseAsset": market.base, "quoteAsset": market.quote, "marginAsset": market.quote},
        **{"pricePrecision": 2, "quantityPrecision": 3, "baseAssetPrecision": 8, "quotePrecision": 8},
        **{"underlyingType": "COIN", "underlyingSubType": ["PoW"], "triggerProtect": "0.0500"},
        **{"liquidationFee": "0.012500", "marketTakeBound": "0.05"},
        "filters": [
            {"filterType": "PRICE_FILTER", **tick},
            {"filterType": "LOT_SIZE", **lot},
            {"filterType": "MARKET_LOT_SIZE", **lot},
            {"filterType": "MAX_NUM_ORDERS", "limit": market.max_open_orders},
            {"filterType": "MIN_NOTIONAL", "notional": str(market.min_notional)},
            {"filterType": "PERCENT_PRICE", **bounds},
        ],
        "orderTypes": ["LIMIT", "MARKET", "STOP", "STOP_MARKET", "TAKE_PROFIT", "TAKE_PROFIT_MARKET"],
        "timeInForce": ["GTC", "IOC", "FOK", "GTX", "GTD"],
    }


_SAME = {
    "ping": spot.ping,
    "time": spot.server_time,
    "ticker/bookTicker": spot.book_ticker,
    "depth": spot.depth,
    "trades": spot.trades,
    "aggTrades": spot.aggregated_trades,
    "klines": spot.klines,
}
ROUTES: list[Route[LoopbackBinance]] = [
    *(Route("GET", f"/fapi/v1/{path}", "market", on_futures(handler)) for path, handler in _SAME.items()),
    Route("GET", "/fapi/v1/exchangeInfo", "market", exchange_information),
    Route("GET", "/fapi/v1/ticker/24hr", "market", tickers),
    Route("GET", "/fapi/v1/premiumIndex", "market", premium_index),
    Route("GET", "/fapi/v1/fundingRate", "market", funding_rates),
    Route("GET", "/fapi/v1/fundingInfo", "market", funding_information),
    Route("GET", "/dapi/v1/exchangeInfo", "market", spot.no_contracts),
]
