"""What an exchange tells of a futures account: wallet, positions, incomes and the settings of a market.

The forms are those of Binance's USDⓈ-M API. What cannot be read raises: half of an answer proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from utils.clock import from_ms
from utils.money import ZERO


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """How an account trades a market at the exchange."""

    leverage: Decimal
    isolated: bool


class ToldPosition(msgspec.Struct, frozen=True, kw_only=True):
    """A position as the exchange tells it: `amount` in base units, negative when short, `margin` what it takes.

    `hedged`: it is one of two sides, long and short, that are held apart.
    """

    symbol: str
    amount: Decimal
    entry_price: Decimal | None
    margin: Decimal
    liquidation_price: Decimal | None
    hedged: bool


class Income(msgspec.Struct, frozen=True, kw_only=True):
    """One movement of a wallet. `id` is unique in the account; `trade_id` is that of the fill that led to it."""

    id: str
    kind: str
    symbol: str | None
    currency: str
    amount: Decimal
    trade_id: str | None
    at: datetime


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What one look at an account saw; `free` is what the exchange would let it use, by currency.

    `booked` are the ids of the incomes, and of the fills that they came by, that SQL has.
    """

    wallets: dict[str, Decimal]
    free: dict[str, Decimal]
    positions: dict[str, ToldPosition]
    incomes: list[Income]
    booked: frozenset[str]


Symbol = Callable[[str], str | None]
"""Returns the symbol of a market by the exchange's id of it; None when it is not known."""


def settings_of(row: Any) -> Settings:
    """Return the settings of a market. :raises LookupError: when the answer makes no sense."""
    return Settings(leverage=Decimal(row["leverage"]), isolated=row["marginType"] == "ISOLATED")


def wallets_of(answer: Any) -> tuple[dict[str, Decimal], dict[str, Decimal]]:
    """Return wallet balances and what is free of them. :raises LookupError: when the answer makes no sense."""
    rows = [row for row in answer["assets"] if Decimal(row["walletBalance"])]
    return (
        {row["asset"]: Decimal(row["walletBalance"]) for row in rows},
        {row["asset"]: Decimal(row["availableBalance"]) for row in rows},
    )


def positions_of(answer: Any, symbol: Symbol) -> dict[str, ToldPosition]:
    """Return the open positions. :raises LookupError: when the answer makes no sense. :raises TypeError: likewise."""
    found = {}
    for row in answer:
        name, amount = symbol(row["symbol"]), Decimal(row["positionAmt"])
        if name is not None and amount:
            liquidation = Decimal(row["liquidationPrice"])
            found[name] = ToldPosition(
                symbol=name,
                amount=amount,
                entry_price=Decimal(row["entryPrice"]),
                margin=max(Decimal(row["isolatedWallet"]), ZERO),
                liquidation_price=liquidation if liquidation > 0 else None,
                hedged=row["positionSide"] != "BOTH",
            )
    return found


def income_of(row: Any, symbol: Symbol) -> Income:
    """Return a movement of the wallet. :raises LookupError: when the answer makes no sense."""
    return Income(
        id=f"{row['incomeType']}:{row['tranId']}",
        kind=row["incomeType"],
        symbol=symbol(row["symbol"]) if row.get("symbol") else None,
        currency=row["asset"],
        amount=Decimal(row["income"]),
        trade_id=str(row["tradeId"]) if row.get("tradeId") else None,
        at=from_ms(int(row["time"])),
    )


def fill_key(symbol: str | None, trade_id: str) -> str:
    """Return what stands for a fill among the ids of what is booked."""
    return f"{symbol} {trade_id}"
