"""Index prices of perpetuals, and the funding rates that keep perpetuals near them."""

from __future__ import annotations

from decimal import Decimal

from engine.markets.source import MarketSource
from utils.errors import NotFound
from utils.money import ZERO
from utils.wire import Instrument

SAMPLES = 8
INTEREST = Decimal("0.0001")
"""What lending the quote currency earns over the base currency in eight hours."""
DAMPER = Decimal("0.0005")
CAP = Decimal("0.0075")
_EIGHT_HOURS = 28_800
_DIGITS = Decimal("1e-8")


def index_price(source: MarketSource, instrument: Instrument, at: float) -> Decimal:
    """Return the price of the spot pair that a perpetual follows. :raises NotFound: when it is no perpetual."""
    if instrument.index is None:
        raise NotFound(f"{instrument.symbol} is no perpetual.", code="not_a_perpetual")
    return source.quote(instrument.index, at).price


def funding_rate(source: MarketSource, instrument: Instrument, at: float) -> Decimal:
    """Return the share of a position's value that longs pay to shorts for the interval that ends at `at`.

    Mean premium of the interval + clamp(interest - premium, ±0.05 %), at most ±0.75 %: the formula of Binance
    (https://www.binance.com/en/support/faq/360033525031), with eight samples of the premium.
    :raises NotFound: when it is no perpetual.
    """
    seconds = instrument.funding_seconds or _EIGHT_HOURS
    premium = ZERO
    for sample in range(SAMPLES):
        moment = at - seconds * sample / SAMPLES
        index = index_price(source, instrument, moment)
        premium += (source.quote(instrument.symbol, moment).price - index) / index / SAMPLES
    interest = INTEREST * seconds / _EIGHT_HOURS
    rate = premium + min(max(interest - premium, -DAMPER), DAMPER)
    return min(max(rate, -CAP), CAP).quantize(_DIGITS)
