"""The markets that the demo exchange makes up: their rules and their volatility."""

from __future__ import annotations

from decimal import ROUND_UP, Decimal

import msgspec
from msgspec.structs import replace

from config import DEMO
from utils.wire import Instrument, LeverageTier

FEE = Decimal("0.001")
PERPETUAL_MAKER_FEE = Decimal("0.0002")
PERPETUAL_TAKER_FEE = Decimal("0.0005")
FUNDING_SECONDS = 28_800
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
        exchange=DEMO,
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


def _perpetual(index: str, volume: float, *, tick: str, step: str, most: str, leverage: int) -> Market:
    """Return the linear perpetual that follows the spot pair `index`, settled in its quote currency."""
    base, quote = index.split("/")
    instrument = Instrument(
        symbol=f"{index}:{quote}",
        exchange=DEMO,
        type="swap",
        base=base,
        quote=quote,
        price_tick=Decimal(tick),
        amount_step=Decimal(step),
        min_amount=Decimal(step),
        max_amount=Decimal(most),
        min_cost=Decimal(5),
        maker_fee=PERPETUAL_MAKER_FEE,
        taker_fee=PERPETUAL_TAKER_FEE,
        settle=quote,
        contract_size=Decimal(1),
        linear=True,
        max_leverage=Decimal(leverage),
        leverage_tiers=_tiers(leverage),
        index=index,
        funding_seconds=FUNDING_SECONDS,
    )
    return Market(instrument, 0.0, 0.0, volume)


def _tiers(leverage: int) -> tuple[LeverageTier, ...]:
    """Return tiers whose maintenance margin is half of the initial margin at the highest leverage."""
    steps = ((250_000, 1), (1_000_000, 2), (5_000_000, 5), (50_000_000, 10))
    tiers = ((Decimal(most), Decimal(max(leverage // divisor, 1))) for most, divisor in steps)
    return tuple(
        LeverageTier(max_cost=most, max_leverage=highest, maintenance_margin_rate=_maintenance(highest))
        for most, highest in tiers
    )


def _maintenance(leverage: Decimal) -> Decimal:
    return (1 / (2 * leverage)).quantize(Decimal("0.0001"), ROUND_UP)


def _inverse() -> Market:
    """Return the one inverse perpetual: listed, so that a client sees that it cannot be traded."""
    linear = _perpetual("BTC/USDT", 10_000_000, tick="0.1", step="1", most="1000000", leverage=50)
    names = {"symbol": "BTC/USD:BTC", "quote": "USD", "settle": "BTC", "linear": False}
    return replace(linear, instrument=replace(linear.instrument, **names))


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
        _perpetual("BTC/USDT", 60_000, tick="0.1", step="0.001", most="1000", leverage=100),
        _perpetual("ETH/USDT", 800_000, tick="0.01", step="0.001", most="10000", leverage=100),
        _perpetual("SOL/USDT", 9_000_000, tick="0.01", step="0.1", most="100000", leverage=50),
        _perpetual("BNB/USDT", 700_000, tick="0.01", step="0.01", most="20000", leverage=50),
        _perpetual("XRP/USDT", 900_000_000, tick="0.0001", step="1", most="5000000", leverage=50),
        _perpetual("DOGE/USDT", 2_500_000_000, tick="0.00001", step="1", most="20000000", leverage=25),
        _inverse(),
    )
}
