"""Instruments of real exchanges, exact: every rule is a Decimal, whatever ccxt made of it."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal
from typing import Any

import ccxt
from msgspec.structs import replace

from utils.money import HUNDRED, ONE, ZERO, told
from utils.wire import Instrument, LeverageTier

DEFAULT_STEP = Decimal("1e-8")
"""What amounts and prices are multiples of where the exchange does not say."""
FUNDING_SECONDS = 28_800
INITIAL_PERCENT, MAINTENANCE_PERCENT = Decimal(5), Decimal("2.5")
"""Shares of a position's value where the exchange does not say. It tells tiers to owners of keys alone; without keys
everybody gets what it says of the market as a whole."""
MOST_COST = Decimal(10_000_000)


def instruments(client: Any) -> list[Instrument]:
    """Return the spot markets of a client whose markets are loaded, those in which nothing can be traded left out."""
    found: Iterable[dict[str, Any]] = client.markets.values()
    return [
        instrument(market, client.id, client.precisionMode)
        for market in found
        if market.get("spot") and market.get("active") is not False
    ]


def perpetuals(client: Any, funding_seconds: dict[str, int]) -> list[Instrument]:
    """Return the linear perpetuals of a client whose markets are loaded.

    :param funding_seconds: of those that are not funded every eight hours.
    """
    return [
        _perpetual(market, client, funding_seconds.get(market["symbol"], FUNDING_SECONDS))
        for market in client.markets.values()
        if market.get("swap") and market.get("linear") and market.get("active") is not False
    ]


def _perpetual(market: dict[str, Any], client: Any, funding_seconds: int) -> Instrument:
    info = market.get("info") or {}
    initial = (_exact(info.get("requiredMarginPercent")) or INITIAL_PERCENT) / HUNDRED
    maintenance = (_exact(info.get("maintMarginPercent")) or MAINTENANCE_PERCENT) / HUNDRED
    most = (ONE / initial).to_integral_value(ROUND_DOWN)
    return replace(
        instrument(market, client.id, client.precisionMode),
        type="swap",
        settle=market["settle"],
        contract_size=_exact(market.get("contractSize")) or ONE,
        linear=True,
        max_leverage=most,
        leverage_tiers=(LeverageTier(max_cost=MOST_COST, max_leverage=most, maintenance_margin_rate=maintenance),),
        index=f"{market['base']}/{market['quote']}",
        funding_seconds=funding_seconds,
    )


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
    try:
        return None if number is None else told(number)
    except ArithmeticError:
        return None  # as an exchange that has no such rule


def _step(precision: Any, mode: int) -> Decimal:
    value = _exact(precision)
    if value is None:
        return DEFAULT_STEP
    if mode == ccxt.DECIMAL_PLACES:
        return Decimal(1).scaleb(-int(value))
    if mode == ccxt.TICK_SIZE and value > 0:
        return value.normalize() if value < 1 else Decimal(format(value.normalize(), "f"))
    return DEFAULT_STEP
