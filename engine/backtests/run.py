"""The description of a backtest to play."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from utils.wire import Instrument


class Backtest(msgspec.Struct, frozen=True, kw_only=True):
    """One strategy on recorded candles; the first currency of the portfolio's is what the symbols are paid in.

    Trading begins when `past` candles have closed. `fee` is a share of each trade's cost; the market's own for None.
    `rules` are those of the markets where the strategy would trade, as far as they are not the recordings' own.
    """

    strategy_class: str
    settings: dict[str, Any]
    symbols: list[str]
    portfolio: dict[str, Decimal]
    fee: Decimal | None
    past: int
    rules: list[Instrument] = []
