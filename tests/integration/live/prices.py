"""Prices of the loopback exchanges, as the engine is shown them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

from tests.manual_market import ManualMarket
from utils import wire

SYMBOL = "BTC/USDT"


class ExchangeMarket(ManualMarket):
    """The prices of another exchange than the demo's."""

    def __init__(self, exchange: str) -> None:
        self.exchange = exchange
        super().__init__()
        self.set_price(SYMBOL, Decimal(50_000))

    def instruments(self) -> list[wire.Instrument]:
        """Return the demo's markets with the rules of the loopback exchanges."""
        rules: dict[str, Any] = {
            **{"exchange": self.exchange, "price_tick": Decimal("0.01"), "amount_step": Decimal("0.00001")},
            **{"min_amount": Decimal("0.00001"), "min_cost": Decimal(5)},
        }
        return [msgspec.structs.replace(each, **rules) for each in super().instruments() if each.symbol == SYMBOL]
