"""A position that is held at an exchange: moved by our fills at once, and corrected by what the exchange tells."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.futures.position import DEFAULT_LEVERAGE, Position
from engine.live.futures.told import ToldPosition
from utils.money import ZERO
from utils.wire import Instrument, LeverageTier, Side

MOST_LEVERAGE = Decimal(125)
_UNBOUNDED = LeverageTier(max_cost=Decimal("1e15"), max_leverage=MOST_LEVERAGE, maintenance_margin_rate=ZERO)


class HeldPosition(Position, frozen=True, kw_only=True):
    """A position with the liquidation price that the exchange told last; None until it tells."""

    told_liquidation: Decimal | None = None

    def liquidation_price(self, market: Instrument) -> Decimal | None:  # noqa: ARG002
        """Return the exchange's liquidation price."""
        return self.told_liquidation

    def after(self, side: Side, amount: Decimal, price: Decimal, gain: Decimal, at: datetime) -> HeldPosition:
        """Return what a fill makes of the position; `gain` is what it realised by the exchange's word, less the fee."""
        moved = self.filled(side, amount, price, ZERO, at)
        so_far = self.realized_pnl if self.amount else ZERO
        fields = {name: getattr(moved, name) for name in Position.__struct_fields__}
        return HeldPosition(**{**fields, "realized_pnl": so_far + gain})

    def as_told(self, told: ToldPosition | None, at: datetime) -> HeldPosition:
        """Return the position as the exchange tells it; None: there is none. The same one when nothing differs."""
        if told is None:
            if not self.amount:
                return self
            gone: dict[str, Any] = dict.fromkeys(("entry_price", "opened_at", "told_liquidation"))
            return replace(self, amount=ZERO, margin=ZERO, updated_at=at, **gone)
        turned = self.amount * told.amount <= 0
        changed = replace(
            self,
            amount=told.amount,
            entry_price=told.entry_price,
            margin=told.margin,
            told_liquidation=told.liquidation_price,
            opened_at=at if turned or self.opened_at is None else self.opened_at,
            realized_pnl=ZERO if turned else self.realized_pnl,
            funding=ZERO if turned else self.funding,
        )
        return self if changed == self else replace(changed, updated_at=at)


def stored(rows: list[dict[str, Any]], markets: dict[str, Instrument]) -> dict[str, HeldPosition]:
    """Return the position in every market, as SQL has it or as it is before the first order."""
    fields = Position.__struct_fields__
    known = {
        row["symbol"]: HeldPosition(**{name: row[name] for name in fields}, told_liquidation=row["liquidation_price"])
        for row in rows
    }
    return {symbol: known.get(symbol) or HeldPosition(symbol=symbol, leverage=DEFAULT_LEVERAGE) for symbol in markets}


def unbounded(markets: dict[str, Instrument]) -> dict[str, Instrument]:
    """Return the markets without limits on leverage and size: those of an account are for its exchange to tell."""
    limits: dict[str, Any] = {"max_leverage": MOST_LEVERAGE, "leverage_tiers": (_UNBOUNDED,)}
    return {symbol: msgspec.structs.replace(market, **limits) for symbol, market in markets.items()}
