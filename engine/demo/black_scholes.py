"""Prices and sensitivities of European options, and a smile for them.

The formula is that of F. Black and M. Scholes, "The Pricing of Options and Corporate Liabilities", Journal of Political
Economy 81 (1973), for an underlying that pays nothing. The smile is the SSVI surface of J. Gatheral and A. Jacquier,
"Arbitrage-free SVI volatility surfaces", Quantitative Finance 14 (2014), with the power law of its section 4; as long
as `STEEPNESS * (1 + |SKEW|) <= 2` no butterfly and no calendar spread on it can be had for nothing.
"""

from __future__ import annotations

from math import erf, exp, log, pi, sqrt
from typing import NamedTuple

from utils.wire import OptionType

YEAR = 365 * 86_400.0
"""Seconds: nothing ever closes here."""
SKEW = -0.3
STEEPNESS = 1.2


class Valued(NamedTuple):
    """The value of an option and how it changes: with the underlying (`delta`, `gamma`), a day of time (`theta`), one
    percentage point of volatility (`vega`) and of interest (`rho`).
    """

    price: float
    delta: float
    gamma: float
    theta: float
    vega: float
    rho: float


def value(
    kind: OptionType, spot: float, strike: float, years: float, volatility: float, *, rate: float = 0.0
) -> Valued:
    """Return the value of an option on one unit.

    :param years: until the expiry, above zero.
    :param volatility: a year's standard deviation of the log return, above zero.
    :param rate: continuously compounded interest of a year.
    """
    sign = 1 if kind == "call" else -1
    deviation = volatility * sqrt(years)
    d1 = (log(spot / strike) + rate * years) / deviation + deviation / 2
    d2 = d1 - deviation
    paid = strike * exp(-rate * years)
    share, likely = _normal(sign * d1), _normal(sign * d2)
    density = exp(-d1 * d1 / 2) / sqrt(2 * pi)
    decay = -spot * density * volatility / (2 * sqrt(years)) - sign * rate * paid * likely
    return Valued(
        price=sign * (spot * share - paid * likely),
        delta=sign * share,
        gamma=density / (spot * deviation),
        theta=decay / 365,
        vega=spot * density * sqrt(years) / 100,
        rho=sign * years * paid * likely / 100,
    )


def smile(log_moneyness: float, years: float, volatility: float) -> float:
    """Return the implied volatility of a strike.

    :param log_moneyness: the logarithm of strike over forward price.
    :param volatility: that of a strike at the forward price.
    """
    total = volatility * volatility * years
    curve = STEEPNESS / sqrt(total * (1 + total))
    bent = curve * log_moneyness
    return sqrt(total / 2 * (1 + SKEW * bent + sqrt((bent + SKEW) ** 2 + 1 - SKEW * SKEW)) / years)


def _normal(x: float) -> float:
    """Return the probability that a standard normal number is below `x`."""
    return (1 + erf(x / sqrt(2))) / 2
