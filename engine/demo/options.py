"""The options of the demo exchange: which there are at a moment, and what they are worth.

Options expire on Fridays at 08:00 UTC. Those of the last Friday of a month are listed 26 weeks before, the others four.
The strikes of an expiry follow from the price at its listing, and stay. Interest is zero, so the forward price is the
spot price.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from math import exp, floor, log, log10, sqrt
from typing import Any

import msgspec

from engine.demo import noise
from engine.demo.black_scholes import YEAR, Valued, smile, value
from engine.demo.catalogue import Market
from engine.demo.noise import Purpose
from utils.wire import OptionExpiry, OptionQuote, OptionStrike, OptionType

UNDERLYINGS = ("BTC/USDT", "ETH/USDT", "SOL/USDT")
WEEK_SECONDS = 7 * 86_400
WEEKS_LISTED, MONTHS_LISTED = 4, 26
"""How many weeks before its expiry an option is listed: a usual one, one of the last Friday of a month."""
WIDTH = 2.5
"""How many deviations the strikes reach to either side."""
STEPS = 5
"""How many strikes there are about in one deviation."""
HALF_SPREAD = 0.5
"""In percentage points of volatility."""
INTEREST = 0.02
"""The open interest of a strike at the money, as a share of a day's volume."""
_FIRST_FRIDAY = 86_400 + 8 * 3600
_SIDES: tuple[OptionType, ...] = ("call", "put")
_GREEK_DIGITS = Decimal("1e-8")
_VOLATILITY_DIGITS = Decimal("1e-6")


class Terms(msgspec.Struct, frozen=True):
    """An expiry and its listing (Unix seconds), the price then, the strikes, ascending, and the deviation of the log
    price until the expiry that they were chosen by.
    """

    expiry: int
    listed_at: int
    price: float
    strikes: tuple[Decimal, ...]
    deviation: float


def expiries(at: float) -> list[tuple[int, int]]:
    """Return expiry and listing (Unix seconds) of everything that is listed at `at`, ascending."""
    friday = _FIRST_FRIDAY + (floor((at - _FIRST_FRIDAY) / WEEK_SECONDS) + 1) * WEEK_SECONDS
    listed = []
    for week in range(MONTHS_LISTED + 1):
        expiry = friday + week * WEEK_SECONDS
        day = datetime.fromtimestamp(expiry, UTC)
        is_last = (day + timedelta(weeks=1)).month != day.month
        listed_at = expiry - (MONTHS_LISTED if is_last else WEEKS_LISTED) * WEEK_SECONDS
        if listed_at <= at:
            listed.append((expiry, listed_at))
    return listed


def terms(market: Market, expiry: int, listed_at: int, price: float) -> Terms:
    """Return the strikes that are listed when the underlying stands at `price`."""
    deviation = yearly(market) * sqrt((expiry - listed_at) / YEAR)
    step = _round(price * deviation / STEPS)
    low, high = (price * exp(side * WIDTH * deviation) for side in (-1, 1))
    numbers = range(max(floor(Decimal(low) / step), 1), floor(Decimal(high) / step) + 2)
    return Terms(expiry, listed_at, price, tuple(number * step for number in numbers), deviation)


def quoted(market: Market, listed: Terms, chance: noise.Key, spot: Decimal, at: float) -> OptionExpiry:
    """Return the options of an expiry as they are quoted while the underlying stands at `spot`."""
    years = (listed.expiry - at) / YEAR
    words = noise.bits(chance, Purpose.INTEREST, listed.expiry // 86_400, 2 * len(listed.strikes))
    # it grows day by day, so that it is the same for all who ask on one
    grown = (at // 86_400 - listed.listed_at // 86_400 + 1) / ((listed.expiry - listed.listed_at) // 86_400 + 1)
    shares = iter((0.5 + noise.uniform(words)).tolist())
    strikes = []
    for strike in listed.strikes:
        volatility = smile(log(float(strike / spot)), years, yearly(market))
        away = log(float(strike) / listed.price) / listed.deviation
        near = INTEREST * market.volume * grown * exp(-away * away)
        sides: dict[str, OptionQuote] = {}
        for kind in _SIDES:
            found = value(kind, float(spot), float(strike), years, volatility)
            name = _name(market, listed.expiry, strike, kind)
            sides[kind] = _quote(market, name, found, volatility, near * next(shares))
        strikes.append(OptionStrike(strike=strike, **sides))
    return OptionExpiry(expiry=datetime.fromtimestamp(listed.expiry, UTC), underlying_price=spot, strikes=strikes)


def yearly(market: Market) -> float:
    """Return the volatility of a year, as a fraction."""
    return market.volatility * sqrt(365)


def price_tick(market: Market) -> Decimal:
    """Return what the prices of options are multiples of: about a hundred-thousandth of the underlying's."""
    return Decimal(1).scaleb(floor(log10(market.price)) - 5)


def _name(market: Market, expiry: int, strike: Decimal, kind: OptionType) -> str:
    day, quote = datetime.fromtimestamp(expiry, UTC), market.instrument.quote
    return f"{market.instrument.symbol}:{quote}-{day:%y%m%d}-{strike:f}-{kind[0].upper()}"


def _quote(market: Market, name: str, found: Valued, volatility: float, interest: float) -> OptionQuote:
    tick = price_tick(market)
    half = max(found.vega * HALF_SPREAD, float(tick))
    bid, ask = _whole(found.price - half, tick, ROUND_FLOOR), _whole(found.price + half, tick, ROUND_CEILING)
    return OptionQuote(
        symbol=name,
        bid=bid if bid > 0 else None,
        ask=ask,
        mark=_digits(found.price, tick / 100),
        implied_volatility=_digits(volatility, _VOLATILITY_DIGITS),
        delta=_digits(found.delta, _GREEK_DIGITS),
        gamma=_digits(found.gamma, _GREEK_DIGITS),
        theta=_digits(found.theta, _GREEK_DIGITS),
        vega=_digits(found.vega, _GREEK_DIGITS),
        rho=_digits(found.rho, _GREEK_DIGITS),
        open_interest=_digits(interest, market.instrument.amount_step),
    )


def _whole(price: float, tick: Decimal, rounding: Any) -> Decimal:
    return (Decimal(price) / tick).to_integral_value(rounding) * tick


def _digits(number: float, unit: Decimal) -> Decimal:
    return Decimal(number).quantize(unit)


def _round(step: float) -> Decimal:
    """Return the number nearest to `step` that is 1, 2 or 5 times a power of ten."""
    power = floor(log10(step))
    lead = min((1, 2, 5, 10), key=lambda each: abs(each - step / 10**power))
    return lead * Decimal(1).scaleb(power)
