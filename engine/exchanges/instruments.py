"""Instruments of real exchanges, exact: every rule is a Decimal, whatever ccxt made of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

import ccxt

from utils.money import ZERO
from utils.wire import Instrument

DEFAULT_STEP = Decimal("1e-8")
"""What amounts and prices are multiples of where the exchange does not say."""


def instruments(client: Any) -> list[Instrument]:
    """Return the spot markets of a client whose markets are loaded, those in which nothing can be traded left out."""
    found: Iterable[dict[str, Any]] = client.markets.values()
    return [
        instrument(market, client.id, client.precisionMode)
        for market in found
        if market.get("spot") and market.get("active") is not False
    ]


def instrument(market: dict[str, Any], exchange: str, precision_mode: int) -> Instrument:
    """Return ccxt's `market` as our instrument."""
    limits = market.get("limits") or {}
    amounts, costs = limits.get("amount") or {}, limits.get("cost") or {}
    step = _step(market["precision"].get("amount"), precision_mode)
    return Instrument(
        symbol=market["symbol"],
        exchange=exchange,
        type="spot",
        base=market["base"],
        quote=market["quote"],
        price_tick=_step(market["precision"].get("price"), precision_mode),
        amount_step=step,
        min_amount=_exact(amounts.get("min")) or step,
        max_amount=_exact(amounts.get("max")) or None,
        min_cost=_exact(costs.get("min")) or ZERO,
        maker_fee=_exact(market.get("maker")) or ZERO,
        taker_fee=_exact(market.get("taker")) or ZERO,
    )


def _exact(number: Any) -> Decimal | None:
    # the shortest text of a float is the number that the exchange wrote
    return None if number is None else Decimal(str(number))


def _step(precision: Any, mode: int) -> Decimal:
    value = _exact(precision)
    if value is None:
        return DEFAULT_STEP
    if mode == ccxt.DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    if mode == ccxt.TICK_SIZE and value > 0:
        return value.normalize() if value < 1 else Decimal(format(value.normalize(), "f"))
    return DEFAULT_STEP
