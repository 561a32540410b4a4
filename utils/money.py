"""Exact amounts: every price, amount and fee is a `Decimal` that is written without an exponent."""

from __future__ import annotations

import decimal
from decimal import Decimal

ZERO = Decimal(0)
ONE = Decimal(1)
HUNDRED = Decimal(100)

decimal.getcontext().prec = 60
decimal.DefaultContext.prec = 60
"""Products of an amount (18 digits), a price (18) and a fee rate (6) stay exact, in every thread."""


def plain(value: Decimal) -> str:
    """Write `value` in its shortest form without an exponent: `1E-7` as `0.0000001`, `10.50` as `10.5`."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text


def is_multiple(value: Decimal, step: Decimal) -> bool:
    """Tell whether `value` is a whole number of `step`s."""
    return value % step == 0


def round_down(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `value` (for values ≥ 0)."""
    return value - value % step
