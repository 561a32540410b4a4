"""What a loopback exchange's perpetuals are made of: markets, positions and incomes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from tests.exchanges.market import Market

ZERO = Decimal(0)
MAINTENANCE = Decimal("0.005")
CURRENCY = "USDT"
MarginType = Literal["ISOLATED", "CROSSED"]


@dataclass(frozen=True)
class Perpetual(Market):
    """A linear perpetual, settled in what it is quoted in."""

    maker: Decimal = Decimal("0.0002")
    taker: Decimal = Decimal("0.0005")
    max_leverage: int = 125
    funding_hours: int = 8

    @property
    def symbol(self) -> str:
        return f"{self.base}/{self.quote}:{self.quote}"


@dataclass(frozen=True)
class Position:
    """What an account holds of a market: `amount` is negative when short; time in ms."""

    symbol: str
    amount: Decimal = ZERO
    entry: Decimal = ZERO
    margin: Decimal = ZERO
    updated: int = 0

    @property
    def liquidation(self) -> Decimal:
        """The mark at which the margin is used up but for the maintenance; zero without one."""
        if not self.amount:
            return ZERO
        sign = 1 if self.amount > 0 else -1
        size = abs(self.amount)
        price = (self.entry - sign * self.margin / size) / (1 - sign * MAINTENANCE)
        return max(round(price, 2), ZERO)


@dataclass(frozen=True)
class Income:
    """One movement of a wallet; `trade_id` of what came by a trade; time in ms."""

    id: int
    account: str
    kind: str
    symbol: str
    amount: Decimal
    trade_id: int | None
    time: int


def default_perpetuals() -> list[Perpetual]:
    """Return the perpetuals that a loopback exchange has when it is asked for some."""
    return [
        Perpetual("BTC", "USDT", Decimal(50_000), Decimal("0.1"), Decimal("0.001"), max_amount=Decimal(1000)),
        Perpetual("ETH", "USDT", Decimal(3_000), Decimal("0.01"), Decimal("0.001"), max_amount=Decimal(10_000)),
    ]
