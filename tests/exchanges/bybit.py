"""Bybit's public API (v5) on 127.0.0.1, as far as ccxt's `bybit` class uses it for spot prices and options.

The options of each market expire in two and in five weeks, at five strikes around the price; their prices are those of
a formula that is not the demo exchange's, their figures are in the shapes that Bybit's documentation shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, ClassVar

from tests.exchanges.book import Book
from tests.exchanges.faults import Fault
from tests.exchanges.market import Market, Quotes, default_markets
from tests.exchanges.process import main
from tests.exchanges.protocol import Answer, Call, Key, Permission, Refusal, Route
from tests.exchanges.server import PAGE, Loopback

DAY_MS = 86_400_000
WEEKS = (2, 5)
STEPS = (-2, -1, 0, 1, 2)
UNDERLYINGS = ("BTC", "ETH")


class LoopbackBybit(Loopback):
    """A stand-in for `https://api.bybit.com`."""

    name: ClassVar[str] = "bybit"

    def new_book(self, markets: Sequence[Market] | None) -> Book:
        """Fees are taken from what is received."""
        return Book(list(markets or default_markets()), self.now, fees="received")

    def routes(self) -> Sequence[Route[Any]]:
        """Return the endpoints that ccxt's class calls."""
        handlers = {"time": _time, "instruments-info": _instruments, "tickers": _tickers, "orderbook": _order_book}
        return [Route("GET", f"/v5/market/{path}", "market", handler) for path, handler in handlers.items()]

    def authenticate(self, call: Call, permission: Permission) -> Key:
        """Refuse: nothing here is signed."""
        raise Refusal(self.not_found(call))

    def failure(self, fault: Fault) -> Answer:
        """Answer with Bybit's own body where it has one, with its proxy's page otherwise."""
        if fault.kind in ("limit", "ban"):
            return Answer(
                {"retCode": 10006, "retMsg": "Too many visits!"}, 429, {"Retry-After": str(int(fault.seconds))}
            )
        return Answer(PAGE.format(f"{fault.status} ERROR"), fault.status)

    def not_found(self, call: Call) -> Answer:
        """Answer as the proxy does."""
        return Answer(PAGE.format("404 Not Found"), 404)

    def success(self, body: Any) -> Any:
        """Return Bybit's envelope."""
        return {"retCode": 0, "retMsg": "OK", "result": body, "retExtInfo": {}, "time": self.now()}


def expiries(exchange: LoopbackBybit) -> list[int]:
    """Return when options expire (ms): at 08:00 UTC."""
    today = exchange.now() // DAY_MS * DAY_MS
    return [today + weeks * 7 * DAY_MS + 8 * 3_600_000 for weeks in WEEKS]


def strikes(quotes: Quotes) -> list[int]:
    """Return the strikes around a market's first price."""
    step = max(int(quotes.prices[0]) // 20, 1)
    return [int(quotes.prices[0]) + number * step for number in STEPS]


def _time(exchange: LoopbackBybit, _call: Call, _key: Key) -> Any:
    return {"timeSecond": str(exchange.now() // 1000), "timeNano": str(exchange.now() * 1_000_000)}


def _instruments(exchange: LoopbackBybit, call: Call, _key: Key) -> Any:
    if call.params.get("category") == "option":
        base = call.params["baseCoin"]
        rows = [_contract(name, base, expiry) for name, expiry, *_ in _contracts(exchange, base)]
        return {"category": "option", "nextPageCursor": "", "list": rows}
    rows = [_describe(quotes.market) for quotes in exchange.book.quotes.values()]
    return {"category": "spot", "nextPageCursor": "", "list": rows}


def _tickers(exchange: LoopbackBybit, call: Call, _key: Key) -> Any:
    if call.params.get("category") == "option":
        found = _contracts(exchange, call.params["baseCoin"])
        return {"category": "option", "list": [_option(exchange, *each) for each in found]}
    rows = [_ticker(quotes, exchange.now()) for quotes in exchange.book.quotes.values()]
    wanted = call.params.get("symbol")
    return {"category": "spot", "list": [row for row in rows if wanted in (None, row["symbol"])]}


def _order_book(exchange: LoopbackBybit, call: Call, _key: Key) -> Any:
    quotes = next(q for q in exchange.book.quotes.values() if q.market.base + q.market.quote == call.params["symbol"])
    tick, levels = quotes.market.price_tick, range(min(int(call.params.get("limit", 1)), 200))
    return {
        "s": call.params["symbol"],
        "b": [[str(quotes.bid - level * tick), "1"] for level in levels],
        "a": [[str(quotes.ask + level * tick), "1"] for level in levels],
        "ts": exchange.now(),
        "u": len(quotes.times),
        "seq": len(quotes.times),
    }


def _describe(market: Market) -> dict[str, Any]:
    return {
        "symbol": market.base + market.quote,
        "baseCoin": market.base,
        "quoteCoin": market.quote,
        "innovation": "0",
        "status": "Trading",
        "marginTrading": "none",
        "lotSizeFilter": {
            "basePrecision": str(market.amount_step),
            "quotePrecision": "0.00000001",
            "minOrderQty": str(market.amount_step),
            "maxOrderQty": str(market.max_amount),
            "minOrderAmt": str(market.min_notional),
            "maxOrderAmt": "4000000",
        },
        "priceFilter": {"tickSize": str(market.price_tick)},
        "riskParameters": {"limitParameter": "0.05", "marketParameter": "0.05"},
    }


def _ticker(quotes: Quotes, now: int) -> dict[str, Any]:
    day = quotes.candle(now - DAY_MS, DAY_MS + 1)
    return {
        **{"symbol": quotes.market.base + quotes.market.quote, "lastPrice": str(day.close)},
        **{"bid1Price": str(quotes.bid), "bid1Size": "1", "ask1Price": str(quotes.ask), "ask1Size": "1"},
        **{"prevPrice24h": str(day.open), "price24hPcnt": f"{day.close / day.open - 1:.4f}"},
        **{"highPrice24h": str(day.high), "lowPrice24h": str(day.low)},
        **{"turnover24h": str(day.volume * day.close), "volume24h": str(day.volume)},
    }


def _contracts(exchange: LoopbackBybit, base: str) -> list[tuple[str, int, int, str]]:
    quotes = exchange.book.quotes.get(f"{base}/USDT")
    if quotes is None or base not in UNDERLYINGS:
        return []
    return [
        (f"{base}-{datetime.fromtimestamp(expiry / 1000, UTC):%-d%b%y}-{strike}-{side}".upper(), expiry, strike, side)
        for expiry in expiries(exchange)
        for strike in strikes(quotes)
        for side in "CP"
    ]


def _contract(name: str, base: str, expiry: int) -> dict[str, Any]:
    return {
        "symbol": name,
        "status": "Trading",
        "baseCoin": base,
        "quoteCoin": "USD",
        "settleCoin": "USDC",
        "optionsType": "Call" if name.endswith("C") else "Put",
        "launchTime": "1688630400000",
        "deliveryTime": str(expiry),
        "deliveryFeeRate": "0.00015",
        "priceFilter": {"minPrice": "5", "maxPrice": "10000000", "tickSize": "5"},
        "lotSizeFilter": {"maxOrderQty": "500", "minOrderQty": "0.01", "qtyStep": "0.01"},
    }


def _option(exchange: LoopbackBybit, name: str, _expiry: int, strike: int, side: str) -> dict[str, Any]:
    spot = exchange.book.quotes[f"{name.partition('-')[0]}/USDT"].price
    worth = max((spot - strike) * (1 if side == "C" else -1), Decimal(0)) + spot / 50
    delta = Decimal("0.5") + (spot - strike) / (4 * spot) - (side == "P")
    far = abs(spot - strike) > spot / 11
    return {
        "symbol": name,
        **{"bid1Price": "0" if far else str(worth - 5), "bid1Size": "0" if far else "7.1"},
        **{"bid1Iv": "0.5478", "ask1Price": str(worth + 5), "ask1Size": "1.98", "ask1Iv": "0.5638"},
        **{"lastPrice": "0", "highPrice24h": "0", "lowPrice24h": "0", "markPrice": str(worth)},
        **{"indexPrice": str(spot), "markIv": "0.5577", "underlyingPrice": str(spot), "openInterest": "19.67"},
        **{"turnover24h": "0", "volume24h": "0", "totalVolume": "22", "totalTurnover": "789305"},
        **{"delta": str(delta), "gamma": "0.00004131", "vega": "69.08651675", "theta": "-24.9443226"},
        **{"predictedDeliveryPrice": "0", "change24h": "0.1"},
    }


if __name__ == "__main__":
    main(LoopbackBybit)
