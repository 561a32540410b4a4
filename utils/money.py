"""Exact amounts: every price, amount and fee is a `Decimal` that is written without an exponent."""

from __future__ import annotations

import decimal
from collections.abc import Sequence
from decimal import Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)
PLACES = Decimal("0.0001")
MOST_DIGITS = 60
"""Before or after the point, of what exchanges tell."""
TOLD_DIGITS = 12
"""More than any price has; the rest of a quotient is noise."""

_TOLD = decimal.Context(prec=TOLD_DIGITS, rounding=decimal.ROUND_HALF_EVEN)

decimal.getcontext().prec = 60
decimal.DefaultContext.prec = 60
"""Products of an amount (18 digits), a price (18) and a fee rate (6) stay exact, in every thread."""


def plain(value: Decimal) -> str:
    """Write `value` in its shortest form without an exponent: `1E-7` as `0.0000001`, `10.50` as `10.5`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def told(number: object) -> Decimal:
    """Return a number that an exchange tells; of a float, the shortest text is what was written.

    :raises ArithmeticError: it is none, not finite, or of so many digits that writing it would take all memory.
    """
    value = Decimal(str(number))
    if not value.is_finite() or abs(value.adjusted()) > MOST_DIGITS:
        raise ArithmeticError("a number that makes no sense")
    return value


def rounded(value: Decimal) -> Decimal:
    """Return a derived figure, such as an average price, to `TOLD_DIGITS` digits: for telling it, never for booking."""
    return _TOLD.plus(value)


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether `value` is a whole number of `step`s."""
    return value % step == 0


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `value` (for values ≥ 0)."""
    return value - value % step


def percent(share: Decimal) -> Decimal:
    """Return a share in percent, to four places."""
    return (share * HUNDRED).quantize(PLACES)


def apportioned(total: Decimal, weights: Sequence[Decimal], step: Decimal) -> list[Decimal]:
    """Return `total`, which is a whole number of `step`s, in parts as large as `weights` are, to the step.

    The parts sum to `total` exactly. Largest remainder (A. Hamilton, 1792): all are rounded down, and what is left
    goes to those that lost most, the first ones where they lost the same. Nobody gets anything for weights of nothing.
    """
    # in whole numbers: a quotient that does not end would decide ties by its last digit
    exponent = min([0, *(int(weight.as_tuple().exponent) for weight in weights)])
    whole = [int(weight.scaleb(-exponent)) for weight in weights]
    sum_of_weights, steps = sum(whole), int(total / step)
    if sum_of_weights <= 0:
        return [ZERO for _ in weights]
    parts = [steps * weight // sum_of_weights for weight in whole]
    lost = [steps * weight % sum_of_weights for weight in whole]
    for place in sorted(range(len(parts)), key=lambda one: -lost[one])[: steps - sum(parts)]:
        parts[place] += 1
    return [part * step for part in parts]
