"""A position in a linear perpetual as a value: what fills, funding and leverage make of it.

One position per market (a sale reduces a long position, then opens a short one), with isolated margin: what it can lose
is the margin that is locked for it.
"""

from __future__ import annotations

from datetime import datetime
from decimal import ROUND_HALF_EVEN, ROUND_UP, Decimal
from typing import Any

import msgspec
from msgspec.structs import replace

from engine.markets.source import funding_moments
from utils import wire
from utils.money import ZERO, round_down
from utils.wire import Instrument, LeverageTier, Side

DEFAULT_LEVERAGE = Decimal(5)
ENTRY_DIGITS = Decimal("1e-18")
"""Average entry prices do not end; they are kept to this."""
MARGIN_DIGITS = Decimal("1e-8")
"""Margins are rounded up to this."""


class Position(msgspec.Struct, frozen=True, kw_only=True):
    """A position: `amount` in base units (negative when short), `margin` what is locked for it.

    `realized_pnl` is what it gained since it was opened, after fees, and `funding` what it got (or paid) since then.
    Without a position (`amount` 0) both tell of the last one, and `leverage` is kept for the next.
    """

    symbol: str
    leverage: Decimal
    amount: Decimal = ZERO
    entry_price: Decimal | None = None
    margin: Decimal = ZERO
    realized_pnl: Decimal = ZERO
    funding: Decimal = ZERO
    opened_at: datetime | None = None
    funded_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def side(self) -> Side | None:
        """Return the side that opened the position; None when there is none."""
        if not self.amount:
            return None
        return "buy" if self.amount > 0 else "sell"

    def reduces(self, side: Side) -> bool:
        """Tell whether an order of `side` would make the position smaller."""
        return self.side is not None and self.side != side

    def unrealized_pnl(self, mark: Decimal) -> Decimal:
        """Return what closing at `mark` would gain, before the fee."""
        return self.amount * (mark - self.entry_price) if self.entry_price is not None else ZERO

    def filled(self, side: Side, amount: Decimal, price: Decimal, fee: Decimal, at: datetime) -> Position:
        """Return what a fill makes of the position; the gain it realises is in `realized_pnl`, after the fee."""
        signed = amount if side == "buy" else -amount
        gain = self.gain(side, amount, price) - fee
        after = self.amount + signed
        if not self.reduces(side):
            opened = self if self.amount else replace(self, realized_pnl=ZERO, funding=ZERO, opened_at=at, funded_at=at)
            return replace(
                opened,
                amount=after,
                entry_price=self._average(signed, price),
                margin=self.margin + initial_margin(amount, price, self.leverage),
                realized_pnl=opened.realized_pnl + gain,
                updated_at=at,
            )
        if not after:
            return Position(
                symbol=self.symbol,
                leverage=self.leverage,
                realized_pnl=self.realized_pnl + gain,
                funding=self.funding,
                updated_at=at,
            )
        if (after > 0) == (self.amount > 0):
            kept = (self.margin * after / self.amount).quantize(MARGIN_DIGITS, ROUND_UP)
            return replace(self, amount=after, margin=kept, realized_pnl=self.realized_pnl + gain, updated_at=at)
        return Position(
            symbol=self.symbol,
            leverage=self.leverage,
            amount=after,
            entry_price=price,
            margin=initial_margin(abs(after), price, self.leverage),
            opened_at=at,
            funded_at=at,
            updated_at=at,
        )

    def gain(self, side: Side, amount: Decimal, price: Decimal) -> Decimal:
        """Return what a fill realises, before the fee: of the part that it closes."""
        if not self.reduces(side) or self.entry_price is None:
            return ZERO
        closed = min(amount, abs(self.amount))
        return closed * (price - self.entry_price) * (1 if self.amount > 0 else -1)

    def is_due(self, market: Instrument, now: datetime) -> bool:
        """Tell whether a funding time has come since the last one that was booked."""
        return self.funded_at is not None and bool(funding_moments(market, self.funded_at, now))

    def funded(self, payment: Decimal, from_margin: Decimal, at: datetime) -> Position:
        """Return the position after it got `payment` (or paid it), `from_margin` of which its margin had to bear."""
        return replace(
            self, funding=self.funding + payment, margin=self.margin - from_margin, funded_at=at, updated_at=at
        )

    def leveraged(self, leverage: Decimal, at: datetime) -> Position:
        """Return the position with another leverage, its margin recomputed from the entry price."""
        margin = initial_margin(abs(self.amount), self.entry_price or ZERO, leverage)
        return replace(self, leverage=leverage, margin=margin, updated_at=at)

    def liquidation_price(self, market: Instrument) -> Decimal | None:
        """Return the price at which what is left of the margin is the maintenance margin; None without one.

        Entry price ∓ (margin - maintenance margin) / amount, the maintenance margin being a share of the value at the
        entry price: Bybit's formula for isolated margin, which OctoBot has too. Rounded towards the entry price.
        """
        if self.entry_price is None:
            return None
        size = abs(self.amount)
        maintenance = size * self.entry_price * tier_of(market, size * self.entry_price).maintenance_margin_rate
        distance = (self.margin - maintenance) / size
        if self.amount > 0:
            price = -round_down_signed(-(self.entry_price - distance), market.price_tick)
        else:
            price = round_down_signed(self.entry_price + distance, market.price_tick)
        return price if price > 0 else None

    def is_lost(self, market: Instrument, mark: Decimal) -> bool:
        """Tell whether `mark` has reached the liquidation price."""
        price = self.liquidation_price(market)
        if price is None:
            return False
        return mark <= price if self.amount > 0 else mark >= price

    def row(self, account: str, market: Instrument, at: datetime) -> dict[str, Any]:
        """Return the columns of the position."""
        return {
            "account_id": account,
            "symbol": self.symbol,
            "amount": self.amount,
            "entry_price": self.entry_price,
            "leverage": self.leverage,
            "margin": self.margin,
            "liquidation_price": self.liquidation_price(market),
            "realized_pnl": self.realized_pnl,
            "funding": self.funding,
            "opened_at": self.opened_at,
            "funded_at": self.funded_at,
            "updated_at": self.updated_at or at,
        }

    def message(self, account: str, market: Instrument, mark: Decimal | None) -> wire.Position:
        """Return the form that the owner is told, valued at `mark`."""
        return wire.Position(
            account=account,
            symbol=self.symbol,
            side="long" if self.amount >= 0 else "short",
            amount=abs(self.amount),
            entry_price=self.entry_price,
            mark_price=mark,
            unrealized_pnl=None if mark is None else self.unrealized_pnl(mark),
            leverage=self.leverage,
            margin=self.margin,
            liquidation_price=self.liquidation_price(market),
            realized_pnl=self.realized_pnl,
            funding=self.funding,
        )

    def _average(self, signed: Decimal, price: Decimal) -> Decimal:
        if self.entry_price is None:
            return price
        return average_entry(self.amount, self.entry_price, signed, price)


def average_entry(amount: Decimal, entry: Decimal, added: Decimal, price: Decimal) -> Decimal:
    """Return the average entry price after `added` units at `price` joined `amount` units."""
    return ((amount * entry + added * price) / (amount + added)).quantize(ENTRY_DIGITS, ROUND_HALF_EVEN)


def initial_margin(amount: Decimal, price: Decimal, leverage: Decimal) -> Decimal:
    """Return what opening `amount` units at `price` locks."""
    return (amount * price / leverage).quantize(MARGIN_DIGITS, ROUND_UP)


def tier_of(market: Instrument, cost: Decimal) -> LeverageTier:
    """Return the tier of a position worth `cost`; beyond all of them, the last one."""
    return next((tier for tier in market.leverage_tiers if cost <= tier.max_cost), market.leverage_tiers[-1])


def round_down_signed(value: Decimal, step: Decimal) -> Decimal:
    """Return the largest multiple of `step` that is not above `value`, also of a negative one."""
    down = round_down(value, step)
    return down - step if down > value else down
