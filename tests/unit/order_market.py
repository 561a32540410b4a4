"""A market whose every rule is another number, so that no two can be taken for each other, and orders in it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from engine.orders import drafts
from engine.orders.drafts import Draft
from utils.errors import Refused
from utils.wire import ExitLeg, Instrument, LeverageTier, OcoLeg, OrderTicket

SPOT = Instrument(
    symbol="AAA/USDT",
    exchange="demo",
    type="spot",
    base="AAA",
    quote="USDT",
    price_tick=Decimal("0.5"),
    amount_step=Decimal("0.01"),
    min_amount=Decimal("0.02"),
    max_amount=Decimal(50),
    min_cost=Decimal(10),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.003"),
)
SWAP = Instrument(
    symbol="AAA/USDT:USDT",
    exchange="demo",
    type="swap",
    base="AAA",
    quote="USDT",
    price_tick=Decimal("0.5"),
    amount_step=Decimal("0.01"),
    min_amount=Decimal("0.02"),
    max_amount=None,
    min_cost=Decimal(10),
    maker_fee=Decimal("0.001"),
    taker_fee=Decimal("0.003"),
    settle="USDT",
    contract_size=Decimal(1),
    linear=True,
    max_leverage=Decimal(20),
    leverage_tiers=(
        LeverageTier(max_cost=Decimal(1000), max_leverage=Decimal(20), maintenance_margin_rate=Decimal("0.02")),
        LeverageTier(max_cost=Decimal(5000), max_leverage=Decimal(10), maintenance_margin_rate=Decimal("0.05")),
        LeverageTier(max_cost=Decimal(9000), max_leverage=Decimal(4), maintenance_margin_rate=Decimal("0.1")),
    ),
    funding_seconds=28_800,
)
MARK = Decimal(100)


class Purse:
    """Can pay what it has; nothing is held against it that a rule of the market says."""

    def __init__(self, free: int | str = 1_000_000) -> None:
        self._free = Decimal(free)

    def free(self, _currency: str) -> Decimal:
        return self._free

    def reduce_only(self, _order: Draft) -> Refused | None:
        return None

    def covers(self, order: Draft) -> Refused | None:
        """Refuse what costs more than there is."""
        if order.needs()[1] > self._free:
            return drafts.refuse("insufficient_funds", "amount", "There is not enough.")
        return None


def draft(side: str = "buy", type: str = "limit", *, market: Instrument = SPOT, **fields: Any) -> Draft:
    """Return an order; 1 at 90 when nothing else is said."""
    given = {name: _number(value) for name, value in fields.items()}
    if "quote_amount" not in given:
        given.setdefault("amount", Decimal(1))
    if type == "limit":
        given.setdefault("price", Decimal(90))
    ticket = OrderTicket(symbol=market.symbol, side=side, type=type, **given)  # type: ignore[arg-type]
    return drafts.draft(ticket, market, MARK)


def leg(price: str | None = None, stop: str | None = None) -> ExitLeg:
    """Return an exit."""
    return ExitLeg(price=_number(price), stop_price=_number(stop))


def oco(stop: str, price: str | None = None) -> OcoLeg:
    """Return the stop of a pair."""
    return OcoLeg(stop_price=Decimal(stop), price=_number(price))


def _number(value: Any) -> Any:
    return Decimal(value) if isinstance(value, str) else value
