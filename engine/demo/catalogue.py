"""The markets the demo exchange makes up: their rules and their temper."""

from __future__ import annotations

from decimal import Decimal

import msgspec

from engine.demo.source import EXCHANGE
from utils.wire import Instrument

FEE = Decimal("0.001")
CROSS = ("ETH/BTC", "ETH/USDT", "BTC/USDT")
"""A market whose price is the ratio of two others, so that no round trip through the three beats the fees."""


class Market(msgspec.Struct, frozen=True):
    """An instrument with what its made-up prices need.

    `price` is where it stands at the epoch, `volatility` the standard deviation of a day's log return,
    `volume` the base units of a usual day.
    """

    instrument: Instrument
    price: float
    volatility: float
    volume: float


def _market(
    symbol: str,
    price: float,
    volatility: float,
    volume: float,
    *,
    tick: str,
    step: str,
    most: str,
    min_cost: str = "5",
) -> Market:
    base, quote = symbol.split("/")
    instrument = Instrument(
        symbol=symbol,
        exchange=EXCHANGE,
        type="spot",
        base=base,
        quote=quote,
        price_tick=Decimal(tick),
        amount_step=Decimal(step),
        min_amount=Decimal(step),
        max_amount=Decimal(most),
        min_cost=Decimal(min_cost),
        maker_fee=FEE,
        taker_fee=FEE,
    )
    return Market(instrument, price, volatility, volume)


MARKETS: dict[str, Market] = {
    market.instrument.symbol: market
    for market in (
        _market("BTC/USDT", 67_000, 0.022, 25_000, tick="0.01", step="0.00001", most="9000"),
        _market("ETH/USDT", 3_200, 0.028, 350_000, tick="0.01", step="0.0001", most="9000"),
        _market("SOL/USDT", 150, 0.038, 4_000_000, tick="0.01", step="0.001", most="90000"),
        _market("BNB/USDT", 600, 0.024, 300_000, tick="0.01", step="0.001", most="90000"),
        _market("XRP/USDT", 0.6, 0.034, 400_000_000, tick="0.0001", step="0.1", most="9000000"),
        _market("ADA/USDT", 0.45, 0.036, 150_000_000, tick="0.0001", step="0.1", most="9000000"),
        _market("DOGE/USDT", 0.15, 0.042, 1_200_000_000, tick="0.00001", step="1", most="90000000"),
        _market("LTC/USDT", 85, 0.03, 500_000, tick="0.01", step="0.001", most="90000"),
        _market("ETH/BTC", 0.04776, 0.02, 15_000, tick="0.00001", step="0.0001", most="9000", min_cost="0.0001"),
    )
}
