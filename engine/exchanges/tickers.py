"""ccxt's tickers, exact."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from utils.money import ZERO, told
from utils.wire import Instrument, Ticker

DOLLARS = ("USDT", "USDC", "USD", "FDUSD")


def ticker_of(symbol: str, exchange: str, found: dict[str, Any], now: float) -> Ticker | None:
    """Return what a market's ticker tells, dated with `now` (Unix seconds); None when nobody has traded it yet."""
    last = exact(found.get("last") or found.get("close"))
    if last <= 0:
        return None
    bid, ask = exact(found.get("bid")) or last, exact(found.get("ask")) or last
    return Ticker(
        symbol=symbol,
        exchange=exchange,
        last=last,
        bid=min(bid, ask),
        ask=max(bid, ask),
        high=exact(found.get("high")) or last,
        low=exact(found.get("low")) or last,
        volume=exact(found.get("baseVolume")),
        change_percent=exact(found.get("percentage")),
        as_of=datetime.fromtimestamp(now, UTC),
        stale=False,
    )


def turnover(market: Instrument, tickers: dict[str, Any]) -> Decimal:
    """Return what was traded of a market in a day, in dollars as far as the tickers tell."""
    price = 1 if market.quote in DOLLARS else (tickers.get(f"{market.quote}/USDT") or {}).get("last")
    return exact((tickers.get(market.symbol) or {}).get("quoteVolume")) * exact(price)


def exact(number: Any) -> Decimal:
    """Return a number of ccxt; zero for none, and for one that makes no sense: a market without a price is left out."""
    try:
        return ZERO if number is None else told(number)
    except ArithmeticError:
        return ZERO
