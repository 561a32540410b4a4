"""What is booked of a live account's fills, and what its owner is told of balances."""

from __future__ import annotations

from decimal import Decimal
from unittest.mock import Mock

import msgspec
import pytest

from engine.demo.catalogue import MARKETS
from engine.journal.unit import Line, Unit
from engine.live.booking import LiveBooking, with_fill
from engine.live.outcomes import ExchangeFill
from engine.orders import brackets, drafts, orders
from utils import clock, wire
from utils.wire import ExitLeg, Fee, OrderTicket


def test_a_fee_in_a_third_currency_is_told_with_the_fill() -> None:
    octobot = Mock(total=lambda _: Decimal(5), free=lambda _: Decimal(4))
    booking = LiveBooking(octobot, Mock(), Mock(), {})

    def told(moved: str | None) -> list[str]:
        unit = Unit(Line("account", "user"))
        if moved is not None:
            booking._move(moved, Decimal("-0.1"), "fee", unit)
        booking.tell(["USDT", "BTC"], unit)
        return list(msgspec.json.decode(unit.events[-1]["payload"])["currencies"])

    assert told("BNB") == ["USDT", "BTC", "BNB"]
    assert told("BTC") == told(None) == ["USDT", "BTC"]


def _bought(*fees: Fee | None) -> wire.Order:
    """Return a purchase of 3 SOL with a stop-loss, filled one by one with these fees."""
    market = MARKETS["SOL/USDT"].instrument
    stop = ExitLeg(stop_price=Decimal(90))
    ticket = OrderTicket(
        symbol="SOL/USDT", side="buy", type="limit", amount=Decimal(3), price=Decimal(100), stop_loss=stop
    )
    order = orders.new_order(drafts.draft(ticket, market, Decimal(101)), "account", "live")
    for number, fee in enumerate(fees):
        fill = ExchangeFill(
            id=str(number), price=Decimal(100), amount=Decimal(1), cost=Decimal(100), fee=fee, at=clock.now()
        )
        order = with_fill(order, fill, clock.now())
    return order


SOL, BNB = Fee(currency="SOL", cost=Decimal("0.0015")), Fee(currency="BNB", cost=Decimal("0.01"))


@pytest.mark.parametrize(
    ("fees", "told", "left"),
    [
        ((BNB, BNB, BNB), Fee(currency="BNB", cost=Decimal("0.03")), "3"),
        ((SOL, SOL, SOL), Fee(currency="SOL", cost=Decimal("0.0045")), "2.995"),
        # the discount's currency ran out, or came in, on the way
        ((BNB, SOL, SOL), Fee(currency="SOL", cost=Decimal("0.003")), "2.997"),
        ((SOL, BNB, SOL), Fee(currency="SOL", cost=Decimal("0.003")), "2.997"),
        ((None, SOL, BNB), Fee(currency="SOL", cost=Decimal("0.0015")), "2.998"),
        ((None, None, None), None, "3"),
    ],
)
def test_exits_sell_what_fees_in_the_base_currency_have_left(
    fees: tuple[Fee | None, ...], told: Fee | None, left: str
) -> None:
    entry = _bought(*fees)
    assert (entry.fee, entry.filled, entry.remaining) == (told, 3, 0)
    (stop,) = brackets.exits(entry, MARKETS["SOL/USDT"].instrument, entry.filled)
    assert (stop.side, stop.type, stop.amount, stop.stop_price) == ("sell", "stop", Decimal(left), 90)
