"""What was paid for what is given away: average cost as the engine computes it, and first in, first out per lot.

An account's books are replayed from its first entry. A fee in either currency of a trade belongs to that side: it makes
a purchase dearer and a sale's proceeds smaller. A fee in a third currency counts at its value, once: it makes what is
bought with the reference currency dearer, and the proceeds of everything else smaller.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import ROUND_DOWN, Decimal
from typing import Any, Literal

from utils.money import ZERO

Method = Literal["average", "fifo"]
DIGITS = Decimal("1e-18")


@dataclass(frozen=True, kw_only=True)
class Disposal:
    """A part of what a trade gave away; `acquired_at` and `cost_basis` are None when they are not known or averaged."""

    amount: Decimal
    acquired_at: datetime | None
    proceeds: Decimal | None
    cost_basis: Decimal | None

    @property
    def gain(self) -> Decimal | None:
        """Return proceeds less cost."""
        if self.proceeds is None or self.cost_basis is None:
            return None
        return (self.proceeds - self.cost_basis).quantize(DIGITS)


@dataclass(frozen=True, kw_only=True)
class Exchanged:
    """What a trade gave and got, net of its fee; `worth` is what was paid for that, in the reference currency."""

    gave: str
    gave_amount: Decimal
    got: str
    got_amount: Decimal
    worth: Decimal | None
    fee_value: Decimal | None
    disposals: list[Disposal]


@dataclass
class _Lot:
    at: datetime
    amount: Decimal
    cost: Decimal | None


@dataclass
class _Pool:
    """What is held of one currency."""

    total: Decimal = ZERO
    entry: Decimal | None = None
    lots: deque[_Lot] = field(default_factory=deque)


class CostBasis:
    """Follow one account's holdings through its ledger."""

    def __init__(self, reference: str) -> None:
        self._reference = reference
        self._pools: dict[str, _Pool] = defaultdict(_Pool)

    def move(self, entry: Any) -> None:
        """Follow an entry that is no trade's: a deposit, a reset, what came or went from outside."""
        pool = self._pools[entry.currency]
        if entry.kind == "reset":
            self._pools[entry.currency] = _Pool()
        elif entry.amount > 0:
            self._get(pool, entry.currency, entry.amount, self._value(entry), entry.created_at)
        else:
            list(self._take(pool, -entry.amount, None))
            pool.total += entry.amount

    def trade(self, trade: Any, entries: list[Any], method: Method) -> Exchanged | None:
        """Follow a trade's entries and tell what it exchanged; None when it moved no two currencies, as a future's.

        :param trade: with symbol's `base` and `quote`, `side` and `created_at`.
        """
        moves = {entry.currency: entry for entry in entries if entry.kind == "trade"}
        fees = [entry for entry in entries if entry.kind == "fee"]
        if set(moves) != {trade.base, trade.quote}:
            for entry in entries:
                self.move(entry)
            return None
        buys = trade.side == "buy"
        gave, got = (trade.quote, trade.base) if buys else (trade.base, trade.quote)
        gave_amount, got_amount = -moves[gave].amount, moves[got].amount
        quote_value = self._value(moves[trade.quote])
        worth = None if quote_value is None else abs(quote_value)
        fee_value: Decimal | None = ZERO
        elsewhere: Decimal | None = ZERO
        for fee in fees:
            value = self._value(fee)
            fee_value = None if fee_value is None or value is None else fee_value - value
            if fee.currency == gave:
                gave_amount -= fee.amount
            elif fee.currency == got:
                got_amount += fee.amount
            else:
                self.move(fee)
                elsewhere = _plus(elsewhere, value)
            if fee.currency == trade.quote:
                worth = _plus(worth, None if value is None else (-value if buys else value))
        pool, disposals = self._pools[gave], []
        if gave == self._reference:
            worth = _plus(worth, None if elsewhere is None else -elsewhere)
        else:
            disposals = self._dispose(pool, gave_amount, _plus(worth, elsewhere), method)
        pool.total -= gave_amount
        self._get(self._pools[got], got, got_amount, worth, trade.created_at)
        return Exchanged(
            gave=gave,
            gave_amount=gave_amount,
            got=got,
            got_amount=got_amount,
            worth=worth,
            fee_value=fee_value,
            disposals=disposals,
        )

    def _value(self, entry: Any) -> Decimal | None:
        # of old entries no value is kept; the reference currency's is known all the same
        value: Decimal | None = entry.amount if entry.currency == self._reference else entry.value
        return value

    def _dispose(self, pool: _Pool, amount: Decimal, worth: Decimal | None, method: Method) -> list[Disposal]:
        average = None if pool.entry is None else (amount * pool.entry).quantize(DIGITS)
        if pool.total == amount:
            pool.entry = None
        parts = list(self._take(pool, amount, worth))
        if method == "fifo":
            return parts
        return [Disposal(amount=amount, acquired_at=None, proceeds=worth, cost_basis=average)]

    def _take(self, pool: _Pool, amount: Decimal, worth: Decimal | None) -> Iterator[Disposal]:
        """Take `amount` from the oldest lots on; the parts' proceeds and costs add up to the last digit."""
        left, unpaid = amount, worth
        while left > 0:
            lot = pool.lots[0] if pool.lots else None
            part = left if lot is None else min(left, lot.amount)
            last = part == left
            proceeds = unpaid if last or unpaid is None else _share(worth, part, amount)
            cost = None
            if lot is not None and lot.cost is not None:
                cost = lot.cost if part == lot.amount else _share(lot.cost, part, lot.amount)
                lot.cost -= cost or ZERO
            yield Disposal(amount=part, acquired_at=None if lot is None else lot.at, proceeds=proceeds, cost_basis=cost)
            if lot is not None:
                lot.amount -= part
                if not lot.amount:
                    pool.lots.popleft()
            left -= part
            unpaid = _plus(unpaid, None if proceeds is None else -proceeds)

    def _get(self, pool: _Pool, currency: str, amount: Decimal, worth: Decimal | None, at: datetime) -> None:
        if currency != self._reference and amount > 0:
            entry = pool.entry if pool.total else ZERO
            if entry is None or worth is None:
                pool.entry = None
            else:  # digit by digit as the engine does it
                average = (pool.total * entry + worth) / (pool.total + amount)
                pool.entry = average.quantize(DIGITS, ROUND_DOWN)
            pool.lots.append(_Lot(at, amount, worth))
        pool.total += amount


def _plus(first: Decimal | None, second: Decimal | None) -> Decimal | None:
    return None if first is None or second is None else first + second


def _share(whole: Decimal | None, part: Decimal, amount: Decimal) -> Decimal | None:
    return None if whole is None else (whole * part / amount).quantize(DIGITS)
