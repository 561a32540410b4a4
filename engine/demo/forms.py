"""The demo exchange's markets and offers in the forms that ccxt has for them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from utils.wire import Instrument, Level


def levels_form(levels: tuple[Level, ...]) -> list[list[float]]:
    """Return prices and amounts."""
    return [[float(level.price), float(level.amount)] for level in levels]


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
