"""Markets and what is read of them in the forms that ccxt has for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any

import ccxt

from utils.clock import to_ms
from utils.wire import Candle, Instrument, Level, MarketTrade, OrderBook


def moment_form(moment: datetime) -> dict[str, Any]:
    """Return a moment as epoch milliseconds and as text."""
    timestamp = to_ms(moment)
    return {"timestamp": timestamp, "datetime": ccxt.Exchange.iso8601(timestamp)}


def candles_form(candles: Iterable[Candle]) -> list[list[float]]:
    """Return opening times (epoch milliseconds), opens, highs, lows, closes and volumes."""
    return [[c.timestamp, float(c.open), float(c.high), float(c.low), float(c.close), float(c.volume)] for c in candles]


def book_form(symbol: str, book: OrderBook) -> dict[str, Any]:
    """Return ccxt's form of the best offers."""
    moment = moment_form(book.as_of)
    return {
        "symbol": symbol,
        "bids": _levels(book.bids),
        "asks": _levels(book.asks),
        "nonce": moment["timestamp"],
        **moment,
    }


def market_trade_form(symbol: str, trade: MarketTrade) -> dict[str, Any]:
    """Return a trade of anybody as ccxt's `safe_trade` takes it."""
    return {
        "id": trade.id,
        "symbol": symbol,
        "side": trade.side,
        "price": str(trade.price),
        "amount": str(trade.amount),
        "info": {},
        **moment_form(trade.created_at),
    }


def market_form(instrument: Instrument) -> dict[str, Any]:
    """Return ccxt's form of an instrument; `info` keeps the fee rates as text, for exact fees."""
    base, quote, tick = instrument.base, instrument.quote, float(instrument.price_tick)
    tiers = instrument.leverage_tiers
    most, swap = instrument.max_amount, instrument.type == "swap"
    return {
        "id": f"{base}{quote}-PERP" if swap else base + quote,
        "symbol": instrument.symbol,
        "base": base,
        "quote": quote,
        "baseId": base,
        "quoteId": quote,
        "settle": instrument.settle,
        "settleId": instrument.settle,
        "type": instrument.type,
        "spot": not swap,
        "margin": False,
        "swap": swap,
        "future": False,
        "option": False,
        "contract": swap,
        "contractSize": float_form(instrument.contract_size),
        "linear": instrument.linear,
        "inverse": None if instrument.linear is None else not instrument.linear,
        "active": True,
        "taker": float(instrument.taker_fee),
        "maker": float(instrument.maker_fee),
        "precision": {"amount": float(instrument.amount_step), "price": tick},
        "limits": {
            "amount": {"min": float(instrument.min_amount), "max": None if most is None else float(most)},
            "price": {"min": tick, "max": None},
            "cost": {"min": float(instrument.min_cost), "max": None},
            "leverage": {"min": 1.0 if swap else None, "max": float_form(instrument.max_leverage)},
        },
        "info": {
            "taker": str(instrument.taker_fee),
            "maker": str(instrument.maker_fee),
            "maintenance_margin_rate": str(tiers[0].maintenance_margin_rate) if tiers else None,
        },
    }


def float_form(number: Decimal | None) -> float | None:
    """Return a number as ccxt has it."""
    return None if number is None else float(number)


def _levels(levels: tuple[Level, ...]) -> list[list[float]]:
    return [[float(level.price), float(level.amount)] for level in levels]
